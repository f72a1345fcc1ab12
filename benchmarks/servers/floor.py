"""Minimal server: a loop that implements just enough of the protocol, over stdio or over HTTP at a port."""

import json
import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import anyio
from anyio.abc import SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

API = urlsplit(os.environ["API_URL"])
TOOLS = [{"name": name, "inputSchema": {"type": "object"}} for name in ("list_runs", "get_run", "stream_run")]
HEAD = "HTTP/1.1 200 OK\r\nContent-Type: {}\r\n{}\r\n\r\n"
Say = Callable[[str], Awaitable[None]]
Message = dict[str, Any]
idle: list[tuple[SocketStream, BufferedByteReceiveStream]] = []


async def asked(path: str) -> AsyncIterator[bytes]:
    """Yield the response of the Runs API; a stream in pieces."""
    if not idle:
        stream = await anyio.connect_tcp(API.hostname or "", API.port or 80)
        idle.append((stream, BufferedByteReceiveStream(stream)))
    stream, incoming = idle.pop()
    await stream.send(f"GET {API.path}{path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    head = await incoming.receive_until(b"\r\n\r\n", 65_536)
    if b"chunked" in head:
        while size := int(await incoming.receive_until(b"\r\n", 64), 16):
            yield (await incoming.receive_exactly(size + 2))[:-2]
        await incoming.receive_exactly(2)
    else:
        yield await incoming.receive_exactly(int(head.rsplit(b":", 1)[1]))
    idle.append((stream, incoming))


async def answered(request: Message, say: Say) -> None:
    """Send the response to a request, after its progress."""
    match request:
        case {"method": "initialize", "params": {"protocolVersion": version}}:
            about = {"name": "floor", "version": "1"}
            result: Message = {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": about}
        case {"method": "tools/list"}:
            result = {"tools": TOOLS}
        case {"params": {"name": "stream_run", "arguments": {"run_id": run}, "_meta": {"progressToken": token}}}:
            await _streamed(run, token, say)
            result = {"content": [{"type": "text", "text": "ended"}]}
        case {"params": {"arguments": arguments}}:
            path = f"/runs?limit={arguments['limit']}" if "limit" in arguments else f"/runs/{arguments['run_id']}"
            [text] = [body.decode() async for body in asked(path)]
            result = {"content": [{"type": "text", "text": text}]}
        case _:
            return
    await say(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}))


async def _streamed(run: str, token: str, say: Say) -> None:
    progress = 0
    async for event in asked(f"/runs/{run}/stream"):
        if event.startswith(b'data: "'):
            progress += 1
            params = {"progressToken": token, "progress": progress, "message": json.loads(event[6:])}
            await say(json.dumps({"jsonrpc": "2.0", "method": "notifications/progress", "params": params}))


async def stdio() -> None:
    """Answer requests from standard input."""

    async def say(message: str) -> None:
        os.write(1, message.encode() + b"\n")

    held = b""
    async with anyio.create_task_group() as tasks:
        while True:
            await anyio.wait_readable(0)
            piece = os.read(0, 65_536)
            if not piece:
                tasks.cancel_scope.cancel()
                return
            *lines, held = (held + piece).split(b"\n")
            for line in lines:
                tasks.start_soon(answered, json.loads(line), say)


async def http(connection: SocketStream) -> None:
    """Answer the requests of a connection."""
    incoming = BufferedByteReceiveStream(connection)

    async def whole(message: str) -> None:
        head = HEAD.format("application/json", f"Content-Length: {len(message.encode())}")
        await connection.send((head + message).encode())

    async def event(message: str) -> None:
        await connection.send(f"{len(message) + 8:x}\r\ndata: {message}\n\n\r\n".encode())

    async with connection:
        try:
            while head := await incoming.receive_until(b"\r\n\r\n", 65_536):
                length = re.search(rb"Content-Length: (\d+)", head)
                request = json.loads(await incoming.receive_exactly(int(length[1]))) if length else {}
                if "id" not in request:
                    await connection.send(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
                elif request["params"].get("name") == "stream_run":
                    await connection.send(HEAD.format("text/event-stream", "Transfer-Encoding: chunked").encode())
                    await answered(request, event)
                    await connection.send(b"0\r\n\r\n")
                else:
                    await answered(request, whole)
        except (anyio.IncompleteRead, anyio.BrokenResourceError, anyio.EndOfStream):
            return


async def main() -> None:
    """Serve until standard input ends, or over HTTP until killed."""
    if len(sys.argv) > 1:
        await (await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=int(sys.argv[1]))).serve(http)
    else:
        await stdio()


if __name__ == "__main__":
    anyio.run(main, backend_options={"use_uvloop": True})
