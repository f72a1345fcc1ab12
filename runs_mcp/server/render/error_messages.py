"""Every failure as one paragraph for a model: what happened, whether anything changed, what to do next."""

import difflib
import logging
from collections.abc import Iterable
from typing import Literal

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import ValidationError

from runs_mcp.api import (
    ApiTimeoutError,
    AuthenticationError,
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
from runs_mcp.server.runs.background_create import CreateContinuesError, NotSentError
from runs_mcp.server.runs.idempotent_create import CreateTags, LostCreateError, RequestKeyConflictError
from runs_mcp.server.runs.name_resolver import UnclearNameError
from runs_mcp.server.runs.stream_hub import FollowingError

log = logging.getLogger(__name__)

NOTHING_SENT = "Nothing was sent."
NO_CHANGE = "Nothing was changed."
NO_RUN = "No run was created."
NOBODY_TO_ASK = (
    "Creating runs has to be confirmed by a person here (server.confirm_create), and this client cannot ask one. "
    f"{NOTHING_SENT} {NO_RUN} Connect with a client that supports elicitation, or have the operator turn it off; "
    "no argument stands in for it."
)
LONGEST_ECHO_CHARS = 100


def explain(tool: str, error: BaseException, *, changes: bool) -> str:
    """What `error` means to the model that called `tool`; `changes` says whether the tool can change anything."""
    match error:
        case ValidationError():
            return f"{_invalid_arguments(error)} {NOTHING_SENT}"
        case InvalidArgumentError() | SetupError():
            return f"{_sentence(str(error))} {NOTHING_SENT}"
        case UnclearNameError():
            return f"{error} {NO_RUN if changes else NO_CHANGE}"
        case LostCreateError() | RequestKeyConflictError() | CreateContinuesError() | NotSentError() | FollowingError():
            return _explain_create(error)
        case RunsApiError():
            return " ".join(
                [_what_happened(error), _what_changed(error, changes=changes), _what_next(error, changes=changes)]
            )
        case ToolError():
            return str(error)
        case _:
            log.error("%s crashed", tool, exc_info=error)
            return f"`{tool}` failed inside the server; its log has the details. {_what_changed(None, changes=changes)}"


def _explain_create(
    error: LostCreateError | RequestKeyConflictError | CreateContinuesError | NotSentError | FollowingError,
) -> str:
    """Return the meaning of an error that only the tools that execute runs raise."""
    match error:
        case LostCreateError(looked=True, tag=tag, cause=cause):
            found = f"No run carries its tag {tag}, so none was made. Create it again if you still want it."
            return f"{_what_happened(cause)} {found}"
        case LostCreateError(tag=tag, cause=cause):
            advice = f'list_runs(tag="{tag}") shows it if there is one: look before you create it again.'
            return f"{_what_happened(cause)} It is not known whether a run was created. {advice}"
        case CreateContinuesError(tags=tags, seconds=seconds):
            return create_continues(tags, seconds)
        case NotSentError(seconds=seconds):
            return no_answer(seconds, changes=True)
        case RequestKeyConflictError(run_id=run_id):
            used = f"run {run_id}" if run_id else "a run that is being created"
            return f"This request_key was used for a different request ({used}): use another key. {NO_RUN}"
        case FollowingError(run_id=run_id, cause=cause):
            advice = f'Do not create it again: get_run(run_id="{run_id}") shows how it stands.'
            return f"Run {run_id} was accepted, but following it failed. {_what_happened(cause)} {advice}"


def too_large(size: int, most: int) -> str:
    """Arguments beyond what the server takes."""
    return (
        f"The arguments take {size:,} bytes; at most {most:,} are taken (server.max_arguments_bytes). {NOTHING_SENT} "
        "Pass less, or pass a document by reference."
    )


def no_answer(seconds: float, *, changes: bool = False) -> str:
    """Return the answer to a call that the API has not answered within `seconds`, before it sent any change."""
    unchanged = f"{NO_CHANGE} {NO_RUN}" if changes else NO_CHANGE
    return f"The Runs API has not answered within {seconds:g} s. {unchanged} Try again later."


def create_continues(tags: CreateTags, seconds: float) -> str:
    """Return the answer to a create that the API has not answered within `seconds`, and that continues."""
    if tags.keyed:
        advice = "repeat this call with the same request_key to get its run"
    elif tags.run:
        advice = f'list_runs(tag="{tags.run}") shows its run once there is one'
    else:
        advice = "list_runs(limit=5) shows the newest runs"
    return (
        f"The Runs API has not answered within {seconds:g} s. The create request continues in the background, and its "
        f"run will be executed. Do not create it again: {advice}."
    )


def too_many(most: int) -> str:
    """A call beyond those the server answers at once."""
    return f"{most:,} calls are being answered already (server.max_calls). {NOTHING_SENT} Call again in a moment."


def not_confirmed(action: Literal["create", "start"], reason: str) -> str:
    """Return the refusal of a call that executes a run and was not confirmed, for `reason`."""
    return (
        f"No run was {action}{'d' if action == 'create' else 'ed'}: {reason}. A person has to confirm it "
        "(server.confirm_create). Do not call again unless they ask for it."
    )


def not_allowed(tool: str, scope: str) -> str:
    """What to say to a caller whose scopes do not allow a call of `tool`."""
    return (
        f"{tool} needs the scope {scope}, which this caller was not given. {NOTHING_SENT} {NO_RUN} "
        "The operator of the server can give it; no argument stands in for it."
    )


def not_started(run_id: str) -> str:
    """What to say of a run that following would start, to those who may only read."""
    return (
        f"Run {run_id} was created and has not been started. Following it would start it, which is not allowed here "
        f"(server.read_only, or no scope runs:create). {NO_CHANGE} Call again once it has been started."
    )


def misspelled(names: Iterable[str], known: Iterable[str]) -> str | None:
    """What to say of arguments the tool does not have, if there are any."""
    legal = sorted(known)
    for name in names:
        if name not in legal:
            near = difflib.get_close_matches(name, legal, n=1)
            hint = f"Did you mean `{near[0]}`?" if near else f"It takes {', '.join(legal)}."
            return f"`{name}`: no such argument. {hint} {NOTHING_SENT}"
    return None


def _invalid_arguments(error: ValidationError) -> str:
    problems = []
    for problem in error.errors(include_url=False, include_context=False):
        where = ".".join(str(part) for part in problem["loc"])
        what = problem["msg"].removeprefix("Value error, ")
        given = problem["input"]
        got = (
            f" (got {given!r})"
            if isinstance(given, str | int | float) and len(str(given)) <= LONGEST_ECHO_CHARS
            else ""
        )
        problems.append(_sentence(f"`{where}`: {what}{got}"))
    return " ".join(problems)


def _what_happened(error: RunsApiError) -> str:
    said = f' It says: "{error.api_message}".' if error.api_message else ""
    details = f" Details: {error.details}." if error.details else ""
    match error:
        case AuthenticationError():
            return f"The Runs API did not accept the server's credential (401).{said}"
        case PermissionDeniedError():
            return f"The server's credential may not do this ({error.status}).{said}"
        case NotFoundError():
            return f"The Runs API found nothing there (404).{said}"
        case InvalidRequestError():
            return f"The Runs API refused the request ({error.status}).{said}{details}"
        case RateLimitedError():
            return f"The Runs API is limiting its rate (429).{said}"
        case UnavailableError() if error.status:
            return f"The Runs API failed ({error.status}).{said}"
        case _:
            return f"{_sentence(str(error))}{said}"


def _what_changed(error: RunsApiError | None, *, changes: bool) -> str:
    if not changes:
        return NO_CHANGE
    if error is None or error.outcome_unknown:
        return "It is not known whether a run was created."
    return NO_RUN


def _what_next(error: RunsApiError, *, changes: bool) -> str:
    match error:
        case _ if changes and error.outcome_unknown:
            return "Do not create it again before looking: list_runs(limit=5) shows the newest runs."
        case AuthenticationError():
            return "Someone with access to the server's configuration must renew it; `runs-mcp check` says how."
        case PermissionDeniedError():
            return "Another credential is needed for it; other operations may still work."
        case NotFoundError():
            return "list_runs and get_run_filter_options show the ids there are."
        case InvalidRequestError():
            return "Correct the arguments and call again."
        case RateLimitedError() | UnavailableError() | ApiTimeoutError() | StreamInterruptedError():
            wait = f" in {error.retry_after_s:g} s" if error.retry_after_s else ""
            return f"Try again{wait}." if error.retry_safe else "Trying again at once will not help."
        case ResponseTooLargeError():
            return "Ask for less: a lower limit, or fewer fields."
        case ProtocolError():
            return "Check the base URL and the edition with `runs-mcp check`."
        case _:
            return "Try again."


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
