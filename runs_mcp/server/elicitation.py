"""Elicitation: questions to the person behind the client, in both eras.

The server asks which of several things was meant, and for a confirmation before it executes, changes or deletes runs.

2026-07-28: the call returns the question, and the client repeats the call with the answer and with state that the SDK
seals. Before: the server asks while the call waits. Clients without elicitation get an error that says what to pass.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal
from uuid import uuid4

from mcp.shared.exceptions import MCPError
from mcp_types import (
    CallToolRequestParams,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
)
from pydantic import BaseModel, Field, ValidationError

from runs_mcp.api import FilterOption
from runs_mcp.server.context import Call, services
from runs_mcp.server.create.run_request import MissingInteractionError
from runs_mcp.server.render import error_messages, tables
from runs_mcp.server.runs.name_resolver import STORED, UnclearNameError
from runs_mcp.server.runs.shared_state import SingleUse

STATE_TTL_S = 300.0
"""Seconds within which a question of a 2026-07-28 call must be answered."""
CONFIRM = "confirm"
CONFIRMED = "yes"
SHOWN_DATA_CHARS = 200


class Unanswered(StrEnum):
    """Reasons why a question has no answer, which complete a sentence such as "No run was created: …"."""

    DECLINED = "the person who was asked declined"
    CANCELLED = "the person who was asked closed the question without an answer"
    TIMED_OUT = "the question was not answered in time"
    EMPTY = "the client accepted the question but sent no answer"
    UNREACHABLE = "the client cannot show a question to a person"


Answer = str | Unanswered


class NotConfirmedError(Exception):
    """Raised if the user did not confirm an operation that changes something; the text gives the reason."""


class InputRequiredError(Exception):
    """Raised to return a question as the result of a call (2026-07-28)."""

    def __init__(self, result: InputRequiredResult) -> None:
        super().__init__("the call needs the answer to a question")
        self.result = result


@dataclass(frozen=True, slots=True)
class Question:
    """A question with a few answers."""

    key: str
    """The argument that the question is about."""
    message: str
    answers: Mapping[str, str]
    """The label of each valid answer."""
    default: str | None = None
    """The answer if the form is accepted without content; None: content is required."""

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of the form: a single choice."""
        # `enumNames` instead of `oneOf`, because clients of every protocol revision support it.
        choice = {"type": "string", "enum": list(self.answers), "enumNames": list(self.answers.values())}
        required = {} if self.default else {"required": [self.key]}
        return {"type": "object", "properties": {self.key: choice}, **required}

    def answer_in(self, response: ElicitResult) -> Answer:
        """Return the answer in a client's response."""
        match response.action:
            case "decline":
                return Unanswered.DECLINED
            case "cancel":
                return Unanswered.CANCELLED
            case _:
                value = (response.content or {}).get(self.key, self.default)
                return value if isinstance(value, str) and value in self.answers else Unanswered.EMPTY


class _State(BaseModel):
    """The state of a call between its rounds. The client carries it, but cannot read or change it."""

    id: str
    asked: str
    answers: dict[str, ElicitResult] = Field(default_factory=dict)


async def answers_of(params: CallToolRequestParams, states: SingleUse) -> Mapping[str, ElicitResult]:
    """Return the answers in a repeated call.

    A confirmation counts once, and only with the sealed state of its question; otherwise the question is asked again.
    Other answers always count, since the call could have passed them as arguments.
    """
    given = {
        key: input_response
        for key, input_response in (params.input_responses or {}).items()
        if isinstance(input_response, ElicitResult)
    }
    chosen = {key: result for key, result in given.items() if key != CONFIRM}
    if params.request_state is None:
        return chosen
    try:
        state = _State.model_validate_json(params.request_state)
    except ValidationError:
        return chosen
    if not await states.claim(state.id, STATE_TTL_S):
        return chosen
    confirmed = {CONFIRM: given[CONFIRM]} if state.asked == CONFIRM and CONFIRM in given else {}
    return {**state.answers, **chosen, **confirmed}


