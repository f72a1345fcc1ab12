"""Readable configuration errors: the setting, the cause, and the closest valid name."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from runs_mcp.config.settings import ENV_PREFIX, Config
from runs_mcp.config.validation_messages import plain_message

CONFIG_VARIABLE = "RUNS_MCP_CONFIG"
SERVICE_LINK = re.compile(rf"{ENV_PREFIX}(\w+_)?(SERVICE_(HOST|PORT(_\w+)?)=.*|PORT=\w+://.*|PORT_\d+_\w+=.*)")
"""A variable with its value that Kubernetes sets in each pod for a Service with a name that begins with `runs-mcp`.

https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
"""
SIMILAR_KEY = 0.75
"""Similarity from which a key is a misspelling; `token` is none of `token_url`, so its error lists the keys instead."""


class ConfigError(Exception):
    """An error in the configuration; its text names the setting, the cause and the remedy."""


def reject_unknown_variables(environ: Mapping[str, str]) -> None:
    """Check that every `RUNS_MCP_…` variable belongs to a setting, or to a Service of Kubernetes.

    Raises:
        ConfigError: a variable is unknown; the text names the closest match.
    """
    # pydantic-settings ignores variables that it does not know, so a misspelled setting would have no effect.
    known = {CONFIG_VARIABLE, *_variables(Config, ENV_PREFIX)}
    for name in sorted(environ):
        if not name.startswith(ENV_PREFIX) or SERVICE_LINK.fullmatch(f"{name}={environ[name]}"):
            continue
        # Each pattern is compiled to a regular expression, and most names need none.
        if name.upper() not in known and not any(fnmatchcase(name.upper(), pattern) for pattern in known):
            raise ConfigError(f"Unknown environment variable {name}.{_nearest(name, known)}")


def _variables(annotation: Any, prefix: str) -> Iterator[str]:
    """Yield the variables for a value of type `annotation`; `*` matches a name that the user chooses."""
    if get_origin(annotation) is dict:
        yield from _variables(get_args(annotation)[1], f"{prefix}*__")
    for section in _sections(annotation):
        for name, field in section.model_fields.items():
            yield f"{prefix}{name.upper()}"
            yield from _variables(field.annotation, f"{prefix}{name.upper()}__")


def _sections(annotation: Any) -> list[type[BaseModel]]:
    options = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    return [option for option in options if isinstance(option, type) and issubclass(option, BaseModel)]


def describe(error: ValidationError, file: Path | None, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each problem, beginning with the variable or the file and key that cause it."""
    for problem in error.errors(include_url=False, include_input=False):
        path, known = _locate(problem["loc"])
        message = plain_message(problem)
        if problem["type"] == "extra_forbidden":
            message = f"unknown key.{_nearest(path[-1], known, cutoff=SIMILAR_KEY)}"
        elif problem["type"].startswith("union_tag"):
            message = f"kind must be one of {', '.join(sorted(known))}"
        elif problem["type"] == "tuple_type":
            message += ': JSON such as ["a", "b"], or a,b in a variable'
        elif problem["type"] == "missing":
            message = "this setting is required"
        yield ": ".join([*_origin(path, file, environ), message])


def _origin(path: list[str], file: Path | None, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the variable that sets `path`, and the rest of `path` if the variable holds an object.

    If no variable sets it, yield the file, the variables inside `path`, and `path` itself.
    """
    prefix = "".join(f"{part}__" for part in path).upper()
    inside = []
    for name in sorted(environ) if path else []:
        variable = f"{name.upper()}__".removeprefix(ENV_PREFIX)
        if name.upper().startswith(ENV_PREFIX) and environ[name]:
            if prefix.startswith(variable):
                yield name
                if rest := path[variable.count("__") :]:
                    yield ".".join(rest)
                return
            if variable.startswith(prefix):
                inside.append(name)
    if sources := [*([str(file)] if file else []), *inside]:
        yield " and ".join(sources)
    if path:
        yield ".".join(path)


def _locate(location: Iterable[int | str]) -> tuple[list[str], set[str]]:
    """Return the path of a problem in the file, and the valid keys or kinds at that path."""
    path: list[str] = []
    known: set[str] = set()
    annotation: Any = Config
    for part in map(str, location):
        if kinds := _kinds(annotation):  # pydantic inserts the kind of a union into the location; it is not a key
            annotation = kinds[part]
            continue
        path.append(part)
        if get_origin(annotation) is dict:
            annotation = get_args(annotation)[1]
        elif sections := _sections(annotation):
            fields = sections[0].model_fields
            known, annotation = set(fields), fields[part].annotation if part in fields else None
    return path, set(_kinds(annotation)) or known


def _kinds(annotation: Any) -> dict[str, type[BaseModel]]:
    """Return the sections of a union by their kind; empty if `annotation` is not a union."""
    sections = _sections(annotation)
    if len(sections) <= 1:
        return {}
    return {get_args(section.model_fields["kind"].annotation)[0]: section for section in sections}


def _nearest(name: str, known: set[str], *, cutoff: float = 0.5) -> str:
    by_lower = {candidate.lower(): candidate for candidate in known}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=cutoff)
    return f" Did you mean {by_lower[near[0]]}?" if near else f" Valid: {', '.join(sorted(known))}."
