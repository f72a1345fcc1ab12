"""`runs-mcp keys`: a key is shown once, only its hash is stored, and keys are listed with their scopes."""

import json
import os
import stat
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from runs_mcp.config.http_settings import Scope
from runs_mcp.config.problems import ConfigError
from runs_mcp.http.auth import keys
from runs_mcp.observability.mask import mask
from tests.command_line import DONE, USAGE, configuration, run_command

READ: tuple[Scope, ...] = ("runs:read",)


@pytest.fixture
def config(tmp_path: Path) -> str:
    """A configuration that names a file of keys, which does not exist yet."""
    return configured(tmp_path, {"kind": "bearer", "keys_file": str(tmp_path / "keys.json")})


def configured(folder: Path, auth: Any) -> str:
    return configuration(folder, {"server": {"http": {"auth": auth}}})


def test_a_key_is_shown_once_and_its_hash_is_kept(config: str, tmp_path: Path) -> None:
    made = run_command(
        "keys", "add", "ci", "--scope", "runs:read", "--scope", "runs:create", "--config", config, cwd=tmp_path
    )
    assert made.returncode == DONE
    # Root is warned that a service of another user cannot read the new file; other users get no warning.
    expected = "Warning: " if os.geteuid() == 0 else ""
    assert made.stderr.startswith(expected)
    assert made.stderr.count("\n") == bool(expected)
    key = made.stdout.removesuffix("\n")
    assert key not in made.stderr
    assert key.startswith("rmk_")
    assert len(key) == len("rmk_") + 43, "256 bits"
    file = tmp_path / "keys.json"
    assert key not in file.read_text(encoding="utf-8")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert {one.name for one in tmp_path.iterdir()} == {"config.json", "keys.json"}, "no temporary file was left"
    [kept] = keys.read(file)
    assert (kept.name, kept.sha256, kept.expires) == ("ci", keys.hashed(key), None)
    assert set(kept.scopes) == {"runs:read", "runs:create"}


def test_keys_are_listed_and_removed_by_name(config: str, tmp_path: Path) -> None:
    for name in ("ci", "alice@example.com"):
        keys.add(tmp_path / "keys.json", name, READ)
    listed = run_command("keys", "list", "--config", config, cwd=tmp_path)
    assert [line.split(", since ")[0] for line in listed.stdout.splitlines()] == [
        "ci: runs:read",
        "alice@example.com: runs:read",
    ]
    assert run_command("keys", "remove", "ci", "--config", config, cwd=tmp_path).returncode == DONE
    assert [key.name for key in keys.read(tmp_path / "keys.json")] == ["alice@example.com"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(("add", "no name"), "'no name' is not a valid name for a key", id="a name with a space"),
        pytest.param(("add", "ci", "--scope", "runs:delete"), "'runs:delete' is not one of", id="an unknown scope"),
        pytest.param(("add", "ci", "--days", "0"), "0 is not in the range", id="good for no time"),
        pytest.param(("list",), "keys.json cannot be read", id="no file to list"),
        pytest.param(("remove", "ci"), "keys.json cannot be read", id="no file to remove from"),
    ],
)
def test_invalid_commands_are_rejected_with_the_reason(
    config: str, tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    ended = run_command("keys", *arguments, "--config", config, cwd=tmp_path)
    assert ended.returncode == USAGE
    assert says in ended.stderr


def test_keys_commands_need_bearer_authentication_in_the_configuration(tmp_path: Path) -> None:
    ended = run_command("keys", "list", "--config", configured(tmp_path, {"kind": "none"}), cwd=tmp_path)
    assert ended.returncode == USAGE
    assert "server.http.auth.kind is none: keys need bearer and a keys_file." in ended.stderr


def test_a_name_has_a_single_key_without_an_overlap(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    keys.add(file, "ci", READ)
    with pytest.raises(ConfigError, match="ci already has a key"):
        keys.add(file, "ci", READ)
    keys.add(file, "ci", READ, overlap_hours=24)
    old, new = keys.read(file)
    assert old.expires == new.created + timedelta(hours=24)
    assert new.expires is None


def test_an_overlap_does_not_prolong_a_key_and_expired_keys_are_removed(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    keys.add(file, "ci", READ, days=1)
    keys.add(file, "ci", READ, overlap_hours=100)
    old, new = keys.read(file)
    assert old.expires == old.created + timedelta(days=1)
    keys.add(file, "ci", READ, overlap_hours=0)
    keys.add(file, "other", READ)
    assert [key.name for key in keys.read(file)] == ["ci", "other"]
    assert new not in keys.read(file)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("{", id="no JSON"),
        pytest.param([], id="no object"),
        pytest.param({"keys": [{"name": "ci"}]}, id="half a key"),
        pytest.param({"keys": [], "kyes": []}, id="an unknown key"),
    ],
)
def test_a_file_that_holds_no_keys_is_left_as_it_is(tmp_path: Path, content: Any) -> None:
    file = tmp_path / "keys.json"
    text = content if isinstance(content, str) else json.dumps(content)
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="is not a file of `runs-mcp keys`"):
        keys.add(file, "ci", READ)
    assert file.read_text(encoding="utf-8") == text


