"""The platform's own clients, unmodified, against the sandbox.

The TypeScript clients of the reference document and of today, the command line and the generated Python client.
"""

import json
import re
from functools import partial
from pathlib import Path
from typing import Any

import anyio.to_thread
import httpx
import pytest

from runs_mcp.sandbox import DEMO_KEY, Sandbox
from tests.clients import node
from tests.clients.interpreter import python_with

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

HERE = Path(__file__).parent
DRIVER = HERE / "platform.mjs"
GENERATED = "vertesia-client==1.6.0.dev20261022120426"
SUMMARY = "66a1f0c2e4b0a1b2c3d40001"
DRAFT = "66a1f0c2e4b0a1b2c3d4d001"
SENTIMENT = {"sentiment": "positive", "score": 1.0, "evidence": ["love", "fast"]}
CLIENTS: dict[str, Any] = {
    "old": {"dependencies": {"@becomposable/client": "0.42.2"}, "overrides": {"@becomposable/common": "0.39.1"}},
    "new": {"dependencies": {"@vertesia/client": "1.5.0"}},
}


@pytest.fixture(scope="module", params=list(CLIENTS))
async def got(request: pytest.FixtureRequest, sandbox: Sandbox) -> dict[str, Any]:
    """Return the answers of every operation to a TypeScript client."""
    era = request.param
    folder = node.installed(f"platform-{era}", **CLIENTS[era])
    script = folder / DRIVER.name
    script.write_text(DRIVER.read_text(encoding="utf-8"), encoding="utf-8")
    printed = await anyio.to_thread.run_sync(partial(node.run, [str(script), era, sandbox.url, DEMO_KEY]))
    return {"era": era, **json.loads(printed)}


def result(got: dict[str, Any], value: Any) -> Any:
    """`value` as a result, in the client's contract."""
    kind = "text" if isinstance(value, str) else "json"
    return [{"type": kind, "value": value}] if got["era"] == "new" else value


async def test_the_platform_client_lists_runs(got: dict[str, Any]) -> None:
    assert len(got["roots"]) == 100
    assert not any(run.get("parent") for run in got["roots"])
    updated = [run["updated_at"] for run in got["roots"]]
    assert updated == sorted(updated, reverse=True)
    assert len(got["filtered"]) == 5
    assert {run["modelId"] for run in got["filtered"]} == {"gpt-4o"}
    assert {run["status"] for run in got["filtered"]} <= {"completed", "failed"}


async def test_create_without_streaming_blocks_and_gives_the_whole_run(got: dict[str, Any]) -> None:
    created = got["created"]
    assert created["status"] == "completed"
    assert created["result"] == result(got, SENTIMENT)
    assert created["tags"] == ["by-client"]
    assert isinstance(created["interaction"], str)


async def test_the_platform_client_retrieves_a_run(got: dict[str, Any]) -> None:
    retrieved = got["retrieved"]
    assert retrieved["id"] == got["created"]["id"]
    assert retrieved["interaction"]["name"] == "ClassifySentiment"
    assert retrieved["parameters"] == {"text": "I love the fast delivery."}
    assert retrieved["result"] == result(got, SENTIMENT)


async def test_create_with_streaming_writes_as_it_goes(got: dict[str, Any]) -> None:
    words = "".join(f"word{number} " for number in range(1, 21))
    assert got["written"] == words
    assert got["streamed"]["status"] == "completed"
    assert got["streamed"]["result"] == result(got, words)


async def test_the_platform_client_computes_facets(got: dict[str, Any]) -> None:
    name = "statuses" if got["era"] == "new" else "status"
    total = got["facets"]["total"]
    assert total > 10
    assert got["facets"][name] == [{"_id": "failed", "count": total}]
    assert sum(bucket["count"] for bucket in got["facets"]["environments"]) == total


async def test_the_platform_client_searches_and_finds_runs(got: dict[str, Any]) -> None:
    created = got["created"]["id"]
    assert created in [run["id"] for run in got["searched"]]
    assert {"id": created, "status": "completed"} in got["found"]


async def test_the_platform_client_reads_filter_options(got: dict[str, Any]) -> None:
    assert {"OpenAI production", "Bedrock EU", "Vertex AI"} <= {option["name"] for option in got["options"]}
    assert all(option["count"] > 0 for option in got["options"])


