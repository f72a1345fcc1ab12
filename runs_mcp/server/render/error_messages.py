"""Failures as one paragraph for a model: the cause, the effect on runs, and the next step."""

import difflib
import logging
from collections.abc import Collection, Mapping, Sequence
from math import ceil
from typing import Any, Literal

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import ValidationError

from runs_mcp.api import (
    ApiTimeoutError,
    AuthenticationError,
    FindClosedError,
    InvalidArgumentError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    ProtocolError,
    RateLimitedError,
    ResponseTooLargeError,
    RunsApiError,
    SetupError,
    StreamInterruptedError,
    UnavailableError,
)
from runs_mcp.config.http_settings import Scope
from runs_mcp.config.validation_messages import plain_message
from runs_mcp.server.aggregate.list_prices import UnknownCostError
from runs_mcp.server.create.background_create import CreateContinuesError, NotSentError, PendingCreate
from runs_mcp.server.create.create_limit import CreateLimitError
from runs_mcp.server.create.idempotent_create import CreateTags, LostCreateError, RequestKeyConflictError
from runs_mcp.server.permissions.scopes import CREATE, MANAGE, READ
from runs_mcp.server.runs.name_resolver import UnclearNameError
from runs_mcp.server.runs.stream_hub import FollowingError

log = logging.getLogger(__name__)

NOTHING_SENT = "Nothing was sent."
NO_CHANGE = "Nothing was changed."
NO_RUN = "No run was created."
NOBODY_TO_ASK = (
    "This server requires that a person confirms each new run (server.confirm_create), and this client cannot ask. "
    f"{NOTHING_SENT} {NO_RUN} Connect with a client that supports elicitation, or ask the operator to turn the setting "
    "off; it cannot be overridden by an argument."
)
FIND_CLOSED = "The server's credential may not use MongoDB filters, and no search has the same meaning as this one."
FIND_ALTERNATIVES = {"search_runs": "search_runs with its filters", "aggregate_runs": "aggregate_runs for numbers"}
FOUND_BY_SEARCHES = (
    "in this tool equality of status, interaction, environment and modelId, tags, and bounds of created_at"
)
LONGEST_ECHO_CHARS = 100
SIMILAR, NEARLY_EQUAL = 0.6, 0.8
"""The similarity of two names, from 0 to 1: `_limits` and `limit`, `session_id` and `sessionId`, but not `action` and
`interaction`."""
FIELDS = {
    "status": "status",
    "interaction": "interaction",
    "environment": "environment",
    "model": "modelId",
    "tag": "tags",
    "finish_reason": "finish_reason",
}
"""The fields of runs in MongoDB filters, by the filters of tools that take one value."""
LONGEST_IN_SECONDS = 120
LONGEST_IN_MINUTES = 120
Offered = Collection[str] | None
"""The tools that the caller is offered, and which a message may mention; None: all."""


def explain(tool: str, error: BaseException, *, scope: Scope = READ, offered: Offered = None) -> str:
    """Return what `error` means to the model that called `tool`, which needs `scope`."""
    match error:
        case InvalidArgumentError() | SetupError():
            return f"{_sentence(str(error))} {NOTHING_SENT}"
        case UnclearNameError() | UnknownCostError():
            return _paragraph(str(error), _unchanged(scope))
        case LostCreateError() | RequestKeyConflictError() | CreateContinuesError() | NotSentError() | FollowingError():
            return _explain_create(error, offered)
        case CreateLimitError():
            return over_create_limit(error)
        case FindClosedError():
            return find_closed(offered)
        case RunsApiError(outcome_unknown=True) if scope != READ:
            return f"{_cause(error)} {_unknown_effect(scope, offered)}"
        case RunsApiError():
            return _paragraph(_cause(error), _unchanged(scope), _next_step(error, scope, offered))
        case ToolError():
            return str(error)
        case _:
            log.error("%s crashed", tool, exc_info=error)
            failed = f"`{tool}` failed inside the server; its log has the details."
            return _paragraph(failed, _unknown_effect(scope, offered))


def mention(offered: Offered, tool: str, text: str, otherwise: str = "") -> str:
    """Return `text`, which mentions `tool`, or `otherwise` if the caller is not offered the tool."""
    return text if offered is None or tool in offered else otherwise


