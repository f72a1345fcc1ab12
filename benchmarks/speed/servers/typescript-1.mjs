// The same two tools with version 1 of the TypeScript SDK.
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { z } from "zod";

const api = process.env.API_URL;
const run = z.object({ id: z.string(), status: z.string() }).passthrough();
const server = new McpServer({ name: "typescript-1", version: "1" });
const answer = (structuredContent) =>
  ({ content: [{ type: "text", text: JSON.stringify(structuredContent) }], structuredContent });
server.registerTool("list_runs", { description: "List runs", inputSchema: { limit: z.number().default(10) }, outputSchema: { runs: z.array(run) } },
  async ({ limit }) => answer({ runs: await (await fetch(`${api}/runs?limit=${limit}`)).json() }));
server.registerTool("get_run", { description: "Read a run", inputSchema: { run_id: z.string() }, outputSchema: { run } },
  async ({ run_id }) => answer({ run: await (await fetch(`${api}/runs/${run_id}`)).json() }));
await server.connect(new StdioServerTransport());
