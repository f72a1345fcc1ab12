"""Checks of the responses of the API: availability, latency, clock and edition."""

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
    """List some runs; a missing permission is reported by the check of the operation."""
    try:
        about.newest = await about.client.list_runs(limit=SOME_RUNS)
    except PermissionDeniedError:
        return ok(f"{about.base_url} answers, and accepts the credential", base_url=about.base_url, newest_run=None)
    newest = about.newest[0].id if about.newest else None
    seen = f"newest run {newest}" if newest else "no runs yet"
    return ok(f"{about.base_url} answers; {seen}", base_url=about.base_url, newest_run=newest)


@check("latency", after=("api",))
async def latency(about: Examination) -> Finding:
    """Measure the latency: the median of a few small requests over one connection."""
    times = sorted([await _round_trip_ms(about) for _ in range(REQUESTS)])
    median = round(statistics.median(times))
    facts = {"median_ms": median, "requests": REQUESTS}
    text = f"{median} ms, the median of {REQUESTS} requests"
    if median > SLOW_MS:
        return warning(text, "Check for a slow proxy or VPN, or use a closer api.base_url.", **facts)
    return ok(text, **facts)


@check("clock", after=("secret", "connection"))
async def clock(about: Examination) -> Finding:
    """Compare the clock of this machine with that of the API: expiry and renewal of tokens depend on it."""
    skew_s = _skew_s(about)
    if skew_s is None:
        return skipped("no response had a Date header")
    facts = {"skew_s": skew_s}
    if abs(skew_s) <= TOLERATED_SKEW_S:
        return ok(f"within {TOLERATED_SKEW_S} s of the API's", **facts)
    side = "behind" if skew_s > 0 else "ahead of"
    fix = "Synchronise the clock (NTP): expiry and renewal of tokens depend on it."
    return warning(f"{abs(skew_s)} s {side} the API's", fix, **facts)


@check("contract", after=("api",))
async def contract(about: Examination) -> Finding:
    """Compare the shape of results with the configured edition."""
    configured = about.config.api.edition
    telling = next((run for run in about.newest if run.result is not None), None)
    if telling is None:
        return skipped("none of the newest runs has a result, whose shape shows the edition")
    shape = "vertesia" if telling.has_result_parts else "composable"
    facts = {"configured": configured, "by_shape": shape}
    if shape != configured:
        fix = f"Set api.edition to {shape}, with the api.base_url and api.auth of that edition."
        return failed(f"{configured} is configured, but results have the shape of {shape}", fix, **facts)
    return ok(f"results have the shape of {configured}", **facts)


async def _round_trip_ms(about: Examination) -> float:
    started = time.perf_counter()
    with suppress(PermissionDeniedError):
        await about.client.list_runs(limit=1)
    return (time.perf_counter() - started) * 1_000


def _skew_s(about: Examination) -> int | None:
    """Return the seconds that the clock of the API is ahead, by its last response or, as a minimum, by the token."""
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