async def test_a_refused_create_has_the_status_and_message_of_the_platform(got: dict[str, Any]) -> None:
    assert got["refused"]["status"] == 422
    assert "ClassifySentiment" in got["refused"]["message"]


async def test_the_platform_client_reads_interactions(got: dict[str, Any]) -> None:
    assert [(one["name"], one["version"]) for one in got["interactions"]] == [("SummarizeText", 3)]
    assert {"id": SUMMARY, "name": "SummarizeText"} in got["names"]
    assert {(one["version"], one["status"]) for one in got["exported"]} == {(2, "published"), (4, "draft")}
    assert all("text" in one["prompts"][0]["template"]["inputSchema"]["required"] for one in got["exported"])
    assert got["interaction"]["prompts"][0]["template"]["inputSchema"]["required"] == ["text"]
    assert sorted(one["version"] for one in got["versions"]) == [2, 3]
    assert got["forks"] == []
    assert got["executed"]["result"] == result(got, "One.")


async def test_the_platform_client_reads_environments_and_models(got: dict[str, Any]) -> None:
    assert [one["name"] for one in got["environments"]].count("Staging") == 2
    assert got["environment"]["provider"] == "openai"
    assert [one["id"] for one in got["models"]] == ["gpt-4o-mini"]


@pytest.mark.parametrize("got", ["new"], indirect=True)
async def test_the_current_client_has_additional_operations(got: dict[str, Any]) -> None:
    assert got["populated"]["id"] == got["created"]["id"]
    times = [run["execution_time"] for run in got["sorted"]]
    assert times == sorted(times, reverse=True)
    assert set(got["sorted"][0]) == {"id", "execution_time"}
    assert got["upperCase"]["status"] == 400
    assert {"text", "legal"} <= {one["tag"] for one in got["tags"]}
    [endpoint] = got["endpoints"]
    assert endpoint["params_schema"]["required"] == ["text"]
    assert endpoint["result_schema"]["properties"]["sentiment"] == {"enum": ["positive", "negative", "neutral"]}
    assert [one["version"] for one in got["versionsByName"]] == [one["version"] for one in got["versions"]]
    assert (got["resolved"]["version"], got["resolved"]["resolved"]["model"]) == (2, "gpt-4o")
    assert {one["type"] for one in got["catalog"]} == {"stored", "draft", "sys", "app"}
    assert [one["id"] for one in got["system"]] == ["sys:WriteTestData"]
    assert [one["id"] for one in got["ofApp"]] == [one["id"] for one in got["ofApps"]] == ["app:crm:ScoreLead"]
    assert got["fromCatalog"]["prompts"][0]["schema"]["required"] == ["employees"]
    assert got["stored"]


@pytest.mark.parametrize("got", ["new"], indirect=True)
async def test_the_platform_client_copies_runs_and_continues_conversations(got: dict[str, Any]) -> None:
    clone = got["clone"]
    assert (clone["id"], clone["status"]) == (got["cloned"]["id"], "created")
    assert clone["parameters"] == got["created"]["parameters"]
    assert clone["workflow"] == {"run_id": "wf-run-clone", "workflow_id": "wf-clone"}
    assert got["toolResults"]["result"] == [{"type": "text", "value": "12 degrees"}]
    assert got["userMessage"]["result"] == [{"type": "text", "value": "Thank you"}]
    assert len(got["userMessage"]["conversation"]["turns"]) == 2
    assert got["slot"] == {"delay_ms": 0}
    assert got["asynchronous"].keys() == {"runId", "workflowId"}


async def test_every_method_of_the_platform_client_was_called(got: dict[str, Any]) -> None:
    assert got["uncalled"] == []


async def test_the_platform_client_changes_interactions(got: dict[str, Any]) -> None:
    draft, version = got["interactionCreated"], got["interactionPublished"]
    assert (draft["status"], draft["model"]) == ("draft", "own-1")
    assert draft["endpoint"] == f"Greet{got['era'].capitalize()}Friends"
    assert (version["status"], version["version"], version["parent"]) == ("published", 1, draft["id"])
    assert (got["interactionUpdated"]["description"], got["interactionUpdated"]["version"]) == ("Changed.", 2)
    assert [got["interactionAnswer"], *got["answers"]] == [
        result(got, text) for text in ("Hello Ada", "Bye Ada", "Hello Ada")
    ]
    assert got["baseRead"] == got["baseUpdated"]
    assert got["baseExecuted"]["result"] == result(got, "Bye Ada")
    assert [one["id"] for one in got["forksOfDraft"]] == [got["interactionForked"]["id"]]
    assert got["interactionFacets"] == {
        "statuses": [{"_id": "draft", "count": 1}, {"_id": "published", "count": 1}],
        "total": 2,
    }
    assert got["invalid"]["status"] == 400


