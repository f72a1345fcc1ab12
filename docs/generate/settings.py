"""The settings in docs/configuration.md, generated from the schema of the configuration."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from docs.generate.schemas import default_of, type_of
from runs_mcp.config.settings import ENV_PREFIX, Config

ANY_NAME = "*"


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting with a value, as opposed to a section."""

    path: str
    type: str
    default: str
    description: str

    @property
    def variable(self) -> str:
        """The environment variable of the setting."""
        return ENV_PREFIX + self.path.replace(ANY_NAME, "NAME").replace(".", "__").upper()


@dataclass(frozen=True, slots=True)
class Section:
    """Settings that belong together."""

    path: str
    description: str
    settings: tuple[Setting, ...]
    as_in: str = ""
    """The path of the section with the same settings, which are not repeated; empty if `settings` lists them."""


def sections() -> Iterator[Section]:
    """Yield every section of the configuration, outer sections before inner sections."""
    schema = Config.model_json_schema()
    path_by_title: dict[str, str] = {}
    pending: list[tuple[str, dict[str, Any], Any]] = [("", schema, {})]
    while pending:
        path, section, defaults = pending.pop(0)
        if as_in := path_by_title.get(section["title"]):
            yield Section(path, section["description"], (), as_in)
            continue
        path_by_title[section["title"]] = path
        prefix = f"{path}." if path else ""
        settings, inner = [], []
        for name, schema_of_name in section["properties"].items():
            default = defaults.get(name, schema_of_name.get("default"))
            if subsections := [*_subsections(schema_of_name, schema["$defs"])]:
                inner += [(f"{prefix}{name}{suffix}", subsection, default or {}) for suffix, subsection in subsections]
            else:
                description = " ".join(schema_of_name.get("description", "").split())
                shown = "*needed*" if name in section.get("required", ()) else default_of(default)
                settings.append(Setting(f"{prefix}{name}", type_of(schema_of_name), shown, description))
        yield Section(path, section["description"], tuple(settings))
        pending[:0] = inner


def paths() -> set[str]:
    """Return the paths of all settings and sections."""
    return {
        path
        for section in sections()
        for path in (section.path, *(setting.path for setting in section.settings))
        if path
    }


def document() -> str:
    """Return a table for each section."""
    return "\n".join(line for section in sections() for line in _lines(section)).strip()


def _subsections(schema: dict[str, Any], definitions: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the sections that `schema` allows, each with the suffix of its path."""
    # The text of a field says more than that of its type, unless it is shared by alternative types.
    own = {"description": schema["description"]} if "description" in schema else {}
    for option in (schema, *schema.get("anyOf", [])):
        if "$ref" in option:
            yield "", {**_definition(option, definitions), **own}
    for option in schema.get("oneOf", []):
        yield "", _definition(option, definitions)
    for profile in schema.get("patternProperties", {}).values():
        yield f".{ANY_NAME}", _definition(profile, definitions)


def _definition(reference: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the definition that `reference` names."""
    definition: dict[str, Any] = definitions[reference["$ref"].rpartition("/")[2]]
    return definition


def _lines(section: Section) -> Iterator[str]:
    kinds = [setting.type for setting in section.settings if setting.path == "server.http.auth.kind"]
    yield f"### {f'`{section.path}`' if section.path else 'Top level'}{f', kind {kinds[0]}' if kinds else ''}"
    yield ""
    if section.path:
        yield from (" ".join(section.description.split()), "")
    if section.as_in:
        yield from (f"The same settings as `{section.as_in}`.", "")
    elif section.settings:
        yield from ("| setting, variable | type | default | description |", "|---|---|---|---|")
        for setting in section.settings:
            name = f"`{setting.path}`<br>`{setting.variable}`"
            yield f"| {name} | {setting.type} | {setting.default} | {setting.description} |"
        yield ""