def find_closed(offered: Offered) -> str:
    """Return the refusal of a MongoDB filter that the credential may not use, with what works instead."""
    works = [mention(offered, tool, text) for tool, text in FIND_ALTERNATIVES.items()]
    return f"{FIND_CLOSED} What works: {', '.join(filter(None, works))}, and {FOUND_BY_SEARCHES}."


def _explain_create(
    error: LostCreateError | RequestKeyConflictError | CreateContinuesError | NotSentError | FollowingError,
    offered: Offered,
) -> str:
    """Return the meaning of an error that only the tools that execute runs raise."""
    match error:
        case LostCreateError(searched=True, tag=tag, cause=cause):
            found = f"No run has the tag {tag}, so no run was created. Create the run again if you still want it."
            return f"{_cause(cause)} {found}"
        case LostCreateError(tag=tag, cause=cause):
            advice = mention(
                offered,
                "list_runs",
                f'Call list_runs(tag="{tag}"), which shows the run if it exists, before you create it again.',
                f"If it exists, it has the tag {tag}: have a person look for it before you create it again.",
            )
            return f"{_cause(cause)} It is not known whether a run was created. {advice}"
        case CreateContinuesError(tags=tags, seconds=seconds):
            return create_continues(tags, seconds, offered)
        case NotSentError(seconds=seconds):
            return no_answer(seconds, scope=CREATE)
        case RequestKeyConflictError(run_id=run_id):
            used = f"run {run_id}" if run_id else "a run that is being created"
            return f"This request_key was used for a different request ({used}): use another key. {NO_RUN}"
        case FollowingError(run_id=run_id, cause=cause):
            shown = mention(offered, "get_run", f': get_run(run_id="{run_id}") shows its status')
            return f"Run {run_id} was accepted, but following it failed. {_cause(cause)} Do not create it again{shown}."


def over_create_limit(error: CreateLimitError) -> str:
    """Return the refusal of runs beyond `server.create_limit`, with the time when they are possible."""
    window = error.window
    allowed = (
        f"At most {window.most:,} runs may be started in any {window.name} (server.create_limit.per_{window.name})"
    )
    wanted = "this call wants 1" if error.wanted == 1 else f"this call wants {error.wanted:,}"
    if error.wait_s is None or error.free_at is None:
        later = "That many are never possible in one call: ask for fewer."
    else:
        free_at = f"{error.free_at:%Y-%m-%d %H:%M} UTC, in {waiting_time(error.wait_s)}"
        later = f"Creating {'it' if error.wanted == 1 else 'them'} is possible from {free_at}."
    return f"{allowed}; {error.left:,} are left, and {wanted}. {NOTHING_SENT} {NO_RUN} {later}"


def too_large(size: int, most: int) -> str:
    """Return the refusal of arguments that are larger than `most` bytes."""
    return (
        f"The arguments have {size:,} bytes; at most {most:,} are accepted (server.max_arguments_bytes). "
        f"{NOTHING_SENT} Pass less, or pass a document by reference."
    )


def no_answer(seconds: float, *, scope: Scope = READ) -> str:
    """Return the answer to a call that the API has not answered within `seconds`, before it sent any change."""
    return _paragraph(f"The Runs API has not answered within {seconds:g} s.", _unchanged(scope), "Try again later.")


def cut_off(seconds: float, creates: Sequence[PendingCreate], *, scope: Scope = READ, offered: Offered = None) -> str:
    """Return the answer to a call that was cut off after `seconds`, when each of its `creates` could have a run."""
    if scope == MANAGE:
        return change_unanswered(seconds, offered)
    if not creates:
        return no_answer(seconds, scope=scope)
    number, them = ("a run", "it") if len(creates) == 1 else (f"up to {len(creates)} runs", "them")
    known = [create.run_id for create in creates if create.run_id]
    named = f" (so far {', '.join(known)})" if known else ""
    if creates[0].tags.keyed:
        advice = ": repeat this call with the same request_key to get what it created"
    else:
        advice = mention(offered, "list_runs", f": list_runs(limit={len(creates)}) shows the newest runs")
    return (
        f"The call was cut off after {seconds:g} s. It has created {number}{named}, or still creates {them} in the "
        f"background. Do not create {them} again{advice}."
    )