async def test_the_platform_client_asks_for_interactions_test_data_and_improvements(got: dict[str, Any]) -> None:
    [definition] = got["generatedInteraction"]
    assert definition["prompts"][0]["template"]["inputSchema"]["required"] == ["text"]
    assert [set(record) for record in got["testData"]] == [{"name"}, {"name"}]
    improvements = got["improvements"]["result"]
    assert "add an example" in (improvements[0]["value"] if got["era"] == "new" else improvements)


async def test_the_platform_client_changes_environments(got: dict[str, Any]) -> None:
    created, read = got["environmentCreated"], got["environmentRead"]
    assert created["apiKey"] == "secr...6789"
    assert read == got["environmentConfigured"]
    assert (read["description"], read["default_model"]) == ("Changed.", "own-1")
    assert read["config"] == {"entries": [{"model": "own-1"}]}
    vectors = got["embeddings"]["results"][0]["outputs"][0] if got["era"] == "new" else got["embeddings"]
    assert len(vectors["values"]) > 10
    assert got["trainable"] == []


@pytest.mark.parametrize("got", ["new"], indirect=True)
async def test_the_current_client_has_additional_changes(got: dict[str, Any]) -> None:
    enabled, disabled = (
        [one["id"] for one in got[name]["enabled_models"]] for name in ("modelEnabled", "modelDisabled")
    )
    assert (enabled, disabled) == (["gpt-4o-mini", "gpt-4o"], ["gpt-4o-mini"])
    assert got["migrated"] == {"matched_count": 1, "modified_count": 1}
    assert "Improvements of Greet:" in got["improvedPrompts"]["result"][0]["value"]
    assert got["interactionDeleted"] == {"id": got["interactionCreated"]["id"]}
    assert got["gone"]["status"] == 404


@pytest.fixture(scope="module")
async def generated(sandbox: Sandbox) -> dict[str, Any]:
    """The answers to the generated Python client, which has validated them with its own models."""
    python = await anyio.to_thread.run_sync(python_with, GENERATED)
    command = [str(python), str(HERE / "platform_generated.py"), sandbox.url, DEMO_KEY]
    finished = await anyio.run_process(command, check=False)
    assert finished.returncode == 0, finished.stderr.decode()
    answers: dict[str, Any] = json.loads(finished.stdout)
    return answers


async def test_the_generated_client_creates_reads_changes_and_deletes_runs(generated: dict[str, Any]) -> None:
    created = generated["created"]
    assert created["result"] == [{"type": "json", "value": SENTIMENT}]
    assert created["config"]["http_timeout"] == {"headersTimeout": 1_000}
    assert generated["retrieved"]["interaction"]["endpoint"] == "ClassifySentiment"
    assert "prompt" in generated["retrieved"]
    assert "prompt" not in generated["without_prompt"]
    assert 'data: "word1 "' in generated["streamed"]
    assert generated["updated"]["tags"] == ["changed"]
    assert generated["gone"]["status"] == 404
    assert generated["refused"]["body"]["details"] == "data: 'text' is a required property"


async def test_the_generated_client_lists_and_searches_runs(generated: dict[str, Any]) -> None:
    assert len(generated["listed"]) == 5
    assert {run["modelId"] for run in generated["listed"]} <= {"gpt-4o", "gpt-4o-mini"}
    assert [run["id"] for run in generated["of_workflow"]] == [generated["created"]["id"]]
    assert [run["id"] for run in generated["searched"]] == [generated["created"]["id"]]


async def test_the_generated_client_reads_interactions_and_environments(generated: dict[str, Any]) -> None:
    assert {"SummarizeText", "TranslateNote"} <= {one["name"] for one in generated["names"]}
    assert all("params_schema" in one for one in generated["endpoints"])
    assert [one["version"] for one in generated["exported"]] == [2]
    assert generated["resolved"]["resolved"]["model"] == "gpt-4o-mini"
    assert generated["executed"]["result"] == [{"type": "json", "value": {"score": 15}}]
    assert generated["executed_by_id"]["result"] == generated["executed_endpoint"]["result"]
    assert len(generated["every_environment"]) == len(generated["environments"]) + 1
    assert [one["id"] for one in generated["models"]] == ["gpt-4o-mini"]
    assert generated["facets"]["total"] > 0
    assert generated["slot"] == {"delay_ms": 0}
    assert generated["asynchronous"]["runId"]
    assert generated["trainable"] == []


