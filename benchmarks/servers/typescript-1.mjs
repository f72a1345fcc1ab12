// The same tools with version 1 of the TypeScript SDK, over stdio or over HTTP at a port.
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { z } from "zod";
import { asked, chunks } from "./upstream.mjs";

const run = z.object({ id: z.string(), status: z.string() }).passthrough();
const answer = (structuredContent) =>
  ({ content: [{ type: "text", text: JSON.stringify(structuredContent) }], structuredContent });

function build() {
  const server = new McpServer({ name: "typescript-1", version: "1" });
  server.registerTool("list_runs", { description: "List runs", inputSchema: { limit: z.number().default(10) }, outputSchema: { runs: z.array(run) } },
    async ({ limit }) => answer({ runs: await asked(`/runs?limit=${limit}`) }));
  server.registerTool("get_run", { description: "Read a run", inputSchema: { run_id: z.string() }, outputSchema: { run } },
    async ({ run_id }) => answer({ run: await asked(`/runs/${run_id}`) }));
  server.registerTool("stream_run", { description: "Follow a run", inputSchema: { run_id: z.string() }, outputSchema: { run } },
    async ({ run_id }, { _meta, sendNotification }) => {
      let progress = 0;
      for await (const message of chunks(run_id)) {
        const params = { progressToken: _meta.progressToken, progress: ++progress, message };
        await sendNotification({ method: "notifications/progress", params });
      }
      return answer({ run: await asked(`/runs/${run_id}`) });
    });
  return server;
}

const port = process.argv[2];
if (port) {
  const sessions = new Map();
  const opened = async () => {
    const transport = new StreamableHTTPServerTransport(
      { sessionIdGenerator: randomUUID, onsessioninitialized: (id) => sessions.set(id, transport) });
    await build().connect(transport);
    return transport;
  };
  createServer(async (request, response) => {
    const transport = sessions.get(request.headers["mcp-session-id"]) ?? await opened();
    await transport.handleRequest(request, response);
  }).listen(Number(port), "127.0.0.1");
} else {
  await build().connect(new StdioServerTransport());
}
