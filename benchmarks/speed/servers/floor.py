"""The floor: a loop over the standard streams that knows just enough of the protocol, one socket a caller."""

import json
import os
import sys
from typing import Any
from urllib.parse import urlsplit

import anyio
from anyio.streams.buffered import BufferedByteReceiveStream

API = urlsplit(os.environ["API_URL"])
TOOLS = [{"name": name, "inputSchema": {"type": "object"}} for name in ("list_runs", "get_run")]


async def main() -> None:
    idle: list[tuple[anyio.abc.SocketStream, BufferedByteReceiveStream]] = []

    async def ask(path: str) -> str:
        if not idle:
            stream = await anyio.connect_tcp(API.hostname or "", API.port or 80)
            idle.append((stream, BufferedByteReceiveStream(stream)))
        stream, incoming = idle.pop()
        await stream.send(f"GET {API.path}{path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head = await incoming.receive_until(b"\r\n\r\n", 65_536)
        body = await incoming.receive_exactly(int(head.rsplit(b":", 1)[1]))
        idle.append((stream, incoming))
        return body.decode()

    async def call(request: dict[str, Any]) -> None:
        arguments = request["params"]["arguments"]
        path = f"/runs?limit={arguments['limit']}" if "limit" in arguments else f"/runs/{arguments['run_id']}"
        answer(request, {"content": [{"type": "text", "text": await ask(path)}]})

    def answer(request: dict[str, Any], result: dict[str, Any]) -> None:
        os.write(1, json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}).encode() + b"\n")

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
                request = json.loads(line)
                match request["method"]:
                    case "initialize":
                        version = request["params"]["protocolVersion"]
                        about = {"name": "floor", "version": "1"}
                        answer(
                            request, {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": about}
                        )
                    case "tools/list":
                        answer(request, {"tools": TOOLS})
                    case "tools/call":
                        tasks.start_soon(call, request)


if __name__ == "__main__":
    anyio.run(main, backend_options={"use_uvloop": "uvloop" in sys.argv})
