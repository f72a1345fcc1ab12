"""Changes of a file are atomic, and its backup, links, owner and permissions are preserved."""

import errno
import os
import re
import stat
from pathlib import Path
from typing import Any

import pytest

from runs_mcp.cli.install.clients import find
from runs_mcp.cli.install.edit import BACKUP, plan, write
from runs_mcp.cli.install.jsonc import NotEditableError

ENTRY: dict[str, Any] = {"command": "/x/runs-mcp", "args": ["serve", "--sandbox"]}
CURSOR = find("cursor")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return the configuration file of a client."""
    path = tmp_path / "mcp.json"
    path.write_bytes(b'{\r\n  "mcpServers": {} // none\r\n}')
    return path


def install(file: Path) -> None:
    write(plan(CURSOR, file, "runs", ENTRY))


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_backup_is_a_copy_of_every_byte(file: Path) -> None:
    before = file.read_bytes()
    install(file)
    assert file.with_name(file.name + BACKUP).read_bytes() == before
    assert names_in(file.parent) == {file.name, file.name + BACKUP}
    assert file.read_bytes().count(b"\n") == file.read_bytes().count(b"\r\n") > before.count(b"\r\n")


def test_a_new_file_is_private_and_its_folders_are_created(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b" / "mcp.json"
    install(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert names_in(file.parent) == {"mcp.json"}


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664])
def test_permissions_and_owner_are_preserved(file: Path, mode: int) -> None:
    file.chmod(mode)
    owner = 1234 if os.geteuid() == 0 else os.getuid()
    os.chown(file, owner, -1)
    install(file)
    for path in (file, file.with_name(file.name + BACKUP)):
        assert stat.S_IMODE(path.stat().st_mode) == mode
        assert path.stat().st_uid == owner


def test_the_target_of_a_link_is_changed(file: Path) -> None:
    folder = file.parent / "home"
    folder.mkdir()
    link = folder / "mcp.json"
    link.symlink_to("../mcp.json")
    install(link)
    assert link.is_symlink()
    assert b'"runs"' in file.read_bytes()
    assert names_in(folder) == {"mcp.json", "mcp.json" + BACKUP}


def test_the_byte_order_mark_is_preserved(file: Path) -> None:
    file.write_bytes(b'\xef\xbb\xbf{"mcpServers": {"caf\xc3\xa9": {}}}')
    install(file)
    assert file.read_bytes().startswith(b'\xef\xbb\xbf{"mcpServers": {"caf\xc3\xa9": {}, "runs"')


def test_a_file_that_another_program_changed_is_not_overwritten(file: Path) -> None:
    change = plan(CURSOR, file, "runs", ENTRY)
    file.write_text('{"theirs": 1}', encoding="utf-8")
    with pytest.raises(NotEditableError, match="Another program has just changed it"):
        write(change)
    assert file.read_text(encoding="utf-8") == '{"theirs": 1}'
    assert names_in(file.parent) == {file.name}


def test_a_second_backup_does_not_overwrite_the_first(file: Path) -> None:
    first = file.read_bytes()
    install(file)
    second = file.read_bytes()
    write(plan(CURSOR, file, "runs", None))
    assert file.with_name(file.name + BACKUP).read_bytes() == first
    assert file.with_name(f"{file.name}{BACKUP}2").read_bytes() == second


def test_a_failed_write_changes_nothing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = file.read_bytes()

    def fail(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        install(file)
    assert file.read_bytes() == before
    assert names_in(file.parent) == {file.name}


@pytest.mark.parametrize(
    ("client", "text", "says"),
    [
        pytest.param("cursor", b"\xff\xfe{", "It is not UTF-8", id="another encoding"),
        pytest.param("cursor", b'{"mcpServers": {"runs": {"url": "x"}}}', "another kind of server", id="remote"),
        pytest.param("cursor", b'{"mcpServers": {"runs": 1}}', "another kind of server", id="no server"),
        pytest.param("cursor", b'{"mcpServers": null}', '"mcpServers" is not an object', id="null"),
        pytest.param("codex", b"", "It is a TOML file", id="another format"),
    ],
)
def test_unsafe_changes_are_refused(tmp_path: Path, client: str, text: bytes, says: str) -> None:
    file = tmp_path / "settings"
    file.write_bytes(text)
    with pytest.raises(NotEditableError, match=re.escape(says)):
        plan(find(client), file, "runs", ENTRY)


@pytest.mark.parametrize(
    ("client", "text"),
    [
        pytest.param(
            "cursor", '{"mcpServers": {"a": {"env": {"K": "hunter2"}, "args": ["-khunter2"]}}}', id="one line"
        ),
        pytest.param("cursor", '{\n"mcpServers": {\n"a": {\n"env": {\n"KEY": "hunter2"\n}\n}\n}\n}', id="lines around"),
        pytest.param("cursor", '{\n"mcpServers": {\n// sk-hunter2\n"a": {}\n}\n}', id="a key in a comment"),
    ],
)
def test_the_diff_hides_the_values_of_other_entries(tmp_path: Path, client: str, text: str) -> None:
    file = tmp_path / "settings"
    file.write_text(text, encoding="utf-8")
    shown = str(plan(find(client), file, "runs", ENTRY))
    assert "hunter2" not in shown
    assert '"/x/runs-mcp"' in shown
    assert "hunter2" in plan(find(client), file, "runs", ENTRY).after
