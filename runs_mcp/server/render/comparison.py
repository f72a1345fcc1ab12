"""Comparison of runs: the fields that differ, by JSON pointer, then the values in common, once."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any

from mcp_types import CallToolResult

from runs_mcp.server.context import Call, services
from runs_mcp.server.render import results, tables
from runs_mcp.server.render.cuts import text_of
from runs_mcp.server.render.outcomes import DATA_ONLY, Outcome

LONGEST_VALUE_CHARS = 200
SHOWN_BEFORE_DIFFERENCE_CHARS = 40
ABSENT = "(absent)"


def compared(call: Call, outcomes: Sequence[Outcome], *, include: Sequence[str] | None = None) -> CallToolResult:
    """Return the fields in which runs differ, then those in which they agree, each on one line.

    Fields are JSON pointers, which the resource of a run takes as `?path=`. Long values are cut around the place where
    they begin to differ.
    """
    runs = [outcome.run for outcome in outcomes if outcome.run]
    failures = {outcome.label: outcome.failure for outcome in outcomes if outcome.run is None}
    flat = [dict(leaves(results.document_of(run, without=results.unwanted(include)))) for run in runs]
    paths = list(dict.fromkeys(path for leaves_of_run in flat for path in leaves_of_run))
    common = {path: flat[0][path] for path in paths if _agree(flat, path)}
    differing = [path for path in paths if path not in common and path not in ("/id", "/_id")]
    room = services(call).config.server.max_result_chars
    differences, missing = _fitting({path: _values(flat, path) for path in differing}, room // 2)
    shared, unseen = _fitting({path: [_shortened(value)] for path, value in common.items()}, room // 2)
    left_out = missing + unseen
    structured = {
        "compared": [run.id for run in runs],
        "differences": differences,
        "common": {path: value for path, [value] in shared.items()},
        **({"failures": failures} if failures else {}),
        **({"left_out": left_out} if left_out else {}),
        "workspace": services(call).workspace,
    }
    lines = [
        f"{tables.counted(len(runs), 'run')} compared ({results.origin(call, runs[0] if runs else None)}). {DATA_ONLY}"
    ]
    lines += [f"{tables.cell(label)}: {reason}" for label, reason in failures.items()]
    lines += [f"Differences: {' | '.join(run.id for run in runs)}", *map(_line, differences, differences.values())]
    lines += ["Common:", *(_line(path, [value]) for path, [value] in shared.items())]
    lines += [f"{left_out:,} more fields do not fit; name the large fields to compare in include."] if left_out else []
    return results.answer("\n".join(lines), structured)


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each scalar and empty container in `value` with its JSON pointer (RFC 6901)."""
    match value:
        case Mapping() if value:
            for name, item in value.items():
                yield from leaves(item, f"{path}/{str(name).replace('~', '~0').replace('/', '~1')}")
        case list() if value:
            for number, item in enumerate(value):
                yield from leaves(item, f"{path}/{number}")
        case _:
            yield path, value


def _agree(flat: Sequence[Mapping[str, Any]], path: str) -> bool:
    return all(path in leaves_of_run and leaves_of_run[path] == flat[0].get(path) for leaves_of_run in flat)


def _values(flat: Sequence[Mapping[str, Any]], path: str) -> list[Any]:
    """Return the value of each run at `path`; long texts from shortly before the place where they differ."""
    values = [leaves_of_run.get(path, ABSENT) for leaves_of_run in flat]
    texts = [value for value in values if isinstance(value, str) and value != ABSENT]
    if max(map(len, texts), default=0) <= LONGEST_VALUE_CHARS:
        return values
    start = max(_common_length(texts) - SHOWN_BEFORE_DIFFERENCE_CHARS, 0)
    return [_shortened(value, start) if value in texts else value for value in values]


def _common_length(texts: Sequence[str]) -> int:
    """Return the number of characters with which all `texts` begin."""
    alike = (len(set(characters)) == 1 for characters in zip(*texts, strict=False))
    return sum(1 for _ in takewhile(bool, alike))


def _shortened(value: Any, start: int = 0) -> Any:
    if not isinstance(value, str) or (not start and len(value) <= LONGEST_VALUE_CHARS):
        return value
    end = start + LONGEST_VALUE_CHARS
    return f"{'…' if start else ''}{value[start:end]}{'…' if end < len(value) else ''}"


def _fitting(rows: Mapping[str, list[Any]], room: int) -> tuple[dict[str, list[Any]], int]:
    """Return the rows that fit in `room` characters, at least one, and the number of the others."""
    fitting: dict[str, list[Any]] = {}
    for path, values in rows.items():
        room -= len(_line(path, values))
        if room < 0 and fitting:
            break
        fitting[path] = values
    return fitting, len(rows) - len(fitting)


def _line(path: str, values: Sequence[Any]) -> str:
    cells = [tables.cell(text_of(value), LONGEST_VALUE_CHARS + 2) for value in values]
    return f"{tables.cell(path)}: {' | '.join(cells)}"
