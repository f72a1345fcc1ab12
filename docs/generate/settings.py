"""The settings as docs/configuration.md has them, made of the schema of the configuration."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from docs.generate.schemas import default_of, type_of
from runs_mcp.config.load import json_schema
from runs_mcp.config.settings import ENV_PREFIX

ANY_NAME = "*"


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting that has a value of its own."""

    path: str
    type: str
    default: str
    description: str

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return ENV_PREFIX + self.path.replace(ANY_NAME, "NAME").replace(".", "__").upper()


@dataclass(frozen=True, slots=True)
class Section:
    """Settings that belong together."""

    path: str
    description: str
    settings: tuple[Setting, ...]
    as_in: str = ""
    """The section that has the same settings, where they are not told again."""


def sections() -> Iterator[Section]:
    """Every section of the configuration, those outside before those inside."""
    schema = json_schema()
    told: dict[str, str] = {}
    waiting: list[tuple[str, dict[str, Any], Any]] = [("", schema, {})]
    while waiting:
        path, section, defaults = waiting.pop(0)
        if as_in := told.get(section["title"]):
            yield Section(path, section["description"], (), as_in)
            continue
        told[section["title"]] = path
        prefix = f"{path}." if path else ""
        settings, inner = [], []
        for name, one in section["properties"].items():
            default = defaults.get(name, one.get("default"))
            if found := [*_inside(one, schema["$defs"])]:
                inner += [(f"{prefix}{name}{more}", below, default or {}) for more, below in found]
            else:
                words = " ".join(one.get("description", "").split())
                needed = name in section.get("required", ())
                shown = "*needed*" if needed else default_of(default)
                settings.append(Setting(f"{prefix}{name}", type_of(one), shown, words))
        yield Section(path, section["description"], tuple(settings))
        waiting[:0] = inner


def paths() -> set[str]:
    """Every setting and section there is, by its path."""
    return {
        path
        for section in sections()
        for path in (section.path, *(setting.path for setting in section.settings))
        if path
    }


def document() -> str:
    """A table for each section."""
    return "\n".join(line for section in sections() for line in _lines(section)).strip()


def _inside(one: dict[str, Any], definitions: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The sections that may stand at a place, and what of a path comes between."""
    if reference := one.get("$ref"):
        yield "", definitions[reference.rpartition("/")[2]]
    for option in one.get("oneOf", []):
        yield "", definitions[option["$ref"].rpartition("/")[2]]
    for named in one.get("patternProperties", {}).values():
        yield f".{ANY_NAME}", definitions[named["$ref"].rpartition("/")[2]]


def _lines(section: Section) -> Iterator[str]:
    kinds = [one.type for one in section.settings if one.path == "server.http.auth.kind"]
    yield f"### {f'`{section.path}`' if section.path else 'At the top'}{f', kind {kinds[0]}' if kinds else ''}"
    yield from ("", " ".join(section.description.split()) if section.path else "", "")
    if section.as_in:
        yield from (f"The same settings as `{section.as_in}`.", "")
    elif section.settings:
        yield from ("| setting, variable | type | default | what it does |", "|---|---|---|---|")
        for one in section.settings:
            yield f"| `{one.path}`<br>`{one.variable}` | {one.type} | {one.default} | {one.description} |"
        yield ""
