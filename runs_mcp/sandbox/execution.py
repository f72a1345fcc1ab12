"""The execution of runs: each run executes once, and its text is kept for all readers until it ends."""

import json
import re
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from time import monotonic
from typing import Any, TypeVar

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup

from runs_mcp.sandbox.catalog.interaction import Interaction, temporary
from runs_mcp.sandbox.catalog.interaction_catalog import InteractionCatalog
from runs_mcp.sandbox.content import demo_work, samples
from runs_mcp.sandbox.content.demo_work import ModelError
from runs_mcp.sandbox.schema_check import SchemaChecker, mismatches
from runs_mcp.sandbox.storage.run_schema import EXECUTION_SETTINGS
from runs_mcp.sandbox.storage.run_store import RunStore

Document = dict[str, Any]
T = TypeVar("T")
MS_PER_S = 1_000
# A word and the space after it, so that the chunks of a text concatenate to the text.
CHUNK = re.compile(r"\S+\s*|\s+")
INTERRUPTED = ("interrupted", "The server was restarted while the run was executing.")


class Database:
    """The run store, used by one caller at a time and off the event loop; it is filled before its first use."""

    def __init__(self, store: RunStore, fill: Callable[[RunStore], None]) -> None:
        self.store = store
        self._fill: Callable[[RunStore], None] | None = fill
        self._turn = anyio.CapacityLimiter(1)
        # A request that uvicorn cancels gives up its turn while its thread still uses the store.
        self._in_use = threading.Lock()

    async def run(self, work: Callable[..., T], *arguments: Any, **options: Any) -> T:
        """Call a method of the store."""
        return await to_thread.run_sync(self._call, partial(work, *arguments, **options), limiter=self._turn)

    def close(self) -> None:
        """Close the store, once no thread uses it."""
        with self._in_use:
            self.store.close()

    def _call(self, work: Callable[[], T]) -> T:
        with self._in_use:
            if self._fill is not None:
                self._fill(self.store)
                self._fill = None
            return work()


class LiveRun:
    """A run that is executing: the pieces of text it has written so far."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.ended = anyio.Event()
        self._grew = anyio.Event()

    def append(self, piece: str) -> None:
        """Add a piece and wake the readers."""
        self.pieces.append(piece)
        # A new event for the next piece, because events cannot be reset.
        self._grew.set()
        self._grew = anyio.Event()

    def end(self) -> None:
        """Notify the readers that no more pieces follow."""
        self.ended.set()
        self._grew.set()

    async def follow(self) -> AsyncIterator[str]:
        """Yield every piece, from the start, as it is written."""
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

    def __init__(
        self, database: Database, tasks: TaskGroup, interactions: InteractionCatalog, checker: SchemaChecker
    ) -> None:
        self._database = database
        self._tasks = tasks
        self._interactions = interactions
        self._checker = checker
        self._live: dict[str, LiveRun] = {}

    def __len__(self) -> int:
        """Return the number of runs that are executing."""
        return len(self._live)

    def find(self, run_id: str) -> LiveRun | None:
        """Return the execution of a run, or None if the run is not executing."""
        return self._live.get(run_id)

    def start(self, run: Document, *, new: bool = False) -> LiveRun:
        """Execute a run that was created, or store it first if it is `new`; a run is never executed twice at once."""
        if live := self._live.get(run["id"]):
            return live
        live = self._live[run["id"]] = LiveRun()
        self._tasks.start_soon(partial(self._execute, run, live, new=new))
        return live

    async def _execute(self, run: Document, live: LiveRun, *, new: bool) -> None:
        store, started = self._database.store, monotonic()
        try:
            if new:
                await self._database.run(store.add, [run])
            run = {**run, "status": "processing", "updated_at": now()}
            await self._database.run(store.replace, run)
            outcome = await self._safe_outcome(run, live)
            took_ms = round((monotonic() - started) * MS_PER_S)
            ended = {**run, **outcome, "execution_time": took_ms, "updated_at": now()}
            await self._database.run(store.replace, ended)
        finally:
            # After the store: a reader that sees the end must read the final run.
            del self._live[run["id"]]
            live.end()

    async def _safe_outcome(self, run: Document, live: LiveRun) -> Document:
        try:
            return await self._outcome(run, live)
        except Exception as error:  # noqa: BLE001 - a run that breaks fails alone, and the others continue
            return samples.failed("internal_error", f"{type(error).__name__}: {error}")

    async def _outcome(self, run: Document, live: LiveRun) -> Document:
        interaction = self._interaction(run)
        if interaction is None:
            return samples.failed("interaction_gone", "The interaction no longer exists.")
        data = run["parameters"]
        try:
            result = await to_thread.run_sync(
                demo_work.perform, interaction, data, run["modelId"], run.get("result_schema")
            )
        except ModelError as error:
            return samples.failed(error.code, error.message)
        for piece in CHUNK.findall(text_of(result)):
            live.append(piece)
            await anyio.sleep(demo_work.delay_s(data, run["modelId"]))
        settings = run.get(EXECUTION_SETTINGS, {})
        if problem := await self._mismatch(settings, result):
            return samples.failed("invalid_result", f"The result does not fit result_schema: {problem}")
        return samples.completed(run, result) | _tool_request(run["id"], settings.get("tools", ()), result)

    async def _mismatch(self, settings: Document, result: Any) -> str | None:
        schema = settings.get("schema")
        if schema is None:
            return None
        if settings.get("trusted"):
            return next(iter(mismatches(schema, result)), None)
        return await self._checker.mismatch(schema, result)

    def _interaction(self, run: Document) -> Interaction | None:
        selector = run["interaction"]["id"]
        prompts = run.get(EXECUTION_SETTINGS, {}).get("prompts")
        return temporary(selector, prompts) if prompts else self._interactions.find(selector)


def recover(store: RunStore) -> None:
    """Fail the runs that were executing when the process executing them ended."""
    for run in store.interrupted():
        store.replace({**run, **samples.failed(*INTERRUPTED), "updated_at": now()})


def text_of(result: Any) -> str:
    """Return the text that the stream of a run with this result contains."""
    return result if isinstance(result, str) else "" if result is None else json.dumps(result, ensure_ascii=False)


def now() -> str:
    """Return the current time in the format of runs."""
    return samples.timestamp(datetime.now(UTC))


def _tool_request(run_id: str, tools: Sequence[str], result: Any) -> Document:
    """Return the model's request to call the first offered tool, if the interaction found no answer; else nothing."""
    if not tools or not isinstance(result, dict) or result.get("answer", "") is not None:
        return {}
    request = {"id": f"tool-{run_id}", "tool_name": tools[0], "tool_input": {}}
    return {"finish_reason": "tool_use", "tool_use": [request]}
