"""Executing runs: each once, its text kept while it runs for whoever follows it."""

import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from functools import partial
from time import monotonic
from typing import Any, TypeVar

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.exceptions import Unresolvable

from runs_mcp.sandbox import interactions, samples
from runs_mcp.sandbox.interactions import ModelError
from runs_mcp.sandbox.store import Document, Store

T = TypeVar("T")
MS_PER_S = 1_000
INTERRUPTED = ("interrupted", "The server was restarted while the run was executing.")


class Database:
    """The store, one caller at a time, off the event loop."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._turn = anyio.CapacityLimiter(1)

    async def run(self, work: Callable[..., T], *arguments: Any, **options: Any) -> T:
        """Call a method of the store."""
        return await to_thread.run_sync(partial(work, *arguments, **options), limiter=self._turn)


class Live:
    """A run that is executing: its pieces so far."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.ended = anyio.Event()
        self._grew = anyio.Event()

    def append(self, piece: str) -> None:
        """Add a piece, and wake the followers."""
        self.pieces.append(piece)
        self._grew.set()
        self._grew = anyio.Event()

    def end(self) -> None:
        """Tell the followers that there will be no more."""
        self.ended.set()
        self._grew.set()

    async def follow(self) -> AsyncIterator[str]:
        """Every piece from the first on, as they come."""
        position = 0
        while True:
            while position < len(self.pieces):
                yield self.pieces[position]
                position += 1
            if self.ended.is_set():
                return
            await self._grew.wait()


class Executions:
    """The runs that are executing in this process."""

    def __init__(self, database: Database, tasks: TaskGroup) -> None:
        self._database = database
        self._tasks = tasks
        self._live: dict[str, Live] = {}

    def __len__(self) -> int:
        """How many runs are executing."""
        return len(self._live)

    def find(self, run_id: str) -> Live | None:
        """The execution of a run, if it is executing."""
        return self._live.get(run_id)

    def start(self, run: Document, *, new: bool = False) -> Live:
        """Execute a run that was created, or `new`; a run that is executing is not started again."""
        if live := self._live.get(run["id"]):
            return live
        live = self._live[run["id"]] = Live()
        self._tasks.start_soon(partial(self._execute, run, live, new=new))
        return live

    async def recover(self) -> None:
        """Fail the runs that were executing when the process before this one ended."""
        store = self._database.store
        for run in await self._database.run(store.interrupted):
            await self._database.run(store.replace, {**run, **samples.failed(*INTERRUPTED), "updated_at": _now()})

    async def _execute(self, run: Document, live: Live, *, new: bool) -> None:
        store, started = self._database.store, monotonic()
        try:
            if new:
                await self._database.run(store.add, [run])
            run = {**run, "status": "processing", "updated_at": _now()}
            await self._database.run(store.replace, run)
            outcome = await self._safe_outcome(run, live)
            took_ms = round((monotonic() - started) * MS_PER_S)
            await self._database.run(store.replace, {**run, **outcome, "execution_time": took_ms, "updated_at": _now()})
        finally:
            del self._live[run["id"]]
            live.end()

    async def _safe_outcome(self, run: Document, live: Live) -> Document:
        try:
            return await self._outcome(run, live)
        except Exception as error:  # noqa: BLE001 - a run that goes wrong fails alone: the others go on
            return samples.failed("internal_error", f"{type(error).__name__}: {error}")

    async def _outcome(self, run: Document, live: Live) -> Document:
        interaction = interactions.find(run["interaction"]["id"])
        if interaction is None:
            return samples.failed("interaction_gone", "The interaction is no longer there.")
        data = run["parameters"]
        try:
            result = await to_thread.run_sync(interaction.work, data)
        except ModelError as error:
            return samples.failed(error.code, error.message)
        text = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)
        for piece in interaction.pieces(text):
            live.append(piece)
            await anyio.sleep(interactions.delay_s(data))
        if (schema := run.get("result_schema")) and (mismatch := _mismatch(schema, result)):
            return samples.failed("invalid_result", f"The result does not fit result_schema: {mismatch}")
        return samples.completed(run, result)


def text_of(run: Document) -> str:
    """What a run that has ended wrote."""
    result = run.get("result")
    return result if isinstance(result, str) else "" if result is None else json.dumps(result, ensure_ascii=False)


def _mismatch(schema: Document, result: Any) -> str | None:
    validator = Draft202012Validator(schema, registry=Registry())  # an empty one: nothing is fetched
    try:
        first = next(validator.iter_errors(result), None)
    except (Unresolvable, RecursionError) as error:
        return f"its references cannot be followed: {error}"
    return f"{first.json_path}: {first.message}" if first else None


def _now() -> str:
    return samples.timestamp(datetime.now(UTC))
