// The same tools with version 2 of the TypeScript SDK, over stdio or over HTTP at a port.
import { createServer } from "node:http";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { z } from "zod";
import { asked, chunks } from "./upstream.mjs";

const run = z.object({ id: z.string(), status: z.string() }).passthrough();
const answer = (structuredContent) =>
  ({ content: [{ type: "text", text: JSON.stringify(structuredContent) }], structuredContent });

function build() {
  const server = new McpServer({ name: "typescript-2", version: "1" });
  server.registerTool("list_runs", { description: "List runs", inputSchema: z.object({ limit: z.number().default(10) }), outputSchema: z.object({ runs: z.array(run) }) },
    async ({ limit }) => answer({ runs: await asked(`/runs?limit=${limit}`) }));
  server.registerTool("get_run", { description: "Read a run", inputSchema: z.object({ run_id: z.string() }), outputSchema: z.object({ run }) },
    async ({ run_id }) => answer({ run: await asked(`/runs/${run_id}`) }));
  server.registerTool("stream_run", { description: "Follow a run", inputSchema: z.object({ run_id: z.string() }), outputSchema: z.object({ run }) },
    async ({ run_id }, { mcpReq }) => {
      let progress = 0;
      for await (const message of chunks(run_id)) {
        const params = { progressToken: mcpReq._meta.progressToken, progress: ++progress, message };
        await mcpReq.notify({ method: "notifications/progress", params });
      }
      return answer({ run: await asked(`/runs/${run_id}`) });
    });
  return server;
}

const port = process.argv[2];
if (port) {
  createServer(toNodeHandler(createMcpHandler(build))).listen(Number(port), "127.0.0.1");
} else {
  serveStdio(build);
}
