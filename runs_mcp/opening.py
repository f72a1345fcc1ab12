"""The first questions of a host, answered while the server is still being imported.

At every start a host asks the same: who the server is, and which tools it has. What was answered the last time is kept
in a file and given at once. The server hears these questions too; its own answers to them are kept, and not sent again.
"""

import json
import os
import select
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

QUESTIONS = frozenset({"initialize", "server/discover", "tools/list", "prompts/list", "resources/templates/list"})
"""What is answered alike as long as program and configuration are the same."""
ENVELOPE = "io.modelcontextprotocol/protocolVersion"
"""What a request of 2026-07-28 carries in its `_meta`, and an older one is to be preceded by `initialize` for."""
PIECE = 65_536
MOST_KEPT = 20
Id = int | str


class Opening:
    """What a host has said before the server was there to hear it, and the answers known from the last time."""

    def __init__(self, file: Path | None = None, state: str = "") -> None:
        self._file = file
        self._state = state
        self._known: dict[str, Any] = {}
        self._asked: dict[Id, str] = {}
        self._answered: set[Id] = set()
        self._greeted = False
        self.heard = bytearray()
        """What has been read of standard input."""

    @classmethod
    def of(cls, arguments: Sequence[str], environ: Mapping[str, str]) -> "Opening":
        """The opening of a server that is started by this command in this environment."""
        folder = _cache(environ)
        name = blake2b("\0".join([sys.executable, str(Path.cwd()), *arguments]).encode(), digest_size=12).hexdigest()
        opening = cls(folder / f"opening-{name}.json" if folder else None, _state(arguments, environ))
        opening._known = opening._read()
        return opening

    def meet(self, load: Callable[[], None]) -> None:
        """Answer what is known while `load` runs in a thread."""
        loaded, done = os.pipe()

        def run() -> None:
            try:
                load()
            finally:
                os.close(done)

        loading = threading.Thread(target=run)
        loading.start()
        talking = bool(self._known)
        while talking and loaded not in (ready := select.select([0, loaded], [], [])[0]):
            talking = bool(ready) and self._hear(os.read(0, PIECE))
        loading.join()
        os.close(loaded)

    def asked(self, request: Id, method: str, params: Mapping[str, Any] | None) -> None:
        """Note a question whose answer is to be kept."""
        if method in QUESTIONS:
            self._asked[request] = _question(method, params)

    def answered(self, request: Id | None, result: Any) -> bool:
        """Whether an answer has been given already; it is kept for the next time where it is news."""
        question = self._asked.pop(request, None) if request is not None else None
        if question is None:
            return False
        if result is None:
            self._known.pop(question, None)
        elif self._known.get(question) != result and len(self._known) < MOST_KEPT:
            self._known[question] = result
            self._write()
        before = request in self._answered
        self._answered.discard(request)
        return before

    def forget(self) -> None:
        """Keep nothing, since the server did not start."""
        if self._file:
            self._file.unlink(missing_ok=True)

    def _hear(self, piece: bytes) -> bool:
        """Answer what `piece` completes; whether there is more to come."""
        start = self.heard.rfind(b"\n") + 1
        self.heard += piece
        for line in self.heard[start:].split(b"\n")[:-1]:
            for request, result in self._answers(bytes(line)):
                answer = {"jsonrpc": "2.0", "id": request, "result": result}
                os.write(1, json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
                self._answered.add(request)
        return bool(piece)

    def _answers(self, line: bytes) -> Iterator[tuple[Id, Any]]:
        try:
            match json.loads(line):
                case {"id": int() | str() as request, "method": str() as method, **others} if method in QUESTIONS:
                    params = others.get("params")
                    question = _question(method, params if isinstance(params, dict) else {})
                    self._greeted = self._greeted or method == "initialize" or ENVELOPE in question
                    if self._greeted and question in self._known:
                        yield request, self._known[question]
        except (ValueError, RecursionError):
            return  # the server will say what is wrong with it

    def _read(self) -> dict[str, Any]:
        if self._file is None:
            return {}
        try:
            status = self._file.stat()
            if status.st_uid != os.getuid() or status.st_mode & 0o022:
                return {}  # somebody else could have written it
            kept = json.loads(self._file.read_bytes())
            return dict(kept["answers"]) if kept["state"] == self._state else {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def _write(self) -> None:
        if self._file is None:
            return
        kept = json.dumps({"state": self._state, "answers": self._known}, ensure_ascii=False).encode()
        written = self._file.with_suffix(f".{os.getpid()}")
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            written.write_bytes(kept)
            written.chmod(0o600)
            written.replace(self._file)
        except OSError:
            self._file = None  # the next start takes as long as this one


def _question(method: str, params: Mapping[str, Any] | None) -> str:
    return json.dumps([method, params or {}], sort_keys=True)


def _cache(environ: Mapping[str, str]) -> Path | None:
    """Where programs keep what they can do without."""
    if named := environ.get("XDG_CACHE_HOME"):
        return Path(named) / "runs-mcp"
    home = Path(environ.get("HOME", ""))
    if not home.is_absolute():
        return None
    return (home / "Library" / "Caches" if sys.platform == "darwin" else home / ".cache") / "runs-mcp"


def _state(arguments: Sequence[str], environ: Mapping[str, str]) -> str:
    """What the answers depend on: this program, the packages beside it, and whatever configures it."""
    package = Path(__file__).parent
    files = [*package.rglob("*.py"), *package.rglob("*.md"), *package.parent.glob("prompts/*.md")]
    changed = [str(max(file.stat().st_mtime_ns for file in files))]
    changed += [str(place.stat().st_mtime_ns) for place in map(Path, sys.path) if place.is_dir()]
    variables = [f"{name}={value}" for name, value in sorted(environ.items()) if name.startswith("RUNS_MCP_")]
    hashed = blake2b("\0".join([*changed, *variables]).encode(), digest_size=16)
    for name in [*(one.rpartition("=")[2] for one in arguments), environ.get("RUNS_MCP_CONFIG", ""), "config.json"]:
        if name and (file := Path(name)).is_file():
            hashed.update(file.read_bytes())
    return hashed.hexdigest()