def create_continues(tags: CreateTags, seconds: float, offered: Offered = None) -> str:
    """Return the answer to a create that the API has not answered within `seconds`, and that continues."""
    if tags.keyed:
        advice = ": repeat this call with the same request_key to get its run"
    elif tags.run:
        advice = mention(offered, "list_runs", f': list_runs(tag="{tags.run}") shows its run once there is one')
    else:
        advice = mention(offered, "list_runs", ": list_runs(limit=5) shows the newest runs")
    return (
        f"The Runs API has not answered within {seconds:g} s. The create request continues in the background, and its "
        f"run will be executed. Do not create it again{advice}."
    )


def no_such_run(run_id: str, offered: Offered) -> str:
    """Return the refusal of a resource of a run that does not exist."""
    return f"There is no run {run_id!r}. {mention(offered, 'list_runs', 'list_runs shows the ids of runs.')}".rstrip()


def too_many(most: int) -> str:
    """Return the refusal of a call beyond the `most` that the server answers at the same time."""
    return f"The server is answering {most:,} calls already (server.max_calls). {NOTHING_SENT} Call again in a moment."


def not_confirmed(action: Literal["create", "start"], reason: str) -> str:
    """Return the refusal of a call that executes a run and was not confirmed, for `reason`."""
    return (
        f"No run was {action}{'d' if action == 'create' else 'ed'}: {reason}. A person has to confirm it "
        "(server.confirm_create). Do not call again unless they ask for it."
    )


def not_changed(action: Literal["update", "delete"], reason: str) -> str:
    """Return the refusal of a change of runs that was not confirmed, for `reason`."""
    return (
        f"No run was {action}d: {reason}. A person has to confirm it. {NO_CHANGE} Do not call again unless they ask "
        "for it."
    )


def change_unanswered(seconds: float, offered: Offered) -> str:
    """Return the outcome of a change of a run that was sent and that the API has not answered within `seconds`."""
    return f"The Runs API has not answered within {seconds:g} s. {_unknown_effect(MANAGE, offered)}"


def not_allowed(tool: str, scope: Scope) -> str:
    """Return the refusal of a call that the scopes of the caller do not allow."""
    return _paragraph(
        f"{tool} needs the scope {scope}, which this caller does not have.",
        NOTHING_SENT,
        _unchanged(scope),
        "The operator of the server can grant it; it cannot be overridden by an argument.",
    )


def not_started(run_id: str) -> str:
    """Return the refusal to follow a run that following would start, for callers who may only read."""
    return (
        f"Run {run_id} was created and has not been started. Following would start it, which this caller may not do "
        f"(server.read_only, or no scope runs:create). {NO_CHANGE} Call again once it has been started."
    )


def unknown_argument(name: str, known: Collection[str], taken_by: Collection[str] = ()) -> str:
    """Return the refusal of an argument that is not among the `known` arguments of a tool, with the closest of these.

    `taken_by` are other tools that have the argument. One of them is meant unless a known argument is nearly equal.
    """
    near = difflib.get_close_matches(name, known, n=1, cutoff=NEARLY_EQUAL if taken_by else SIMILAR)
    hint = f"Did you mean `{near[0]}`?" if near else f"It takes {', '.join(sorted(known))}."
    others = f"Tools with `{name}`: {', '.join(taken_by)}." if taken_by and not near else ""
    return _paragraph(f"`{name}` is not an argument of this tool.", hint, others, NOTHING_SENT)


def waiting_time(seconds: float) -> str:
    """Return a time to wait for people, rounded up: `30 s`, `5 min`, `3 h`."""
    if seconds < LONGEST_IN_SECONDS:
        return f"{ceil(seconds)} s"
    minutes = ceil(seconds / 60)
    return f"{minutes} min" if minutes < LONGEST_IN_MINUTES else f"{ceil(minutes / 60)} h"


