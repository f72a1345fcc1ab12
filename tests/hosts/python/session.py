"""The session that each program has with the server, and the record that it prints as JSON."""

import inspect
import json
import re
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol

import anyio

HTTP_TIMEOUT_S = 300.0
"""The time that the HTTP client of the MCP SDK waits for the next message."""
CONTINUE = re.compile(r'stream_run\(run_id=\\*"(\w+)\\*", offset=(\d+)\)')
"""The call that an unfinished run asks for, in text or in JSON."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A tool's answer as the framework gives it to a model."""

    text: str
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Server:
    """The server to connect to: a URL, or else a command."""

    url: str | None
    command: str
    args: list[str]


class Framework(Protocol):
    """A framework that is connected; a framework without resources or prompts raises `NotImplementedError`."""

    @property
    def default_timeout_s(self) -> float | None:
        """Return the seconds after which a tool call times out by default, or None for never."""

    async def tools(self) -> list[str]:
        """Return the names of the tools."""
        ...

    async def call(self, tool: str, arguments: dict[str, Any]) -> Answer:
        """Call a tool."""
        ...

    async def resource(self, uri: str) -> str:
        """Return the text of a resource."""
        ...

    async def prompt(self, name: str, arguments: dict[str, str]) -> str:
        """Return the text of a prompt."""
        ...


def as_text(content: Any) -> str:
    """Return what a framework gives to a model as text."""
    return content if isinstance(content, str) else json.dumps(content, default=str)


def default(function: Callable[..., Any], parameter: str) -> Any:
    """Return the default value of a parameter."""
    return inspect.signature(function).parameters[parameter].default


Connect = Callable[[Server], AbstractAsyncContextManager[Framework]]


async def record(framework: Framework, slow: dict[str, Any]) -> dict[str, Any]:
    """Use everything that the server offers, and return the view of the framework."""
    listed = await framework.call("list_runs", {"limit": 1})
    error = await framework.call("get_run", {"run_id": "no-such-run"})
    [run_id] = re.findall(r"[0-9a-f]{24}", listed.text)[:1]
    return {
        "default_timeout_s": framework.default_timeout_s,
        "tools": await framework.tools(),
        "listed": listed.text,
        "error": {"text": error.text, "is_error": error.is_error},
        "run_id": run_id,
        "resource": await _supported(framework.resource, f"runs://{run_id}"),
        "prompt": await _supported(framework.prompt, "debug_failed_run", {"run_id": run_id}),
        "slow": [answer.text async for answer in _followed(framework, slow)],
    }


async def _followed(framework: Framework, slow: dict[str, Any]) -> AsyncIterator[Answer]:
    """Create a run as an agent does: while the run has not ended, make the call that the answer names."""
    answer = await _answered(framework, "create_run", slow)
    yield answer
    while unfinished := CONTINUE.search(answer.text):
        run_id, offset = unfinished.groups()
        answer = await _answered(framework, "stream_run", {"run_id": run_id, "offset": int(offset)})
        yield answer


async def _answered(framework: Framework, tool: str, arguments: dict[str, Any]) -> Answer:
    """Repeat a call that failed once, as models do when a busy server misses the timeout of a framework."""
    with suppress(Exception):
        answer = await framework.call(tool, arguments)
        if not answer.is_error:
            return answer
    return await framework.call(tool, arguments)


async def _supported(read: Callable[..., Any], *arguments: Any) -> str | None:
    try:
        return str(await read(*arguments))
    except NotImplementedError:
        return None


def main(connect: Connect) -> None:
    """Connect to the server of the first argument, and print the record."""
    given = json.loads(sys.argv[1])
    slow = given.pop("slow")

    async def session() -> dict[str, Any]:
        async with AsyncExitStack() as stack:
            return await record(await _connected(stack, connect, Server(**given)), slow)

    with _stdout_for_the_record() as write:
        write(json.dumps(anyio.run(session)))


async def _connected(stack: AsyncExitStack, connect: Connect, server: Server) -> Framework:
    """Connect, at most ten times: a busy machine may start the server later than a framework expects it."""
    for _ in range(9):
        with suppress(Exception):
            return await stack.enter_async_context(connect(server))
    return await stack.enter_async_context(connect(server))


@contextmanager
def _stdout_for_the_record() -> Any:
    """Redirect the output of frameworks to standard error."""
    stdout, sys.stdout = sys.stdout, sys.stderr
    yield stdout.write
    stdout.flush()
    sys.stdout = stdout
