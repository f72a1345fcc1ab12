"""`runs-mcp runs`: each command against a sandbox, its options, forms of output, errors and completion."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
import pytest

from runs_mcp import event_loop
from runs_mcp.cli.lazy_group import LazyCommand
from runs_mcp.cli.process import INTERRUPTED
from runs_mcp.cli.runs.command_group import SUBCOMMANDS
from runs_mcp.cli.runs.subcommands import SCHEMAS
from tests.command_line import DONE, FAILED, USAGE, Finished, run_command, start_command
from tests.terminal.terminal_emulator import started_in_terminal

Runs = Callable[..., Finished]
TEXT = "Cats sleep. Cats hunt mice."


@pytest.fixture
def runs(tmp_path: Path, sandbox_environment: Mapping[str, str]) -> Runs:
    """Run `runs-mcp runs` with a sandbox."""

    def call(*arguments: str, **settings: str) -> Finished:
        return run_command("runs", *arguments, cwd=tmp_path, env={**sandbox_environment, **settings})

    return call


def rows(finished: Finished) -> list[dict[str, Any]]:
    """Return the objects of JSON Lines."""
    assert finished.returncode == DONE, finished.stderr
    return [json.loads(line) for line in finished.stdout.splitlines()]


def ids(runs: Runs, count: int) -> list[str]:
    return [row["id"] for row in rows(runs("list", "--limit", str(count), "--jsonl"))]


def test_list_prints_plain_columns_and_names_the_next_page_on_standard_error(runs: Runs) -> None:
    finished = runs("list", "--limit", "3", "--interaction", "ContractReview")
    head, *lines = finished.stdout.splitlines()
    assert head.split()[:4] == ["id", "status", "interaction", "model"]
    assert len(lines) == 3
    assert all(line.index("ContractReview") == head.index("interaction") for line in lines)
    assert "\x1b" not in finished.stdout + finished.stderr
    assert finished.stderr == "More: --offset 3, or --jsonl for all.\n"


def test_list_and_search_print_the_same_page_as_json(runs: Runs) -> None:
    listed, found = (json.loads(runs(name, "--limit", "5", "--json").stdout) for name in ("list", "search"))
    assert len(listed["runs"]) == len(found["runs"]) == 5
    assert listed["next_offset"] == 5
    assert found["next"].startswith("search_runs(")


@pytest.mark.parametrize("command", ["list", "search"])
def test_json_lines_hold_every_run_of_all_pages(runs: Runs, command: str) -> None:
    filters = ["--status", "failed", *(["--offset", "2"] if command == "search" else [])]
    every = {row["id"] for row in rows(runs(command, "--jsonl"))}
    failed = rows(runs(command, *filters, "--jsonl"))
    assert len(every) >= 200
    assert {row["status"] for row in failed} == {"failed"}
    assert {row["id"] for row in failed} < every


def test_a_limit_bounds_json_lines(runs: Runs) -> None:
    assert len(rows(runs("search", "--limit", "7", "--jsonl"))) == 7


def test_search_takes_words_as_an_argument(runs: Runs) -> None:
    found = rows(runs("search", "invoice", "--interaction", "SummarizeText", "--jsonl"))
    assert found
    assert {row["interaction"]["name"] for row in found} == {"SummarizeText"}


def test_the_case_of_a_choice_does_not_matter(runs: Runs) -> None:
    assert runs("list", "--status", "FAILED", "--json").stdout == runs("list", "--status", "failed", "--json").stdout


def test_groups_count_the_runs_that_none_of_them_has(runs: Runs) -> None:
    errors = runs("aggregate", "--by", "error").stderr
    assert re.search(r"\d+ without an error", errors), errors
    tags = runs("aggregate", "--by", "tag", "--measures", "total_tokens").stderr
    assert re.search(r"\d+ without a tag", tags), tags
    assert "A run counts in the group of each of its tags." in tags


def test_aggregate_takes_repeated_options(runs: Runs) -> None:
    options = ["--by", "error", "--by", "model", "--measures", "runs", "--measures", "median_ms", "--status", "failed"]
    table = runs("aggregate", *options).stdout.splitlines()
    groups = rows(runs("aggregate", *options, "--jsonl"))
    assert table[0].split() == ["error", "model", "runs", "median_ms"]
    assert table[-1].split()[0] == "total"
    assert len(table) == len(groups) + 2
    assert groups[0]["by"]["error"] in table[1]


def test_get_shows_a_run_with_its_documents_or_the_fields_that_are_asked_for(runs: Runs) -> None:
    [run_id] = ids(runs, 1)
    assert "parameters:\n" in runs("get", run_id).stdout
    assert "parameters:\n" not in runs("get", run_id, "--include", "result").stdout


def test_get_shows_several_runs_or_their_differences(runs: Runs) -> None:
    first, second = ids(runs, 2)
    both = json.loads(runs("get", first, second, "--json").stdout)
    compared = runs("get", first, second, "--compare")
    assert [run["id"] for run in both["runs"]] == [first, second]
    assert compared.stdout.splitlines()[0].split() == [first, second]
    assert "fields are the same" in compared.stderr


def test_create_prints_the_result_alone_and_the_facts_on_standard_error(runs: Runs) -> None:
    finished = runs("create", "SummarizeText", "--data", json.dumps({"text": TEXT}))
    assert (finished.returncode, finished.stdout) == (DONE, f"{TEXT}\n")
    assert "completed · SummarizeText" in finished.stderr


def test_create_reads_objects_and_lists_of_objects_from_files(runs: Runs, tmp_path: Path) -> None:
    (tmp_path / "input.json").write_text(json.dumps({"text": TEXT}), encoding="utf-8")
    (tmp_path / "inputs.jsonl").write_text('{"text": "One."}\n{"text": "Two."}\n', encoding="utf-8")
    one = json.loads(runs("create", "SummarizeText", "--data", "@input.json", "--json").stdout)
    several = rows(runs("create", "SummarizeText", "--inputs", "@inputs.jsonl", "--jsonl"))
    assert one["result"] == TEXT
    assert [row["result"] for row in several] == ["One.", "Two."]


def test_create_repeats_a_run_on_another_model(runs: Runs) -> None:
    earlier = json.loads(runs("create", "SummarizeText", "--data", json.dumps({"text": TEXT}), "--json").stdout)
    again = json.loads(runs("create", "--like", earlier["id"], "--model", "gpt-4o-mini", "--json").stdout)
    assert (again["like"], again["modelId"], again["result"]) == (earlier["id"], "gpt-4o-mini", TEXT)


def test_a_dry_run_shows_the_model_and_creates_nothing(runs: Runs) -> None:
    before = ids(runs, 1)
    finished = runs("create", "SummarizeText", "--data", json.dumps({"text": TEXT}), "--dry-run")
    assert "gpt-4o" in finished.stdout
    assert "nothing was created" in finished.stderr
    assert ids(runs, 1) == before


def test_stream_prints_the_result_of_a_run(runs: Runs) -> None:
    created = json.loads(runs("create", "SlowWriter", "--data", '{"chunks": 3, "delay_ms": 0}', "--json").stdout)
    assert runs("stream", created["id"]).stdout == "word1 word2 word3 \n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["stream", "r1"], "The run goes on; `runs-mcp runs stream r1` continues.", id="stream"),
        pytest.param(["create", "X"], "A run that was created goes on; `runs-mcp runs list` shows it.", id="create"),
        pytest.param(["create", "X", "--dry-run"], "", id="nothing was created"),
        pytest.param(["stream", "r1", "--sandbox"], "", id="the sandbox ends too"),
        pytest.param(["list"], "", id="no run"),
    ],
)
def test_an_interrupted_command_names_the_command_that_continues(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str
) -> None:
    def interrupt(_work: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(event_loop, "run", interrupt)
    finished = runs(*arguments)
    assert finished.returncode == INTERRUPTED
    assert finished.stderr.strip() == (f"Interrupted. {says}" if says else "")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        pytest.param(["list", "--status", "lost"], USAGE, "'lost' is not one of", id="not a choice"),
        pytest.param(["list", "--limit", "101"], USAGE, "101 is not in the range", id="out of range"),
        pytest.param(["create"], USAGE, "name the interaction to run", id="no interaction"),
        pytest.param(
            ["create", "X", "--like", "r1", "--like", "r2", "--no-stream"], USAGE, "needs `stream`", id="at odds"
        ),
        pytest.param(["get"], USAGE, "Missing argument 'RUN_IDS", id="no run"),
        pytest.param(["search", "--start", "soon"], USAGE, "neither an ISO 8601 date", id="not a time"),
        pytest.param(["list", "--json", "--jsonl"], USAGE, "give one of them", id="two forms"),
        pytest.param(["create", "X", "--data", "{"], USAGE, "not JSON", id="not JSON"),
        pytest.param(["create", "X", "--data", "[]"], USAGE, "give a JSON object", id="not an object"),
        pytest.param(["create", "X", "--data", "@missing"], USAGE, "missing cannot be read", id="no file"),
        pytest.param(
            ["create", "X", "--data", '{"text": "\udce9"}'], USAGE, "not text in the encoding", id="not UTF-8"
        ),
        pytest.param(["search", "--is-root"], USAGE, "is_root", id="an option of another edition"),
        pytest.param(["get", "unknown"], FAILED, "found nothing there (404)", id="no such run"),
        pytest.param(["get", "unknown", "lost"], FAILED, "2 of 2 runs failed", id="no such runs"),
        pytest.param(["create", "Unknown"], FAILED, "No run was created", id="no such interaction"),
        pytest.param(["create", "AlwaysFails"], FAILED, "The run failed: The model refused", id="a run that fails"),
    ],
)
def test_an_error_is_a_message_on_standard_error(runs: Runs, arguments: list[str], code: int, says: str) -> None:
    finished = runs(*arguments)
    assert finished.returncode == code
    assert says in finished.stderr
    assert "Traceback" not in finished.stderr


@pytest.mark.parametrize(
    ("setting", "value", "arguments", "code", "says"),
    [
        ("READ_ONLY", "true", ["create", "AlwaysFails"], FAILED, "create_run is not offered"),
        ("TOOLS", '["get_run"]', ["list"], FAILED, "list_runs is not offered"),
        ("CONFIRM_CREATE", "true", ["create", "AlwaysFails"], FAILED, "a person confirms each new run"),
        ("CONTENT", "none", ["search", "words"], USAGE, "content"),
    ],
)
def test_settings_apply_as_in_the_server(
    runs: Runs, setting: str, value: str, arguments: list[str], code: int, says: str
) -> None:
    finished = runs(*arguments, **{f"RUNS_MCP_SERVER__{setting}": value})
    assert finished.returncode == code
    assert says in finished.stderr


def test_content_that_is_redacted_in_the_server_is_redacted_here(runs: Runs) -> None:
    data = json.dumps({"question": "Where to write?", "notes": ["Write to ada@example.com."]})
    finished = runs("create", "AnswerFromNotes", "--data", data, RUNS_MCP_SERVER__REDACT='["email"]')
    assert finished.returncode == DONE, finished.stderr
    assert "Write to" in finished.stdout
    assert "ada@" not in finished.stdout


@pytest.mark.parametrize("command", SUBCOMMANDS, ids=lambda one: one.name)
def test_each_option_of_a_command_is_a_parameter_of_its_tool(tmp_path: Path, command: Any) -> None:
    tool = {"list": "list_runs", "search": "search_runs", "aggregate": "aggregate_runs", "create": "create_run"}
    usage = run_command("runs", command.name, "--help", cwd=tmp_path).stdout
    assert command.help in usage
    for name in SCHEMAS[tool[command.name]]["properties"] if command.name in tool else ():
        if name not in ("query", "interaction", "wait", "config"):
            assert f"--{name.replace('_', '-')} " in usage


@pytest.mark.parametrize("command", SUBCOMMANDS, ids=lambda one: one.name)
def test_each_option_of_a_command_shows_a_text_or_its_choices(command: LazyCommand) -> None:
    options = [option for option in command.load().params if isinstance(option, click.Option)]
    assert [option.name for option in options if not (option.help or isinstance(option.type, click.Choice))] == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("ru", ["runs"]),
        ("runs s", ["search", "stream"]),
        ("runs aggregate --meas", ["--measures"]),
        ("runs list --status ", ["processing", "completed", "failed", "created"]),
        ("demo --client ", ["terminal", "inspector"]),
    ],
)
def test_shells_complete_commands_options_and_values(tmp_path: Path, words: str, expected: list[str]) -> None:
    typed = f"runs-mcp {words}"
    variables = {"_RUNS_MCP_COMPLETE": "bash_complete", "COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
    completed = run_command(cwd=tmp_path, env={**os.environ, **variables}).stdout.splitlines()
    assert sorted(completed) == sorted(f"plain,{one}" for one in expected)


def test_other_commands_do_not_import_the_modules_for_terminals() -> None:
    code = """
