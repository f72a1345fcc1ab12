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
async def api(state: Examination) -> Finding:
    """List some runs. A missing permission is no failure here: the check of `list_runs` reports it."""
    try:
        state.newest = await state.client.list_runs(limit=SOME_RUNS)
    except PermissionDeniedError:
        return ok(f"{state.base_url} answers, and accepts the credential", base_url=state.base_url, newest_run=None)
    newest = state.newest[0].id if state.newest else None
    seen = f"newest run {newest}" if newest else "no runs yet"
    return ok(f"{state.base_url} answers; {seen}", base_url=state.base_url, newest_run=newest)


@check("latency", after=("api",))
async def latency(state: Examination) -> Finding:
    """Measure the latency: the median of a few small requests over one connection."""
    # The API check has opened the connection and renewed the token, so neither is part of the measurement.
    times = [await _round_trip_ms(state) for _ in range(REQUESTS)]
    median = round(statistics.median(times))
    facts = {"median_ms": median, "requests": REQUESTS}
    text = f"{median} ms, the median of {REQUESTS} requests"
    if median > SLOW_MS:
        return warning(text, "Check for a slow proxy or VPN, or use a closer api.base_url.", **facts)
    return ok(text, **facts)


@check("clock", after=("secret", "connection"))
async def clock(state: Examination) -> Finding:
    """Compare the clock of this machine with that of the API: expiry and renewal of tokens depend on it."""
    skew_s = _skew_s(state)
    if skew_s is None:
        return skipped("no response had a Date header")
    facts = {"skew_s": skew_s}
    if abs(skew_s) <= TOLERATED_SKEW_S:
        return ok(f"within {TOLERATED_SKEW_S} s of the API's", **facts)
    side = "behind" if skew_s > 0 else "ahead of"
    fix = "Synchronise the clock (NTP): expiry and renewal of tokens depend on it."
    return warning(f"{abs(skew_s)} s {side} the API's", fix, **facts)


@check("contract", after=("api",))
async def contract(state: Examination) -> Finding:
    """Compare the shape of results with the configured edition."""
    configured = state.config.api.edition
    finished = next((run for run in state.newest if run.result is not None), None)
    if finished is None:
        return skipped("none of the newest runs has a result, whose shape shows the edition")
    shape = "vertesia" if finished.has_result_parts else "composable"
    facts = {"configured": configured, "by_shape": shape}
    if shape != configured:
        fix = f"Set api.edition to {shape}, with the api.base_url and api.auth of that edition."
        return failed(f"{configured} is configured, but results have the shape of {shape}", fix, **facts)
    return ok(f"results have the shape of {configured}", **facts)


async def _round_trip_ms(state: Examination) -> float:
    started = time.perf_counter()
    with suppress(PermissionDeniedError):
        await state.client.list_runs(limit=1)
    return (time.perf_counter() - started) * 1_000


def _skew_s(state: Examination) -> int | None:
    """Return the seconds that the clock of the API is ahead, by its last response or, as a minimum, by the token."""
    # A proxy can remove the Date header. The times in the token are then a lower bound of the difference.
    response = state.transport.response
    if response is None:
        return None
    with suppress(ValueError):
        return round(parsedate_to_datetime(response.headers.get("date", "")).timestamp() - state.transport.responded_at)
    issued, expires = state.credential.issued_at, state.credential.expires_at
    now = datetime.fromtimestamp(state.transport.responded_at, UTC)
    if issued and issued > now:
        return round((issued - now).total_seconds())
    if expires and expires < now and response.status_code == HTTPStatus.OK:
        return round((expires - now).total_seconds())
    return None