async def test_every_method_of_the_generated_client_was_called(generated: dict[str, Any]) -> None:
    assert generated["uncalled"] == []


async def test_the_generated_client_changes_interactions(generated: dict[str, Any]) -> None:
    draft, version = generated["interaction_created"], generated["interaction_published"]
    assert (version["parent"], version["version"], version["tags"]) == (draft["id"], 1, ["live"])
    assert generated["interaction_updated"]["edit_revision"] == 2
    assert generated["stale"]["status"] == 409
    assert generated["interaction_forked"]["endpoint"] == "GreetAgain"
    assert generated["answer"]["result"] == [{"type": "text", "value": "Bye Ada"}]
    assert generated["interaction_deleted"] == {"id": draft["id"]}
    assert generated["interaction_gone"]["status"] == 404
    assert generated["invalid"]["body"]["message"] == "A new interaction is a draft; publish it to make a version."
    configuration = generated["configured"]["configuration"]
    assert configuration["inference_profile"] == "66d4f0c2e4b0a1b2c3d4f102"
    assert generated["configuration"]["configuration"] == configuration
    assert generated["configured_run"]["modelId"] == "gpt-4o-mini"
    assert generated["unconfigured"].get("configuration") is None


async def test_the_generated_client_asks_for_interactions_test_data_and_improvements(generated: dict[str, Any]) -> None:
    [definition] = generated["generated"]
    assert definition["name"] == "ListTheVerbs"
    assert generated["records"] == [{"name": "name 1"}, {"name": "name 2"}]
    assert "Improvements of Greet:" in generated["improved"]["result"][0]["value"]
    assert generated["suggested"]["result"][0]["type"] == "text"


async def test_the_generated_client_changes_environments(generated: dict[str, Any]) -> None:
    created = generated["environment_created"]
    assert created["apikey_hint"] == "secr...6789"
    assert generated["environment_updated"]["description"] == "Changed."
    assert generated["environment_configured"]["config"] == {"max_concurrent_requests": 2}
    assert [one["id"] for one in generated["model_enabled"]["enabled_models"]] == ["gpt-4o-mini", "gpt-4o"]
    assert [one["id"] for one in generated["model_disabled"]["enabled_models"]] == ["gpt-4o-mini"]
    assert generated["embeddings"]["results"][0]["outputs"][0]["values"]
    assert sum(cell["count"] for cell in generated["analytics"]) > 0
    assert generated["budget"]["supported"] is True
    assert generated["environment_deleted"] == {"id": created["id"]}
    assert generated["environment_gone"]["status"] == 404


COMMANDS: dict[str, set[str]] = {
    "interactions": set(),
    "envs": set(),
    "run": set(
        (
            "--input --output --data --tags --temperature --max-tokens --top-p --top-k --presence-penalty "
            "--frequency-penalty --stop-sequence --config-mode --model --env --no-stream --count --verbose --jsonl "
            "--data-only --run-data --by-id"
        ).split()
    ),
    "runs": set("--tags --status --env --model --query --limit --page --format --output --before --after".split()),
}
"""The commands about runs, interactions and environments, and the options that the tests below use."""
ENVIRONMENT = "66b2f0c2e4b0a1b2c3d4e001"


