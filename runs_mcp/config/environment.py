"""The settings source for `RUNS_MCP_…` environment variables."""

import json
from typing import Any, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource
from typing_extensions import override


class EnvironmentSource(EnvSettingsSource):
    """Environment variables. A list is given as JSON or as comma-separated values.

    A value that cannot be decoded stays text, so that validation reports it under the name of its setting. The base
    class raises a `SettingsError` without that name instead.
    """

    @override
    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        # JSON as in pydantic-settings; commas as well, because quotes are hard to write in shells and YAML.
        if _is_list(field) and not value.lstrip().startswith("["):
            return [item.strip() for item in value.split(",") if item.strip()]
        try:
            return json.loads(value)
        except ValueError:
            return value


def _is_list(field: FieldInfo | None) -> bool:
    if field is None:
        return False
    # Settings with lists are tuples, because the configuration is frozen; an optional list is a union with a tuple.
    return any(get_origin(option) is tuple for option in (field.annotation, *get_args(field.annotation)))
