"""An agent of the OpenAI Agents SDK in strict mode, with a scripted model.

Usage: python strict_agent.py URL CALLS, where CALLS is a JSON object of arguments by tool. Optional fields that are not
named in CALLS are written as null, as models do in strict mode. Prints the strict schemas and the answers as JSON.
"""

import json
import sys
from typing import Any

import anyio
from agents import (  # installed in a separate environment
    Agent,
    Model,
    ModelResponse,
    Runner,
    Usage,
    set_tracing_disabled,
)
from agents.mcp import MCPServerStreamableHttp
from openai.types.responses import (
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputText,
)

Schema = dict[str, Any]


class ScriptedModel(Model):  # type: ignore[misc]
    """A model that calls each tool once and then ends the conversation."""

    def __init__(self, calls: dict[str, Schema]) -> None:
        self.calls = calls
        self.offered: dict[str, Any] = {}
        self.answers: dict[str, str] = {}

    async def get_response(self, **request: Any) -> Any:
        """Return the calls first, and the final message once the input contains their answers."""
        self.offered = {tool.name: tool for tool in request["tools"]}
        answers = [
            one for one in request["input"] if isinstance(one, dict) and one.get("type") == "function_call_output"
        ]
        if answers:
            self.answers = {one["call_id"]: json.dumps(one["output"]) for one in answers}
            return ModelResponse(output=[_message()], usage=Usage(), response_id=None)
        asked = [self._call(name, given) for name, given in self.calls.items()]
        return ModelResponse(output=asked, usage=Usage(), response_id=None)

    def _call(self, name: str, given: Schema) -> Any:
        arguments = {**dict.fromkeys(self.offered[name].params_json_schema["properties"]), **given}
        return ResponseFunctionToolCall(type="function_call", name=name, call_id=name, arguments=json.dumps(arguments))

    def stream_response(self, *_: Any, **__: Any) -> Any:
        """Fail, because the conversation is not streamed."""
        raise NotImplementedError


def _message() -> Any:
    text = ResponseOutputText(type="output_text", text="Done.", annotations=[])
    return ResponseOutputMessage(id="m", type="message", role="assistant", status="completed", content=[text])


async def main(url: str, calls: dict[str, Schema]) -> None:
    """Run the agent, and print the schemas and the answers that it received."""
    set_tracing_disabled(disabled=True)
    model = ScriptedModel(calls)
    async with MCPServerStreamableHttp(
        params={"url": url, "timeout": 30}, client_session_timeout_seconds=60, name="runs"
    ) as server:
        agent = Agent(name="a", model=model, mcp_servers=[server], mcp_config={"convert_schemas_to_strict": True})
        done = await Runner.run(agent, "Go on.")
    tools = {
        name: {"strict": tool.strict_json_schema, "schema": tool.params_json_schema}
        for name, tool in model.offered.items()
    }
    print(json.dumps({"tools": tools, "answers": model.answers, "final": done.final_output}))  # noqa: T201 - the output


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], json.loads(sys.argv[2]))
