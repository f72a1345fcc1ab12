"""Answers of `list_interactions`: a page of interactions, or everything about one."""

from collections.abc import Mapping, Sequence
from typing import Any

from mcp_types import CallToolResult
from pydantic_core import to_json

from runs_mcp.api import Interaction, Resolution, Run
from runs_mcp.server.context import Call, services
from runs_mcp.server.interactions.known_interactions import Source
from runs_mcp.server.permissions.offered_tools import offered_tools
from runs_mcp.server.render import results, tables

MOST_FIELDS = 12
MOST_CHOICES = 8
NOTES: Mapping[Source, str] = {
    "names": "The credential may read only the names of interactions: descriptions, tags and schemas are unknown.",
    "runs": "The credential may not read the catalogue of interactions, so these are the names that runs have used; "
    "there may be more, and descriptions, tags and schemas are unknown.",
}
"""The notes on listings that do not come from the catalogue."""
INTERACTIONS = {
    "type": "object",
    "properties": {
        "interactions": {"type": "array", "items": {"type": "object"}},
        "next_offset": {"type": "integer"},
    },
    "required": ["interactions"],
}


def page(
    call: Call, interactions: Sequence[Interaction], *, limit: int, offset: int, source: Source, hint: str = ""
) -> CallToolResult:
    """Return one line for each of `limit` interactions from `offset` on; `hint` says how to find some if none match."""
    shown = interactions[offset : offset + limit]
    next_offset = offset + len(shown)
    is_last = next_offset >= len(interactions)
    follow_up = {} if is_last else {"next_offset": next_offset, "next": results.same_call(call, offset=next_offset)}
    note = _note(source)
    structured = {
        "interactions": [_line(interaction) for interaction in shown],
        "total": len(interactions),
        "offset": offset,
        **follow_up,
        **note,
        "workspace": services(call).workspace,
    }
    if not shown:
        place = f" from offset {offset:,} on" if interactions else ""
        advice = f"There are {len(interactions):,}." if interactions else hint
        text = f"No interactions{place} for {results.same_call(call)} ({services(call).workspace}). {advice}".rstrip()
        return results.answer(
            "\n".join([text, *note.values()]), {**structured, **({"advice": advice} if advice else {})}
        )
    total = tables.counted(len(interactions), "interaction")
    head = f"{total}, {offset + 1} to {offset + len(shown)} ({services(call).workspace})"
    more = f"More: {follow_up['next']}" if follow_up else "End of list."
    return results.answer("\n".join([head, _table(shown), *note.values(), more]), structured)


def details(
    call: Call,
    asked: str,
    interaction: Interaction,
    resolved: Resolution | None,
    example: Run | None,
    *,
    source: Source,
) -> CallToolResult:
    """Return the schemas of an interaction, what it runs on by default, and the input of an earlier run.

    `asked` is the name that the caller gave, perhaps with a version, which `interaction` need not have.
    """
    note = {**_other_version(asked, interaction, resolved), **_note(source)}
    documents = {
        "input_schema": interaction.input_schema,
        "result_schema": interaction.result_schema,
        "example": example.raw.get("parameters") if example else None,
    }
    share = services(call).config.server.max_result_chars // len(documents)
    texts = {name: to_json(value).decode() for name, value in documents.items() if value}
    cut = {name: text for name, text in texts.items() if len(text) > share}
    whole = {name: documents[name] for name in texts if name not in cut}
    defaults = _defaults(resolved)
    structured = {
        "interactions": [{**_line(interaction), **defaults, **whole}],
        **({"cut": sorted(cut)} if cut else {}),
        **({"example_run": example.id} if example else {}),
        **note,
        "workspace": services(call).workspace,
    }
    lines = [f"Interaction {tables.cell(interaction.endpoint)} ({services(call).workspace})"]
    lines += [f"{name}: {tables.cell(value)}" for name, value in {**_line(interaction), **defaults}.items() if value]
    lines += [*note.values(), results.UNTRUSTED]
    lines += [results.fenced(_title(name, example), _within(text, share)) for name, text in texts.items()]
    if "create_run" in offered_tools(call.request_context):
        lines.append(f'Run it: create_run(interaction="{tables.cell(interaction.endpoint)}", data={{…}})')
    return results.answer("\n".join(lines), structured)


def _other_version(asked: str, listed: Interaction, resolved: Resolution | None) -> dict[str, str]:
    """Return a note if the caller asked for another version than the `listed` one."""
    name, _, version = asked.rpartition("@")
    if not name or asked in (listed.endpoint, listed.id, listed.name) or version == str(listed.version):
        return {}
    if resolved and (resolved.version, resolved.status) == (listed.version, listed.status):
        return {}
    shown = f"version {listed.version}" if listed.version is not None else tables.cell(listed.endpoint)
    return {"note": f"Description and schemas are those of {shown}; those of {tables.cell(asked)} are unknown."}


def input_summary(schema: Mapping[str, Any] | None) -> str:
    """Return the fields of an input in one line, e.g. `text, to: de|fr, sentences?`; `?` marks an optional field."""
    properties = (schema or {}).get("properties")
    required = (schema or {}).get("required")
    if not isinstance(properties, Mapping):
        return ""
    needed = required if isinstance(required, list) else []
    names = sorted(properties, key=lambda name: name not in needed)  # stable: the order of the schema otherwise
    fields = [_field(name, properties[name], needed=name in needed) for name in names[:MOST_FIELDS]]
    return ", ".join([*fields, *(["…"] if len(names) > MOST_FIELDS else [])])


def _field(name: str, schema: Any, *, needed: bool) -> str:
    choices = schema.get("enum") if isinstance(schema, Mapping) else None
    kinds = schema.get("type") if isinstance(schema, Mapping) else None
    values = "|".join(map(str, choices[:MOST_CHOICES])) if isinstance(choices, list) else kinds
    shown = f": {values}" if isinstance(values, str) and values not in ("", "string") else ""
    return f"{name}{'' if needed else '?'}{shown}"


def _line(interaction: Interaction) -> dict[str, Any]:
    known = {
        "interaction": interaction.endpoint,
        "description": interaction.description,
        "version": interaction.version,
        "status": interaction.status,
        "tags": list(interaction.tags),
        "input": input_summary(interaction.input_schema),
    }
    return {name: value for name, value in known.items() if value}


def _table(interactions: Sequence[Interaction]) -> str:
    lines = [_line(interaction) for interaction in interactions]
    columns = {
        "interaction": [interaction.endpoint for interaction in interactions],
        "version": [str(line.get("version", "")) for line in lines],
        "status": [line.get("status", "") for line in lines],
        "tags": [", ".join(interaction.tags) for interaction in interactions],
        "input": [line.get("input", "") for line in lines],
        "description": [line.get("description", "") for line in lines],
    }
    return tables.table(columns, keep="interaction")


def _defaults(resolved: Resolution | None) -> dict[str, str]:
    if resolved is None:
        return {}
    environment = resolved.environment
    named = f"{environment.name} ({environment.id})" if environment and environment.name else None
    known = {"default_environment": named or (environment and environment.id), "default_model": resolved.model}
    return {name: value for name, value in known.items() if value}


def _title(name: str, example: Run | None) -> str:
    return f"parameters of run {example.id}" if name == "example" and example else name.replace("_", " ")


def _within(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}… (cut: {longest:,} of {len(text):,} characters)"


def _note(source: Source) -> dict[str, str]:
    return {"note": NOTES[source]} if source in NOTES else {}