async def confirm(call: Call, *, action: Literal["create", "start"], facts: Sequence[str], data: Any) -> None:
    """Wait until a person has agreed to execute a run; return at once if `server.confirm_create` is off.

    `facts` describe the run: interaction, model, environment, number of runs; `data` is its input.

    Raises:
        NotConfirmedError: the user did not agree.
        InputRequiredError: the call must return the question.
    """
    # Only the setting decides. A model could set an argument of the tool to skip the confirmation.
    if not services(call).config.server.confirm_create:
        return
    shown = f" Data: {tables.cell(data, SHOWN_DATA_CHARS)}" if data not in (None, {}) else ""
    message = f"{action.capitalize()} {', '.join(facts)}? This executes it and costs money.{shown}"
    match await _refusal(call, message, yes="Run it", no="Do not run it"):
        case Unanswered.UNREACHABLE:
            raise NotConfirmedError(error_messages.NOBODY_TO_ASK)
        case Unanswered() as reason:
            raise NotConfirmedError(error_messages.not_confirmed(action, reason))


async def confirm_change(call: Call, action: Literal["update", "delete"], message: str) -> None:
    """Wait until a person has answered `message`, the question about a change of runs, with yes.

    If the client cannot ask, the change goes ahead, unless `server.confirm_create` requires a person.

    Raises:
        NotConfirmedError: the user did not agree.
        InputRequiredError: the call must return the question.
    """
    match await _refusal(call, message, yes=action.capitalize(), no=f"Do not {action}"):
        case Unanswered.UNREACHABLE if not services(call).config.server.confirm_create:
            return
        case Unanswered() as reason:
            raise NotConfirmedError(error_messages.not_changed(action, reason))


async def _refusal(call: Call, message: str, *, yes: str, no: str) -> Unanswered | None:
    """Return the reason why `message` was not answered with yes; None if it was.

    Raises:
        InputRequiredError: the call must return the question.
    """
    answer = await ask(call, Question(CONFIRM, message, {CONFIRMED: yes, "no": no}, default=CONFIRMED))
    if answer == CONFIRMED:
        return None
    return answer if isinstance(answer, Unanswered) else Unanswered.DECLINED


async def choose(
    error: UnclearNameError | MissingInteractionError, call: Call, arguments: Mapping[str, Any]
) -> Mapping[str, str]:
    """Return the argument that a person chooses to repair the call that raised `error`; empty if nothing is chosen.

    A name inside a MongoDB filter is no argument, so the error with the candidates is the answer.

    Raises:
        InputRequiredError: the call must return the question.
    """
    match error:
        case UnclearNameError(field=field, given=given, candidates=[_, *_] as candidates) if (
            str(arguments.get(field, "")).removeprefix(STORED) == given
        ):
            message = f"Several {field}s have the name {given}. Which {field} should be used?"
            question = Question(field, message, _labels(candidates))
        case MissingInteractionError() if known := await services(call).names.known("interaction"):
            question = Question("interaction", "Which interaction should be run?", _labels(known))
        case _:
            return {}
    answer = await ask(call, question)
    return {question.key: answer} if answer and not isinstance(answer, Unanswered) else {}


async def ask(call: Call, question: Question) -> Answer:
    """Return the answer to `question`.

    Raises:
        InputRequiredError: the call must return the question.
    """
    if not _can_ask(call):
        return Unanswered.UNREACHABLE
    if not call.modern:
        return await _ask_now(call, question)
    if response := call.answers.get(question.key):
        return question.answer_in(response)
    form = ElicitRequestFormParams(message=question.message, requested_schema=question.schema)
    state = _State(id=uuid4().hex, asked=question.key, answers=dict(call.answers))
    raise InputRequiredError(
        InputRequiredResult(
            input_requests={question.key: ElicitRequest(params=form)}, request_state=state.model_dump_json()
        )
    )


def _can_ask(call: Call) -> bool:
    """Return True if the client declares support for forms and can be reached."""
    session = call.request_context.session
    elicitation = session.client_capabilities.elicitation if session.client_capabilities else None
    # An empty capability means forms, for compatibility with clients of 2025-06-18 ("Elicitation", "Capabilities").
    if elicitation is None or (elicitation.form is None and elicitation.url is not None):
        return False
    return call.modern or session.can_send_request


async def _ask_now(call: Call, question: Question) -> Answer:
    request = call.request_context
    with services(call).waiting.until(call.deadline):
        try:
            response = await request.session.elicit_form(question.message, question.schema, request.request_id)
        except MCPError:
            return Unanswered.UNREACHABLE  # the client declared the capability, but does not implement it
        except ValidationError:
            return Unanswered.EMPTY
        return question.answer_in(response)
    return Unanswered.TIMED_OUT


def _labels(options: Sequence[FilterOption]) -> dict[str, str]:
    return {option.id or option.name or "": _label(option) for option in options}


def _label(option: FilterOption) -> str:
    used = "" if option.count is None else f", {option.count} runs"
    return f"{option.name or option.id} ({option.id}{used})"
