// The MCP client of the AI SDK, which has no timeout for tool calls.
import { createMCPClient } from "@ai-sdk/mcp";
import { Experimental_StdioMCPTransport as StdioTransport } from "@ai-sdk/mcp/mcp-stdio";
import { asText, main } from "./session.mjs";

await main(async ({ url, command, args }) => {
  const client = await createMCPClient({
    transport: url ? { type: "http", url } : new StdioTransport({ command, args }),
  });
  const tools = await client.tools();
  return {
    defaultTimeoutS: null,
    tools: async () => Object.keys(tools),
    call: async (name, given) => {
      const result = await tools[name].execute(given, { toolCallId: "1", messages: [] });
      return { text: asText(result), isError: result.isError === true };
    },
    resource: async (uri) => (await client.readResource({ uri })).contents[0].text,
    prompt: async (name, given) => (await client.getPrompt({ name, arguments: given })).messages[0].content.text,
    close: () => client.close(),
  };
});
