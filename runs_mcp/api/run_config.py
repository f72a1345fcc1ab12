"""The `config` of a create: settings of a run, in the place and form that each edition expects."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import MISSING

from runs_mcp.api.editions import Edition
from runs_mcp.api.errors import InvalidArgumentError
from runs_mcp.api.payloads import drop_unset

GENERATION_SETTINGS = frozenset(
    {"temperature", "max_tokens", "top_p", "top_k", "presence_penalty", "frequency_penalty", "stop_sequence"}
)
"""Settings that the `vertesia` edition takes only inside `model_options`."""


def run_config(edition: Edition, settings: Mapping[str, Any] | MISSING, **chosen: Any) -> dict[str, Any]:
    """Return the `config` of a create body, with generation settings where the edition expects them.

    In the `vertesia` edition, values of the older contract are converted: a `stop_sequence` that is a text, an
    `http_timeout` that is a number of milliseconds, a `configMode` or `run_data` in lower case. Nulls are left out.

    Raises:
        InvalidArgumentError: such a value has another type, or a setting is given twice.
    """
    config = {**drop_unset(**({} if settings is MISSING else settings)), **drop_unset(**chosen)}
    if not edition.model_options:
        return config
    config = _converted(config)
    generation = {name: config.pop(name) for name in sorted(GENERATION_SETTINGS & set(config))}
    options = config.get("model_options", {"_option_id": "text-fallback"} if generation else {})
    if not isinstance(options, Mapping):
        raise InvalidArgumentError(f"`config.model_options`: an object, not {options!r}")
    if twice := generation.keys() & options.keys():
        raise InvalidArgumentError(f"`config.{min(twice)}`: is in `config.model_options` as well")
    return {**config, **drop_unset(model_options={**_converted(drop_unset(**options)), **generation})}


def _converted(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: CONVERSIONS[name](name, value) if name in CONVERSIONS else value for name, value in settings.items()}


def _listed(name: str, value: Any) -> list[str]:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    if isinstance(value, str):
        return [value]
    raise InvalidArgumentError(f"`config.{name}`: a text or a list of texts, not {value!r}")


def _timeouts(name: str, value: Any) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return drop_unset(**value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"headersTimeout": value, "bodyTimeout": value}
    raise InvalidArgumentError(f"`config.{name}`: an object or a number of milliseconds, not {value!r}")


def _upper(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value.upper()
    raise InvalidArgumentError(f"`config.{name}`: a text, not {value!r}")


CONVERSIONS: Mapping[str, Callable[[str, Any], Any]] = {
    "stop_sequence": _listed,
    "http_timeout": _timeouts,
    "configMode": _upper,
    "run_data": _upper,
}
"""Conversions of the values of the older contract, by setting."""
