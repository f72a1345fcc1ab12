"""A version of an interaction, and the prompts that make its input."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from runs_mcp.sandbox.access import PROJECT
from runs_mcp.sandbox.catalog.schema_examples import example_of

JsonObject = dict[str, Any]
Work = Callable[[Mapping[str, Any]], str | JsonObject]
Kind = Literal["stored", "sys", "app"]
Status = Literal["draft", "published", "archived"]
CREATED = "2026-01-15T09:00:00.000Z"
OWNER = "user:66a1f0c2e4b0a1b2c3d4c0de"
PLACEHOLDER = re.compile(r"\$?\{+ *(\w+) *\}+")
MERGED_KEYS = ("properties", "$defs")


@dataclass(frozen=True, kw_only=True)
class Interaction:
    """A version of an interaction: its prompts, its result, and the function that replaces the model."""

    id: str
    name: str
    """The name in selectors, which the platform calls endpoint."""
    title: str = ""
    """The name for display; empty if it is `name`."""
    description: str = ""
    prompts: Sequence[JsonObject] = ()
    """The segments of the prompt, in the format of `GET /interactions/{id}`."""
    work: Work | None = None
    """The function that replaces the model; None if the prompts and the schema of the result make the answer."""
    result_schema: JsonObject | None = None
    trusted: bool = True
    """True if the schemas belong to the sandbox. Schemas of callers are checked in a process of their own."""
    version: int = 3
    edit_revision: int = 1
    status: Status = "published"
    visibility: str = ""
    parent: str | None = None
    """The id of the draft that this version was published from, or of the interaction that it is a fork of."""
    environment: str | None = None
    model: str | None = None
    tags: Sequence[str] = ()
    kind: Kind = "stored"
    example: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Fields that the sandbox keeps and returns, and that change nothing in it."""
    author: str = OWNER
    created_at: str = CREATED
    updated_at: str = CREATED

    @property
    def templates(self) -> list[JsonObject]:
        """The prompt templates of the segments that have one."""
        return [segment["template"] for segment in self.prompts if segment.get("template")]

    @property
    def input_schema(self) -> JsonObject:
        """The JSON schema of the run's `data`: the schemas of all templates together."""
        schemas = [template["inputSchema"] for template in self.templates if template.get("inputSchema")]
        if len(schemas) == 1:
            return dict(schemas[0])
        merged: JsonObject = {"type": "object", "properties": {}}
        for schema in schemas:
            merged |= {name: {**merged.get(name, {}), **schema[name]} for name in MERGED_KEYS if name in schema}
        required = {name for schema in schemas for name in schema.get("required", [])}
        return {**merged, "required": sorted(required)}

    def prompt(self, data: Mapping[str, Any]) -> list[JsonObject]:
        """Return the messages that a model would receive."""
        if self.work is None:
            return [{"role": each["role"], "content": filled(each["content"], data)} for each in self.templates]
        return [
            {"role": "system", "content": self.description},
            {"role": "user", "content": json.dumps(dict(data), ensure_ascii=False)},
        ]

    def answer(self, data: Mapping[str, Any], schema: JsonObject | None) -> str | JsonObject:
        """Return the result for `data`; without `work`, an example of an object `schema`, else the filled prompts."""
        if self.work is not None:
            return self.work(data)
        example = example_of(schema) if schema else None
        if isinstance(example, dict):
            return example
        return "\n".join(message["content"] for message in self.prompt(data))


def filled(content: str, data: Mapping[str, Any]) -> str:
    """Return `content` with the values of `data` in the places `{{name}}` and `${name}`."""
    return PLACEHOLDER.sub(lambda found: str(data.get(found[1], found[0])), content)


def temporary(selector: str, prompts: Sequence[Mapping[str, Any]]) -> Interaction:
    """Return the interaction of a `tmp:` selector, which a request defines by its prompts."""
    segments = [segment(selector, {**prompt, "inputSchema": prompt.get("schema")}) for prompt in prompts]
    return Interaction(id=selector, name=selector, prompts=segments, trusted=False, version=1)


def segment(owner: str, template: Mapping[str, Any]) -> JsonObject:
    """Return a prompt segment with this template, whose missing fields are made up for the interaction `owner`."""
    identity = object_id(owner)
    made_up = {
        "id": identity,
        "name": f"{owner}Prompt",
        "role": "user",
        "content": "",
        "content_type": "text",
        "version": 1,
        "status": "draft",
        "edit_revision": 1,
        "project": PROJECT["id"],
        "created_by": OWNER,
        "updated_by": OWNER,
        "created_at": CREATED,
        "updated_at": CREATED,
    }
    return {"id": f"{identity}-segment", "type": "template", "template": {**made_up, **template}}


def object_id(text: str) -> str:
    """Return an id of 24 hexadecimal digits that is always the same for `text`."""
    return hashlib.sha256(text.encode()).hexdigest()[:24]
