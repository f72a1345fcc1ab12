"""Messages of validation errors, in the words of JSON instead of those of Python."""

from collections.abc import Mapping

from pydantic_core import ErrorDetails

JSON_TYPES: Mapping[str, str] = {
    "dict_type": "a JSON object",
    "list_type": "a list",
    "model_attributes_type": "a JSON object",
    "model_type": "a JSON object",
    "tuple_type": "a list",
}
"""The expected types by the type of pydantic's error."""


def plain_message(problem: ErrorDetails) -> str:
    """Return the message of a problem that pydantic found."""
    if expected := JSON_TYPES.get(problem["type"]):
        return f"Input should be {expected}"
    return problem["msg"].removeprefix("Value error, ").replace(" after validation", "")
