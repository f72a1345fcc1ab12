// The OpenAI Agents SDK, which has no prompts.
import { MCPServerStdio, MCPServerStreamableHttp } from "@openai/agents";
import { main } from "./session.mjs";

await main(async ({ url, command, args }) => {
  const server = url ? new MCPServerStreamableHttp({ url }) : new MCPServerStdio({ command, args });
  await server.connect();
  return {
    defaultTimeoutS: 60,
    tools: async () => (await server.listTools()).map((tool) => tool.name),
    call: async (name, given) => {
      const result = await server.callToolResult(name, given);
      return { text: result.content[0].text, isError: result.isError === true };
    },
    resource: async (uri) => (await server.readResource(uri)).contents[0].text,
    close: () => server.close(),
  };
});
