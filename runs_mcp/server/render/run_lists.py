"""Lists of runs as tables, with the end of the list or the call that continues it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from mcp_types import CallToolResult

from runs_mcp.api import Run
from runs_mcp.server.aggregate.groups import NamesById
from runs_mcp.server.context import Call, services
from runs_mcp.server.pages.find_cursor import query_after
from runs_mcp.server.pages.page import Page
from runs_mcp.server.params import MAX_PAGE
from runs_mcp.server.permissions.offered_tools import offered_tools
from runs_mcp.server.render import query_doubts, results, tables
from runs_mcp.server.render.cuts import fit
from runs_mcp.server.render.portable_json import compact_json
from runs_mcp.server.render.selection import Selection

NOT_IN_LISTS = {*results.DOCUMENTS, "account", "project"}
REFERENCES = ("interaction", "environment")
IN_REFERENCES = frozenset({"id", "name", "endpoint", "version", "provider"})
"""Fields of references in rows. Others, such as descriptions and times of changes, would take the room of the runs."""
SMALLEST_ROW_CHARS = 600
"""A row of this size is never cut, however many rows a list has."""
CLOSED_FIND = "find is closed to the server's credential; a search with the same meaning replaced it."


@dataclass(frozen=True, slots=True)
class Rows:
    """The documents that a list shows of runs, each within its share of the characters of a result."""

    runs: Sequence[Run]
    documents: Sequence[dict[str, Any]]
    cut: Collection[str]
    """Names of the fields that were cut in some of the documents."""

    @classmethod
    def of(cls, call: Call, runs: Sequence[Run], documents: Iterable[dict[str, Any]]) -> Self:
        """Cut each of `documents` to its share."""
        share = max(services(call).config.server.max_result_chars // max(len(runs), 1), SMALLEST_ROW_CHARS)
        shown: list[dict[str, Any]] = []
        fields: dict[str, str] = {}
        for run, document in zip(runs, documents, strict=True):
            if len(compact_json(document)) > share:
                cut = fit(document, share, run.id)
                shown.append(cut.document)
                fields |= cut.fields
            else:
                shown.append(document)
        return cls(runs, shown, fields)


def page(call: Call, listed: Page, *, hint: str = "") -> CallToolResult:
    """Return a page of runs as a table; `hint` says how to find runs if the page is empty."""
    if not listed.runs:
        return _empty(call, listed.offset, hint)
    rows = Rows.of(call, listed.runs, map(row_of, listed.runs))
    following: dict[str, Any] = {}
    if listed.more:
        following = {"next_offset": listed.next_offset, "next": results.same_call(call, offset=listed.next_offset)}
    structured = {"runs": rows.documents, "offset": listed.offset, **following}
    count = len(listed.runs)
    place = f"{listed.offset + 1} to {listed.offset + count}"
    head = f"{tables.counted(count, 'run')}, {place} ({results.origin(call)})"
    return list_result(call, [head, tables.table(tables.of_runs(listed.runs))], rows, structured)


def fitting(call: Call, runs: Sequence[Run], selection: Selection) -> Rows:
    """Return the rows that `find` shows of as many runs as a result has room for, at least one.

    Rows of selected fields take up to twice `server.max_result_chars` as JSON, which is longer than their table.
    """
    room = 2 * services(call).config.server.max_result_chars
    rows = _found_rows(call, runs, selection)
    for number, document in enumerate(rows.documents):
        room -= len(compact_json(document))
        if room < 0:
            return _found_rows(call, runs[: max(number, 1)], selection)
    return rows


def found(
    call: Call, query: Mapping[str, Any], shown: Rows, selection: Selection, *, left: int | None
) -> CallToolResult:
    """Return the runs that `find` gave, with the selected fields.

    At least `left` more match `query`; None if that is unknown.
    """
    following: dict[str, Any] = {}
    if left is None:
        following = {"advice": "More runs may match: narrow the query, e.g. by created_at, to be sure."}
    elif left:
        following = _continued(call, query_after(query, shown.runs), left)
    if note := _missing_fields(shown, selection):
        following["note"] = note
    return _found(call, shown, selection, following, query_doubts.doubts(call, query))


def searched(
    call: Call,
    query: Mapping[str, Any],
    search: Mapping[str, Any],
    shown: Rows,
    selection: Selection,
    *,
    limit: int,
    left: int,
) -> CallToolResult:
    """Return the runs that a `search` gave in place of `query` with a closed `find`; `search_runs` continues them."""
    following: dict[str, Any] = {"note": " ".join(filter(None, [CLOSED_FIND, _missing_fields(shown, selection)]))}
    if left and "search_runs" in offered_tools(call.request_context):
        arguments = {**search, "limit": min(limit, MAX_PAGE), "offset": len(shown.runs)}
        following["next"] = results.written_call("search_runs", arguments)
    elif left:
        following |= _continued(call, None, left)
    return _found(call, shown, selection, following, query_doubts.doubts(call, query))


def _found(call: Call, shown: Rows, selection: Selection, following: Mapping[str, Any], hint: str) -> CallToolResult:
    if not shown.runs:
        return _empty(call, 0, hint)
    columns = tables.of_fields(shown.documents) if selection else tables.of_runs(shown.runs)
    structured = {"runs": shown.documents, **following}
    head = f"{tables.counted(len(shown.runs), 'run')} ({results.origin(call)})"
    notes = [following["note"]] if "note" in following else []
    return list_result(call, [head, *notes, tables.table(columns)], shown, structured)


def _missing_fields(shown: Rows, selection: Selection) -> str:
    """Return which of the selected fields that no row has are perhaps misspelled."""
    present = {name for document in shown.documents for name in document}
    return query_doubts.unknown_fields(name for name in selection.included if name.partition(".")[0] not in present)


def _found_rows(call: Call, runs: Sequence[Run], selection: Selection) -> Rows:
    if selection:
        return Rows.of(call, runs, (selection.apply(results.document_of(run)) for run in runs))
    return Rows.of(call, runs, map(row_of, runs))


def with_names(run: Run, names: NamesById) -> Run:
    """Return `run` with the names of its interaction and environment, where it has ids alone."""
    references = {}
    for field, known in names.items():
        value = run.raw.get(field)
        if isinstance(value, str) and value in known:
            references[field] = {"id": value, "name": known[value]}
    return Run({**run.raw, **references}) if references else run


def row_of(run: Run) -> dict[str, Any]:
    """Return the fields of a run that a row of a list holds."""
    document = results.document_of(run, without=NOT_IN_LISTS)
    for name in REFERENCES:
        if isinstance(reference := document.get(name), dict) and not IN_REFERENCES.issuperset(reference):
            document[name] = {field: value for field, value in reference.items() if field in IN_REFERENCES}
    return document


def _continued(call: Call, query: Mapping[str, Any] | None, left: int) -> dict[str, Any]:
    if query is None:
        return {"advice": f"At least {left:,} more: narrow the query, e.g. by created_at."}
    return {"next_query": query, "next": results.same_call(call, query=query)}


def list_result(call: Call, lines: Sequence[str], rows: Rows, structured: dict[str, Any]) -> CallToolResult:
    """Return the table in `lines` with a note on fields that were cut, and the end of the list or the next call."""
    names = dict.fromkeys(map(tables.cell, rows.cut))
    note = f"Cut to fit: {', '.join(names)}. The resource runs://{{run_id}} of a run has each field whole."
    cut = {"cut": note} if rows.cut else {}
    ending = f"More: {structured['next']}" if "next" in structured else structured.get("advice", tables.END)
    text = "\n".join([*lines, *cut.values(), ending])
    return results.answer(text, {**structured, **cut, "workspace": services(call).workspace})


def nothing(call: Call, offset: int, hint: str) -> tuple[str, str]:
    """Return the sentence for a page without runs, and the advice that follows it, which is `hint` on a first page."""
    workspace = services(call).workspace
    if offset:
        head = f"No runs from offset {offset:,} on for {results.same_call(call)} ({workspace})."
        return head, f"{tables.END} There are at most {offset:,} such runs."
    return f"No runs for {results.same_call(call)} ({workspace}).", hint or tables.END


def _empty(call: Call, offset: int, hint: str) -> CallToolResult:
    head, advice = nothing(call, offset, hint)
    structured = {"runs": [], "offset": offset, "advice": advice, "workspace": services(call).workspace}
    return results.answer(f"{head} {advice}", structured)
