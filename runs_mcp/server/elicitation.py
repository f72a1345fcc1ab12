"""Asking the person behind the client, in both eras: which of several was meant, and whether to create a run.

2026-07-28: the call answers with its question, and the client repeats it with the answer. Before: the client is asked
while the call waits. Nothing depends on it: whoever cannot be asked, or does not answer, gets an error that says what
to pass.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import anyio
from mcp.shared.exceptions import MCPError
from mcp_types import ElicitRequest, ElicitRequestFormParams, ElicitResult, InputRequiredResult
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from runs_mcp.api import FilterOption
from runs_mcp.server.context import Call, services
from runs_mcp.server.runs.name_resolver import UnclearNameError

CONFIRM = "confirm"
CONFIRMED = "yes"


@dataclass(frozen=True, slots=True)
class Question:
    """A question with a few answers."""

    key: str
    """The argument it is about."""
    message: str
    answers: Mapping[str, str]
    """What can be answered, and what to show for it."""

    @property
    def schema(self) -> dict[str, Any]:
        """The form, as elicitation wants it: one choice."""
        # `enumNames` rather than `oneOf`: clients of every revision that can be asked know it.
        choice = {"type": "string", "enum": list(self.answers), "enumNames": list(self.answers.values())}
        return {"type": "object", "properties": {self.key: choice}, "required": [self.key]}


def confirmation(arguments: Mapping[str, Any]) -> Question:
    """Whether to create what `create_run` was called for."""
    inputs = arguments.get("inputs")
    times = f" {len(inputs)} times" if isinstance(inputs, list) else ""
    model = f" on {arguments['model']}" if "model" in arguments else ""
    what = f"Run {arguments.get('interaction', 'an interaction')}{model}{times}? This executes it, and costs money."
    return Question(CONFIRM, what, {CONFIRMED: "Run it", "no": "Do not run it"})


async def about(error: BaseException, call: Call) -> Question | None:
    """The question whose answer would put `error` right, if there is one."""
    match error:
        case UnclearNameError(field=field, given=given, candidates=[_, *_] as candidates):
            return Question(field, f"Several are called {given}. Which {field} is meant?", _titles(candidates))
        case ValidationError() if [one["loc"] for one in error.errors() if one["type"] == "missing"] == [
            ("interaction",)
        ]:
            known = await services(call).names.known("interaction")
            return Question("interaction", "Which interaction is to be run?", _titles(known)) if known else None
        case _:
            return None


def possible(call: Call) -> bool:
    """Whether the client says that it can show a form, and can be reached now."""
    elicitation = call.client_capabilities.elicitation if call.client_capabilities else None
    if elicitation is None or (elicitation.form is None and elicitation.url is not None):
        return False
    return call.protocol_version in MODERN_PROTOCOL_VERSIONS or call.session.can_send_request


async def ask(call: Call, question: Question) -> str | InputRequiredResult | None:
    """The answer to `question`; what the call must answer to get it; or None where there is none to be had."""
    if not possible(call):
        return None
    if call.protocol_version not in MODERN_PROTOCOL_VERSIONS:
        return await _ask_now(call, question)
    known = _known(call)
    if question.key in known:
        return _legal(known[question.key], question)
    form = ElicitRequestFormParams(message=question.message, requested_schema=question.schema)
    return InputRequiredResult(
        input_requests={question.key: ElicitRequest(params=form)}, request_state=json.dumps(known)
    )


async def _ask_now(call: Call, question: Question) -> str | None:
    with anyio.move_on_after(services(call).config.streaming.max_wait_s):
        try:
            response = await call.session.elicit_form(question.message, question.schema, call.request_id)
        except MCPError:
            return None  # the client said it could be asked, and cannot
        return _legal(_content(response, question.key), question)
    return None


def _known(call: Call) -> dict[str, Any]:
    """What was answered in this round and the ones before; those are in the state, which the SDK seals."""
    said = {
        key: _content(one, key) for key, one in (call.input_responses or {}).items() if isinstance(one, ElicitResult)
    }
    return {**json.loads(call.request_state or "{}"), **said}


def _content(response: ElicitResult, key: str) -> Any:
    return (response.content or {}).get(key) if response.action == "accept" else None


def _legal(value: Any, question: Question) -> str | None:
    return value if isinstance(value, str) and value in question.answers else None


def _titles(options: Sequence[FilterOption]) -> dict[str, str]:
    return {one.id or one.name or "": f"{one.name or one.id} ({one.id}, {one.count} runs)" for one in options}
