// Tools from the standard input, as the OpenAI Agents SDK converts them to strict mode; prints the schemas by tool.
import { readFileSync } from "node:fs";
import { MCPServerStdio, mcpToFunctionTool } from "@openai/agents";

const server = new MCPServerStdio({ command: "never-started" });
const tools = JSON.parse(readFileSync(0, "utf8")).map((tool) => mcpToFunctionTool(tool, server, true));
console.log(JSON.stringify(Object.fromEntries(tools.map((tool) => [tool.name, { strict: tool.strict, schema: tool.parameters }]))));
