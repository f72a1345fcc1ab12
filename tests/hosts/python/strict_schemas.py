"""Tools from the standard input, as the OpenAI Agents SDK converts them to strict mode; prints the schemas by tool."""

import json
import sys

from agents.mcp import MCPServerStdio, MCPUtil
from mcp.types import Tool

SERVER = MCPServerStdio(params={"command": "never-started"})
TOOLS = [
    MCPUtil.to_function_tool(Tool.model_validate(tool), SERVER, convert_schemas_to_strict=True)
    for tool in json.load(sys.stdin)
]
json.dump(
    {tool.name: {"strict": tool.strict_json_schema, "schema": tool.params_json_schema} for tool in TOOLS}, sys.stdout
)
