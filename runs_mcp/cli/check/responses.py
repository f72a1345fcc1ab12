"""Checks of what the API answers: that it does, how soon, when it thinks it is, and by which contract."""

import statistics
import time
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from runs_mcp.api import PermissionDeniedError
from runs_mcp.cli.check.examination import Examination
from runs_mcp.cli.check.findings import Finding, check, failed, ok, skipped, warning

SOME_RUNS = 5
REQUESTS = 5
SLOW_MS = 2_000
TOLERATED_SKEW_S = 30


@check("api", after=("credential",))
async def api(about: Examination) -> Finding:
    """Whether the Runs API is there and takes the credential; what it may do is asked operation by operation."""
    try:
        about.newest = await about.client.list_runs(limit=SOME_RUNS)
    except PermissionDeniedError:
        return ok(f"{about.base_url} answers, and knows the credential", base_url=about.base_url, newest_run=None)
    newest = about.newest[0].id if about.newest else None
    seen = f"newest run {newest}" if newest else "there are no runs yet"
    return ok(f"{about.base_url} answers; {seen}", base_url=about.base_url, newest_run=newest)


@check("latency", after=("api",))
async def latency(about: Examination) -> Finding:
    """How long a small request takes: the median of a few, over one connection."""
    times = sorted([await _round_trip_ms(about) for _ in range(REQUESTS)])
    median = round(statistics.median(times))
    facts = {"median_ms": median, "requests": REQUESTS}
    text = f"{median} ms, the median of {REQUESTS} requests"
    if median > SLOW_MS:
        return warning(text, "See whether a proxy or VPN is slow, or a nearer api.base_url there is.", **facts)
    return ok(text, **facts)


@check("clock", after=("secret", "connection"))
async def clock(about: Examination) -> Finding:
    """Whether this machine's clock is the API's, since tokens expire and are renewed by it."""
    skew_s = _skew_s(about)
    if skew_s is None:
        return skipped("no answer told the time")
    facts = {"skew_s": skew_s}
    if abs(skew_s) <= TOLERATED_SKEW_S:
        return ok(f"within {TOLERATED_SKEW_S} s of the API's", **facts)
    side = "behind" if skew_s > 0 else "ahead of"
    fix = "Have the system set its clock (NTP): tokens expire, and are renewed, by it."
    return warning(f"{abs(skew_s)} s {side} the API's", fix, **facts)


@check("contract", after=("api",))
async def contract(about: Examination) -> Finding:
    """Whether answers have the shape of the edition that is configured."""
    configured = about.config.api.edition
    telling = next((run for run in about.newest if run.result is not None), None)
    if telling is None:
        return skipped("none of the newest runs has a result, by whose shape editions are told apart")
    shape = "vertesia" if telling.has_result_parts else "composable"
    facts = {"configured": configured, "by_shape": shape}
    if shape != configured:
        fix = f"Set api.edition to {shape}, and api.base_url and api.auth to those of that edition."
        return failed(f"{configured} is configured, but results have the shape of {shape}", fix, **facts)
    return ok(f"results have the shape of {configured}", **facts)


async def _round_trip_ms(about: Examination) -> float:
    started = time.perf_counter()
    with suppress(PermissionDeniedError):
        await about.client.list_runs(limit=1)
    return (time.perf_counter() - started) * 1_000


def _skew_s(about: Examination) -> int | None:
    """Seconds that the API's clock is ahead of ours, by its last answer; else, at least, by the token."""
    answer = about.wire.answer
    if answer is None:
        return None
    with suppress(ValueError):
        return round(parsedate_to_datetime(answer.headers.get("date", "")).timestamp() - about.wire.answered_at)
    issued, expires = about.credential.issued_at, about.credential.expires_at
    now = datetime.fromtimestamp(about.wire.answered_at, UTC)
    if issued and issued > now:
        return round((issued - now).total_seconds())
    if expires and expires < now and answer.status_code == HTTPStatus.OK:
        return round((expires - now).total_seconds())
    return None
