"""The MCP Apps extension: pages that a host shows beside an answer, at `ui://` addresses."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from importlib.resources.abc import Traversable

from mcp.server.apps import APP_MIME_TYPE, Apps, ResourceCsp
from mcp.server.mcpserver.resources import FunctionResource

from runs_mcp.server.ui import inline_page

DASHBOARD = "ui://runs-mcp/dashboard.html"
RUN_VIEWER = "ui://runs-mcp/run.html"


@dataclass(frozen=True, slots=True)
class Page:
    """A page, and its description for hosts."""

    uri: str
    title: str
    description: str

    @property
    def file(self) -> str:
        """Name of its source."""
        return self.uri.rsplit("/", 1)[-1]


PAGES: Sequence[Page] = (
    Page(DASHBOARD, "Dashboard of runs", "Runs over time, their latency and token use, and counts to filter by"),
    Page(RUN_VIEWER, "Run viewer", "A run's prompt, parameters, result and error; follows a run that has not ended"),
)


def extension() -> Apps:
    """Return the extension with its pages. Tools name the page that shows their result in their `_meta`."""
    apps = Apps()
    nothing_from_elsewhere = ResourceCsp(connect_domains=[], resource_domains=[], frame_domains=[], base_uri_domains=[])
    ui = {"csp": nothing_from_elsewhere.model_dump(by_alias=True, exclude_none=True), "prefersBorder": True}
    for page in PAGES:
        resource = FunctionResource.from_function(
            partial(document, page.file),
            uri=page.uri,
            name=page.file,
            title=page.title,
            description=page.description,
            mime_type=APP_MIME_TYPE,
            meta={"ui": ui},
        )
        apps.add_resource(resource)
    return apps


def document(file: str) -> str:
    """Return the page with the name `file` as one document."""
    return inline_page.document(sources(), file)


def sources() -> Traversable:
    """Return the folder that holds the sources of the pages."""
    return files("runs_mcp.server") / "ui"