import sys, runs_mcp.cli.main, runs_mcp.cli.runs.command_group
print("rich" in sys.modules)
import runs_mcp.cli.serve_command
print("runs_mcp.cli.terminal" in sys.modules)
"""
    imported = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert imported == "False\nFalse\n"


@pytest.mark.slow
def test_a_reader_that_closes_the_pipe_ends_the_command_silently(
    tmp_path: Path, sandbox_environment: Mapping[str, str]
) -> None:
    script = f'"{sys.executable}" -m runs_mcp runs search --jsonl | head -1; echo "${{PIPESTATUS[0]}}"'
    ended = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=sandbox_environment, capture_output=True, text=True, check=True
    )
    first, code = ended.stdout.splitlines()
    assert json.loads(first)["id"]
    assert (code, ended.stderr) in (("141", ""), ("0", ""))  # 0: all lines fitted in the buffer of the pipe


@pytest.mark.slow
def test_a_command_of_a_process_needs_no_account_with_the_sandbox(tmp_path: Path) -> None:
    finished = start_command("runs", "list", "--sandbox", "--limit", "1", "--json", cwd=tmp_path)
    assert json.loads(finished.stdout)["workspace"] == "composable, project sandbox"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)], ids=str
)
@pytest.mark.parametrize("columns", [60, 200])
def test_a_terminal_shows_a_table_that_fits(
    tmp_path: Path,
    sandbox_environment: Mapping[str, str],
    variables: Mapping[str, str],
    columns: int,
    *,
    coloured: bool,
) -> None:
    environment = {**sandbox_environment, **variables}
    raw, screen = started_in_terminal("runs", "list", "--limit", "5", columns=columns, cwd=tmp_path, env=environment)
    assert ("\x1b[1m" in raw) == coloured
    lines = screen.splitlines()
    assert lines[0].startswith("id ")
    assert len(lines) == 7
    assert max(map(len, lines)) <= columns


@pytest.mark.slow
@pytest.mark.parametrize(("answer", "code", "says"), [("1", DONE, "word1"), ("2", FAILED, "declined")])
def test_a_confirmation_is_asked_in_the_terminal(
    tmp_path: Path, sandbox_environment: Mapping[str, str], answer: str, code: int, says: str
) -> None:
    raw, _ = started_in_terminal(
        *("runs", "create", "SlowWriter", "--data", '{"chunks": 1}'),
        columns=100,
        cwd=tmp_path,
        env={**sandbox_environment, "RUNS_MCP_SERVER__CONFIRM_CREATE": "true"},
        typed=answer,
        prompt="Number: ",
        code=code,
    )
    assert "This executes it and costs money." in raw
    assert says in raw
