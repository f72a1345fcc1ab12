"""Checks of the JSON schemas that callers send, and of results, in a process that is killed if it takes too long.

A short schema can take practically forever, by a regular expression that backtracks or by references that multiply.
In a thread it would hold the interpreter's lock, so that no request and no signal would be handled.
"""

import json
import re
import signal
from contextlib import suppress
from typing import Any

from anyio import BrokenWorkerProcess, CapacityLimiter, move_on_after, to_process

MAX_SECONDS = 10
MAX_CHECKS = 2
TOO_SLOW = f"it cannot be checked within {MAX_SECONDS} s"


class SchemaChecker:
    """Worker processes that check schemas and values. Idle workers are reused."""

    def __init__(self) -> None:
        # Two limiters: the time in the queue for a turn must not count against the deadline of a check.
        self._turn = CapacityLimiter(MAX_CHECKS)
        self._processes = CapacityLimiter(MAX_CHECKS)

    async def schema_problem(self, schema: Any) -> str | None:
        """Return the reason why `schema` is not a JSON schema; None if it is."""
        return await self._check(json.dumps(schema))

    async def mismatch(self, schema: Any, value: Any) -> str | None:
        """Return the first place where `value` does not match `schema`; None if it matches."""
        return await self._check(json.dumps(schema), json.dumps(value))

    async def _check(self, schema: str, value: str | None = None) -> str | None:
        async with self._turn:
            await self._ready()
            with move_on_after(MAX_SECONDS), suppress(BrokenWorkerProcess):
                return await to_process.run_sync(check, schema, value, cancellable=True, limiter=self._processes)
        return TOO_SLOW

    async def _ready(self) -> None:
        """Start a worker, unless an idle worker is alive: that time does not count as the time of a check."""
        # Idle workers can have ended, and each such worker fails an attempt: hence one attempt more than workers.
        for _ in range(MAX_CHECKS + 1):
            with suppress(BrokenWorkerProcess):
                await to_process.run_sync(load, cancellable=True, limiter=self._processes)
                return


def load() -> None:
    """Import the modules that a check needs."""
    import jsonschema  # noqa: F401, PLC0415 - takes 50 ms; only the worker needs it


def check(schema_text: str, value_text: str | None = None) -> str | None:
    """Return the first problem of a schema, or of a value under it, both as JSON; None if both are valid."""
    # The alarm ends a worker that outlives a killed parent. Windows has no alarms.
    if hasattr(signal, "alarm"):
        signal.alarm(MAX_SECONDS + 5)
    schema = json.loads(schema_text)
    try:
        problem = malformed(schema)
        if problem or value_text is None:
            return problem
        return next(iter(mismatches(schema, json.loads(value_text))), None)
    finally:
        if hasattr(signal, "alarm"):
            signal.alarm(0)


def malformed(schema: Any) -> str | None:
    """Return the reason why `schema` is not a JSON schema; None if it is."""
    from jsonschema import Draft202012Validator, SchemaError  # noqa: PLC0415 - see `load`

    try:
        Draft202012Validator.check_schema(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    except SchemaError as error:
        return error.message
    except RecursionError as error:
        return f"its references cannot be followed: {error}"
    return None


def mismatches(schema: Any, value: Any) -> list[str]:
    """Return a description of each place where `value` does not match `schema`, or the reason why none can be found."""
    from jsonschema import Draft202012Validator, SchemaError  # noqa: PLC0415 - see `load`
    from referencing import Registry  # noqa: PLC0415
    from referencing.exceptions import Unresolvable  # noqa: PLC0415

    try:
        validator = Draft202012Validator(schema, registry=Registry())  # an empty registry: nothing is fetched
        return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]
    except SchemaError as error:
        return [error.message]
    except (Unresolvable, RecursionError) as error:
        return [f"its references cannot be followed: {error}"]
    except re.error as error:
        return [f"malformed pattern: {error}"]
