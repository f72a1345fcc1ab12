"""Readable errors: which setting is wrong, why, and the closest valid name."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from runs_mcp.config.settings import ENV_PREFIX, Config

CONFIG_VARIABLE = "RUNS_MCP_CONFIG"


class ConfigError(Exception):
    """The configuration cannot be used; the text says which setting, why, and what would do."""


def reject_unknown_variables(environ: Mapping[str, str]) -> None:
    known = {CONFIG_VARIABLE, *_variables(Config, ENV_PREFIX)}
    for name in sorted(environ):
        if name.startswith(ENV_PREFIX) and not any(fnmatchcase(name.upper(), one) for one in known):
            raise ConfigError(f"Unknown environment variable {name}.{_nearest(name, known)}")


def _variables(annotation: Any, prefix: str) -> Iterator[str]:
    """The variables that set what is of this type; a `*` stands for a name that the user chooses."""
    if get_origin(annotation) is dict:
        yield from _variables(get_args(annotation)[1], f"{prefix}*__")
    for section in _sections(annotation):
        for name, field in section.model_fields.items():
            yield f"{prefix}{name.upper()}"
            yield from _variables(field.annotation, f"{prefix}{name.upper()}__")


def _sections(annotation: Any) -> list[type[BaseModel]]:
    options = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    return [one for one in options if isinstance(one, type) and issubclass(one, BaseModel)]


def describe(error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_url=False, include_input=False):
        path, known = _place(problem["loc"])
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            message = f"unknown key.{_nearest(path[-1], known)}"
        elif problem["type"].startswith("union_tag"):
            message = f"kind must be one of {', '.join(sorted(known))}"
        yield f"{'.'.join(path)}: {message}" if path else message


def _place(location: Iterable[int | str]) -> tuple[list[str], set[str]]:
    """Where a problem is, as the file spells it, and the keys that are known there; or the kinds, of several."""
    path: list[str] = []
    known: set[str] = set()
    here: Any = Config
    for part in map(str, location):
        if kinds := _kinds(here):  # pydantic says which of several sections by its kind, which is no key
            here = kinds[part]
            continue
        path.append(part)
        if get_origin(here) is dict:
            here = get_args(here)[1]
        elif sections := _sections(here):
            fields = sections[0].model_fields
            known, here = set(fields), fields[part].annotation if part in fields else None
    return path, set(_kinds(here)) or known


def _kinds(annotation: Any) -> dict[str, type[BaseModel]]:
    """The sections of which one may stand here, where there are several."""
    sections = _sections(annotation)
    return {get_args(one.model_fields["kind"].annotation)[0]: one for one in sections} if len(sections) > 1 else {}


def _nearest(name: str, known: set[str]) -> str:
    near = difflib.get_close_matches(name.lower(), [one.lower() for one in known], n=1, cutoff=0.5)
    match = next((one for one in known if near and one.lower() == near[0]), None)
    return f" Did you mean {match}?" if match else f" Known here: {', '.join(sorted(known))}."
