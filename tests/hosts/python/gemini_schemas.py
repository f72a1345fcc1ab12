"""Tools from the standard input, as Google's libraries declare them to Gemini; prints the declarations by tool.

ADK passes JSON Schema on; older models and Vertex AI take the schemas of google-genai.
"""

import json
import sys
from typing import Any

from google.adk.models import LlmRequest
from google.adk.tools.mcp_tool import McpTool
from google.adk.tools.mcp_tool.mcp_session_manager import MCPSessionManager, StdioConnectionParams
from google.genai.types import JSONSchema, Schema
from mcp import StdioServerParameters
from mcp.types import Tool


def declared(tools: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the declarations of ADK."""
    command = StdioServerParameters(command="never-started")
    sessions = MCPSessionManager(StdioConnectionParams(server_params=command))
    request = LlmRequest()
    request.append_tools([McpTool(mcp_tool=Tool.model_validate(tool), mcp_session_manager=sessions) for tool in tools])
    [declarations] = [tool.function_declarations for tool in request.config.tools]
    return {one.name: {"description": one.description, "schema": one.parameters_json_schema} for one in declarations}


def converted(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of google-genai."""
    found = Schema.from_json_schema(json_schema=JSONSchema.model_validate(schema))
    return dict(found.model_dump(mode="json", exclude_none=True, by_alias=True))


if __name__ == "__main__":
    given = json.load(sys.stdin)
    genai = {tool["name"]: {"schema": converted(tool["inputSchema"])} for tool in given}
    json.dump({"adk": declared(given), "genai": genai}, sys.stdout)