def test_text_in_the_form_of_a_key_is_masked(tmp_path: Path) -> None:
    key = keys.add(tmp_path / "keys.json", "ci", READ)
    assert mask(f"it was {key}.") == "it was [secret]."


def test_keys_that_are_added_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    with ProcessPoolExecutor(6) as processes:
        made = list(processes.map(keys.add, [file] * 6, [f"caller-{number}" for number in range(6)], [READ] * 6))
    assert len(set(made)) == 6
    assert sorted(key.name for key in keys.read(file)) == [f"caller-{number}" for number in range(6)]


def test_a_new_key_keeps_the_scopes_of_the_old_key_by_default(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    keys.add(file, "ci", ["runs:read", "runs:create"])
    keys.add(file, "ci", overlap_hours=1)
    assert keys.read(file)[-1].scopes == ("runs:create", "runs:read")
    keys.add(file, "other")
    assert keys.read(file)[-1].scopes == READ


def test_an_expired_key_passes_on_no_scopes(config: str, tmp_path: Path) -> None:
    file, past = tmp_path / "keys.json", "2026-01-01T00:00:00Z"
    expired = {"name": "ci", "sha256": "0" * 64, "scopes": ["runs:create"], "created": past, "expires": past}
    file.write_text(json.dumps({"keys": [expired]}), encoding="utf-8")
    added = run_command("keys", "add", "ci", "--overlap", "1", "--config", config, cwd=tmp_path)
    assert added.returncode == DONE
    [key] = keys.read(file)
    assert key.scopes == READ


def test_the_file_keeps_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    keys.add(file, "ci", READ)
    file.chmod(0o640)
    keys.add(file, "other", READ)
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_the_file_keeps_its_owner_when_root_changes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file, given = tmp_path / "keys.json", list[tuple[int, int]]()
    keys.add(file, "ci", READ)
    owner = file.stat()
    monkeypatch.setattr(os, "geteuid", lambda: owner.st_uid + 1)
    monkeypatch.setattr(os, "fchown", lambda _, user, group: given.append((user, group)))
    keys.add(file, "other", READ)
    assert given == [(owner.st_uid, owner.st_gid)]
    assert f"belongs to user {owner.st_uid} and stays so" in caplog.text


def test_a_file_of_another_user_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "keys.json"
    keys.add(file, "ci", READ)
    before = file.read_bytes()

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "geteuid", lambda: file.stat().st_uid + 1)
    monkeypatch.setattr(os, "fchown", refuse)
    with pytest.raises(ConfigError, match="Run this command as that user, or as root"):
        keys.add(file, "other", READ)
    assert file.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["keys.json"]


def test_the_file_keeps_its_group_if_the_group_may_read_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The owner of the file changes it, and the server reads it as a member of its group."""
    file, given = tmp_path / "keys.json", list[tuple[int, int]]()
    keys.add(file, "ci", READ)
    of_file, group = os.stat, file.stat().st_gid
    monkeypatch.setattr(os, "fchown", lambda _, user, group: given.append((user, group)))
    monkeypatch.setattr(os, "fstat", lambda descriptor: _in_group(of_file(descriptor), group + 1))
    keys.add(file, "other", READ)
    assert given == []  # mode 600: the group has no access
    file.chmod(0o640)
    keys.add(file, "third", READ)
    assert given == [(os.geteuid(), group)]


def _in_group(status: os.stat_result, group: int) -> os.stat_result:
    return os.stat_result((*status[:5], group, *status[6:]))


def test_a_key_is_added_to_and_removed_from_the_file_that_a_link_names(tmp_path: Path) -> None:
    """A server that reads the file by its own name must see the change as well."""
    file, link = tmp_path / "of-server" / "keys.json", tmp_path / "keys.json"
    file.parent.mkdir()
    link.symlink_to(file)
    keys.add(link, "ci", READ)
    assert [key.name for key in keys.read(file)] == ["ci"]
    keys.remove(link, "ci")
    assert (keys.read(file), link.is_symlink()) == ((), True)