def invalid_arguments(error: ValidationError, schema: Mapping[str, Any]) -> str:
    """Return the refusal of arguments that do not fit a tool, whose input `schema` has the values of its edition."""
    problems = []
    for problem in error.errors(include_url=False, include_context=False):
        # A list of values may be given as a single value, which has no index.
        named = problem["loc"][:-1] if problem["loc"][-1:] == (0,) else problem["loc"]
        location = ".".join(map(str, named))
        choice = _choice(schema, problem["loc"]) if problem["type"] == "literal_error" else ""
        given = problem["input"]
        reason = _several(location, given) or choice or plain_message(problem)
        got = (
            f" (got {given!r})"
            if isinstance(given, str | int | float) and len(str(given)) <= LONGEST_ECHO_CHARS
            else ""
        )
        problems.append(_sentence(f"`{location}`: {reason}{got}"))
    return " ".join([*problems, NOTHING_SENT])


def _several(name: str, given: Any) -> str:
    """Return the refusal of several values for a filter that takes one; empty for another parameter or value."""
    if name not in FIELDS or not isinstance(given, list):
        return ""
    return f'takes one value, not {len(given)}; a MongoDB filter takes several: {{"{FIELDS[name]}": {{"$in": […]}}}}'


def _choice(schema: Mapping[str, Any], place: Sequence[int | str]) -> str:
    """Return a sentence with the values that `schema` offers for a parameter; empty if it lists none."""
    parameter = schema["properties"].get(place[0], {})
    values = [repr(value) for value in parameter.get("enum") or parameter.get("items", {}).get("enum", ())]
    return f"Input should be {' or '.join(filter(None, [', '.join(values[:-1]), *values[-1:]]))}" if values else ""


def _cause(error: RunsApiError) -> str:
    said = error.api_message or ""
    quote = f' It says: "{said}"{"" if said.endswith(".") else "."}' if said else ""
    details = f" Details: {_sentence(error.details)}" if error.details else ""
    return f"{_kind(error)}{quote}{details}"


def _kind(error: RunsApiError) -> str:
    match error:
        case AuthenticationError():
            return "The Runs API did not accept the server's credential (401)."
        case PermissionDeniedError():
            return f"The server's credential may not do this ({error.status})."
        case NotFoundError():
            return "The Runs API found nothing there (404)."
        case InvalidRequestError():
            return f"The Runs API rejected the request ({error.status})."
        case RateLimitedError():
            return "The Runs API is limiting its rate (429)."
        case UnavailableError() if error.status:
            return f"The Runs API failed ({error.status})."
        case _:
            return _sentence(str(error))


def _unchanged(scope: Scope) -> str:
    """Return what a failed call has not done; empty for a read, which changes nothing in any case."""
    return {CREATE: NO_RUN, MANAGE: NO_CHANGE}.get(scope, "")


def _unknown_effect(scope: Scope, offered: Offered) -> str:
    """Return the effect of a failed call that may have been sent, by the scope of its tool; empty for a read."""
    if scope == READ:
        return ""
    if scope == MANAGE:
        seen = mention(offered, "get_run", "read the run with get_run", "have a person check the run")
        return f"It is not known whether this run was changed. Before you repeat the change, {seen}."
    newest = mention(offered, "list_runs", "call list_runs(limit=5), which shows", "have a person check")
    return f"It is not known whether a run was created. Before you create it again, {newest} the newest runs."


def _next_step(error: RunsApiError, scope: Scope, offered: Offered) -> str:
    match error:
        case AuthenticationError():
            return "Someone with access to the server's configuration must renew it; `runs-mcp check` says how."
        case PermissionDeniedError():
            return "This operation needs another credential; other operations may still work."
        case NotFoundError() if scope == CREATE:
            return mention(offered, "list_interactions", "list_interactions shows the interactions that can be run.")
        case NotFoundError():
            return mention(offered, "list_runs", "list_runs shows the ids of runs.")
        case InvalidRequestError():
            return "Correct the arguments and call again."
        case RateLimitedError() | UnavailableError() | ApiTimeoutError() | StreamInterruptedError():
            if error.retry_after_s:
                return f"Try again in {waiting_time(error.retry_after_s)}."
            return "Try again." if error.retry_safe else "Trying again at once will not help."
        case ResponseTooLargeError():
            return "Ask for less: a lower limit, or fewer fields."
        case ProtocolError():
            return "Check the base URL and the edition with `runs-mcp check`."
        case _:
            return "Try again."


def _paragraph(*sentences: str) -> str:
    return " ".join(filter(None, sentences))


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