@pytest.fixture(scope="module")
async def command_line(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A function that runs a command of the command line and returns its output."""
    folder = await anyio.to_thread.run_sync(partial(node.installed, "platform-cli", {"@vertesia/cli": "1.4.1"}))
    program = folder / "node_modules" / "@vertesia" / "cli" / "bin" / "app.js"
    async with httpx.AsyncClient() as anyone:
        exchanged = await anyone.get(f"{sandbox.url}/auth/token", params={"token": DEMO_KEY})
    environment = {
        **node.ENVIRONMENT,
        "HOME": str(tmp_path_factory.mktemp("home")),
        "VERTESIA_TOKEN": exchanged.json()["token"],
        "VERTESIA_SERVER_URL": sandbox.url,
        "VERTESIA_STORE_URL": sandbox.url,
        "VERTESIA_TOKEN_SERVER_URL": sandbox.url,
    }

    async def output(*arguments: str) -> str:
        finished = await anyio.run_process([str(node.BIN / "node"), str(program), *arguments], env=environment)
        return finished.stdout.decode()

    return output


async def test_the_command_line_lists_interactions_and_environments(command_line: Any) -> None:
    assert f"SummarizeText [{SUMMARY}]" in await command_line("interactions")
    assert "2, 3" in await command_line("interactions", DRAFT)
    assert "Bedrock EU [66b2f0c2e4b0a1b2c3d4e002]" in await command_line("envs")
    assert "GPT-4o, GPT-4o mini" in await command_line("envs", "66b2f0c2e4b0a1b2c3d4e001")


async def test_every_option_of_the_command_line_is_used(command_line: Any) -> None:
    help_texts = {command: await command_line(command, "--help") for command in COMMANDS}
    options = {
        command: set(re.findall(r"^ +(?:-\w, )?(--[\w-]+)", text, re.MULTILINE)) for command, text in help_texts.items()
    }
    assert {command: found - {"--help"} for command, found in options.items()} == COMMANDS


async def test_the_command_line_runs_an_interaction_and_finds_its_runs(command_line: Any) -> None:
    text = json.dumps({"text": "I love it"})
    assert '"sentiment": "positive"' in await command_line("run", "ClassifySentiment", "-d", text, "-S", "-T", "by-cli")
    words = json.dumps({"chunks": 3, "delay_ms": 1})
    assert "word1 word2 word3" in await command_line("run", "66a1f0c2e4b0a1b2c3d40007", "--by-id", "-d", words)
    [run] = json.loads(await command_line("runs", "-t", "by-cli"))
    assert run["status"] == "completed"


async def test_the_command_line_passes_every_option_of_an_execution(command_line: Any, tmp_path: Path) -> None:
    given, written = tmp_path / "input.json", tmp_path / "output.jsonl"
    given.write_text(json.dumps({"text": "I love it"}), encoding="utf-8")
    numbers = {"temperature": 0.5, "max-tokens": 9, "top-p": 0.9, "top-k": 5, "presence-penalty": 1}
    numbers["frequency-penalty"] = 2
    await command_line(
        *("run", "ClassifySentiment", "--input", str(given), "--output", str(written), "--tags", "every-option"),
        *(part for name, value in numbers.items() for part in (f"--{name}", str(value))),
        *("--stop-sequence", "END,STOP", "--config-mode", "run_config_only", "--model", "gpt-4o-mini"),
        *("--env", ENVIRONMENT, "--run-data", "debug", "--count", "2", "--no-stream", "--verbose", "--jsonl"),
    )
    first, second = (json.loads(line) for line in written.read_text(encoding="utf-8").splitlines())
    assert first["id"] != second["id"]
    config = first["config"]
    assert (config["environment"], config["model"]) == (ENVIRONMENT, "gpt-4o-mini")
    assert (config["configMode"], config["run_data"]) == ("RUN_CONFIG_ONLY", "DEBUG")
    assert config["model_options"] == {
        "_option_id": "text-fallback",
        **{name.replace("-", "_"): value for name, value in numbers.items()},
        "stop_sequence": ["END", "STOP"],
    }
    data = json.dumps({"text": "I love it"})
    assert '"positive"' in await command_line("run", "ClassifySentiment", "-d", data, "-S", "--data-only")


async def test_the_command_line_searches_with_every_filter(command_line: Any, tmp_path: Path) -> None:
    written = tmp_path / "runs.jsonl"
    await command_line(
        *("runs", SUMMARY, "--status", "completed", "--env", ENVIRONMENT, "--model", "gpt-4o", "--query", "customers"),
        *("--limit", "2", "--page", "1", "--format", "jsonl", "--output", str(written)),
        *("--before", "2100-01-01T00:00:00Z", "--after", "2000-01-01T00:00:00Z"),
    )
    runs = [json.loads(line) for line in written.read_text(encoding="utf-8").splitlines()]
    assert len(runs) == 2
    for run in runs:
        assert (run["interaction"]["id"], run["environment"]["id"]) == (SUMMARY, ENVIRONMENT)
        assert (run["modelId"], run["status"]) == ("gpt-4o", "completed")
    assert json.loads(await command_line("runs", "--tags", "no-such-tag")) == []
