"""The interactions that a sandbox offers, and the selectors that name them."""

from collections.abc import Iterable, Sequence

from runs_mcp.sandbox.catalog.interaction import Interaction

STORED_PREFIX = "oid:"


class InteractionCatalog:
    """The interactions that a sandbox offers."""

    def __init__(self, interactions: Iterable[Interaction]) -> None:
        self._by_id = {interaction.id: interaction for interaction in interactions}

    @property
    def every(self) -> list[Interaction]:
        """All interactions, in the order in which they were added."""
        return list(self._by_id.values())

    @property
    def stored(self) -> list[Interaction]:
        """The versions of the project's own interactions."""
        return [interaction for interaction in self.every if interaction.kind == "stored"]

    def get(self, interaction_id: str) -> Interaction | None:
        """Return the interaction with this id; None if it is unknown."""
        return self._by_id.get(interaction_id)

    def find(self, selector: str) -> Interaction | None:
        """Return the interaction that a selector names; None if it is unknown.

        A selector is an id (of a stored, `sys:` or `app:` interaction) or a name, optionally followed by
        `@` and a version, `draft`, `latest` or a tag. The prefix `oid:` may precede either.
        """
        selector = selector.removeprefix(STORED_PREFIX)
        if interaction := self.get(selector):
            return interaction
        name, _, version = selector.partition("@")
        versions = self.named(name)
        if not versions:
            return None
        return _choose(versions, version)

    def named(self, name: str) -> list[Interaction]:
        """Return all versions with this name, drafts included."""
        return [interaction for interaction in self.stored if interaction.name == name]

    def children(self, interaction_id: str) -> list[Interaction]:
        """Return the versions that were published from a draft, and the forks of an interaction."""
        return [interaction for interaction in self.stored if interaction.parent == interaction_id]

    def latest(self, interactions: Iterable[Interaction]) -> list[Interaction]:
        """Return an interaction for each name: its latest published version, or else its draft."""
        by_name: dict[str, list[Interaction]] = {}
        for interaction in interactions:
            by_name.setdefault(interaction.name, []).append(interaction)
        return [max(versions, key=_recency) for versions in by_name.values()]

    def put(self, interaction: Interaction) -> Interaction:
        """Add an interaction, or replace the interaction with the same id; return it."""
        self._by_id[interaction.id] = interaction
        return interaction

    def remove(self, interaction_id: str) -> None:
        """Remove an interaction."""
        del self._by_id[interaction_id]


def _choose(versions: Sequence[Interaction], version: str) -> Interaction | None:
    latest = max(versions, key=_recency)
    if version in ("", "latest"):
        return latest
    if version == "draft":
        return next((draft for draft in versions if draft.status == "draft"), latest)
    return next((each for each in versions if version == str(each.version) or version in each.tags), None)


def _recency(interaction: Interaction) -> tuple[bool, int]:
    return interaction.status == "published", interaction.version
