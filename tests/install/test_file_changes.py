"""A file is changed at once or not at all; what it is to its owner and to its system stays."""

import errno
import os
import re
import stat
from pathlib import Path
from typing import Any

import pytest

from runs_mcp.cli.install.clients import find
from runs_mcp.cli.install.edit import BACKUP, make, worked_out
from runs_mcp.cli.install.formats import NotEditableError

ENTRY: dict[str, Any] = {"command": "/x/runs-mcp", "args": ["serve", "--sandbox"]}
CURSOR, CODEX = find("cursor"), find("codex")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Another program's configuration."""
    path = tmp_path / "mcp.json"
    path.write_bytes(b'{\r\n  "mcpServers": {} // none\r\n}')
    return path


def install(file: Path) -> None:
    make(worked_out(CURSOR, file, "runs", ENTRY))


def others(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_backup_equals_the_previous_file(file: Path) -> None:
    before = file.read_bytes()
    install(file)
    assert file.with_name(file.name + BACKUP).read_bytes() == before
    assert others(file.parent) == {file.name, file.name + BACKUP}
    assert file.read_bytes().count(b"\n") == file.read_bytes().count(b"\r\n") > before.count(b"\r\n")


def test_a_new_file_is_for_its_owner_alone_and_its_folders_are_made(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b" / "mcp.json"
    install(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert others(file.parent) == {"mcp.json"}


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664])
def test_permissions_and_owner_stay(file: Path, mode: int) -> None:
    file.chmod(mode)
    owner = 1234 if os.geteuid() == 0 else os.getuid()
    os.chown(file, owner, -1)
    install(file)
    for one in (file, file.with_name(file.name + BACKUP)):
        assert stat.S_IMODE(one.stat().st_mode) == mode
        assert one.stat().st_uid == owner


def test_a_symbolic_link_stays_and_its_target_is_changed(file: Path) -> None:
    folder = file.parent / "home"
    folder.mkdir()
    link = folder / "mcp.json"
    link.symlink_to("../mcp.json")
    install(link)
    assert link.is_symlink()
    assert b'"runs"' in file.read_bytes()
    assert others(folder) == {"mcp.json", "mcp.json" + BACKUP}


def test_a_byte_order_mark_is_kept(file: Path) -> None:
    file.write_bytes(b'\xef\xbb\xbf{"mcpServers": {"caf\xc3\xa9": {}}}')
    install(file)
    assert file.read_bytes().startswith(b'\xef\xbb\xbf{"mcpServers": {"caf\xc3\xa9": {}, "runs"')


def test_a_file_that_another_program_changed_meanwhile_is_left_alone(file: Path) -> None:
    change = worked_out(CURSOR, file, "runs", ENTRY)
    file.write_text('{"theirs": 1}', encoding="utf-8")
    with pytest.raises(NotEditableError, match="changed by another program"):
        make(change)
    assert file.read_text(encoding="utf-8") == '{"theirs": 1}'
    assert others(file.parent) == {file.name}


def test_a_second_backup_does_not_overwrite_the_first(file: Path) -> None:
    first = file.read_bytes()
    install(file)
    second = file.read_bytes()
    make(worked_out(CURSOR, file, "runs", None))
    assert file.with_name(file.name + BACKUP).read_bytes() == first
    assert file.with_name(f"{file.name}{BACKUP}2").read_bytes() == second


def test_a_write_that_fails_leaves_everything_as_it_was(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = file.read_bytes()

    def fail(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        install(file)
    assert file.read_bytes() == before
    assert others(file.parent) == {file.name}


@pytest.mark.parametrize(
    ("client", "text", "says"),
    [
        pytest.param("cursor", b"\xff\xfe{", "It is not UTF-8", id="another encoding"),
        pytest.param("cursor", b'{"mcpServers": {"runs": {"url": "x"}}}', "another kind of server", id="remote"),
        pytest.param("cursor", b'{"mcpServers": {"runs": 1}}', "another kind of server", id="no server"),
        pytest.param("cursor", b'{"mcpServers": null}', '"mcpServers" is no object', id="null"),
        pytest.param("codex", b"mcp_servers = {a = {}}", "It is not TOML: Cannot declare", id="closed to tables"),
        pytest.param("codex", b'[[mcp_servers.runs]]\ncommand = "x"', "another kind of server", id="tables"),
    ],
)
def test_a_file_that_cannot_be_changed_safely_is_refused(tmp_path: Path, client: str, text: bytes, says: str) -> None:
    file = tmp_path / "settings"
    file.write_bytes(text)
    with pytest.raises(NotEditableError, match=re.escape(says)):
        worked_out(find(client), file, "runs", ENTRY)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('mcp_servers.runs = {command = "x"}\n', id="dotted"),
        pytest.param('[mcp_servers]\nruns = {command = "x"}\n', id="inline"),
    ],
)
def test_a_table_without_a_header_is_not_taken_out(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(NotEditableError, match="in a way in there that this command cannot change"):
        worked_out(CODEX, file, "runs", None)


@pytest.mark.parametrize(
    ("client", "text"),
    [
        pytest.param(
            "cursor", '{"mcpServers": {"a": {"env": {"K": "hunter2"}, "args": ["-khunter2"]}}}', id="one line"
        ),
        pytest.param("cursor", '{\n"mcpServers": {\n"a": {\n"env": {\n"KEY": "hunter2"\n}\n}\n}\n}', id="lines around"),
        pytest.param("cursor", '{\n"mcpServers": {\n// sk-hunter2\n"a": {}\n}\n}', id="a key in a comment"),
        pytest.param("codex", "[mcp_servers.a]\nenv = { KEY = 'hunter2' }\nargs = [\"hunter2\"]\n", id="TOML"),
    ],
)
def test_the_diff_shows_no_value_of_another_entry(tmp_path: Path, client: str, text: str) -> None:
    file = tmp_path / "settings"
    file.write_text(text, encoding="utf-8")
    shown = str(worked_out(find(client), file, "runs", ENTRY))
    assert "hunter2" not in shown
    assert '"/x/runs-mcp"' in shown
    assert "hunter2" in worked_out(find(client), file, "runs", ENTRY).after
