// LangChain's MCP adapters, which have no prompts.
import { MultiServerMCPClient } from "@langchain/mcp-adapters";
import { asText, main } from "./session.mjs";

await main(async ({ url, command, args }) => {
  const runs = url ? { transport: "http", url } : { transport: "stdio", command, args };
  const client = new MultiServerMCPClient({ mcpServers: { runs } });
  const tools = Object.fromEntries((await client.getTools()).map((tool) => [tool.name, tool]));
  return {
    defaultTimeoutS: 60,
    tools: async () => Object.keys(tools),
    call: async (name, given) => {
      try {
        const message = await tools[name].invoke({ type: "tool_call", id: "1", name, args: given });
        return { text: asText(message.content), isError: message.status === "error" };
      } catch (error) {
        return { text: String(error), isError: true };
      }
    },
    resource: async (uri) => (await client.readResource("runs", uri))[0].text,
    close: () => client.close(),
  };
});
