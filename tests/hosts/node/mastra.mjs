// Mastra's MCP client.
import { MCPClient } from "@mastra/mcp";
import { asText, main } from "./session.mjs";

await main(async ({ url, command, args }) => {
  const client = new MCPClient({ servers: { runs: url ? { url: new URL(url) } : { command, args } } });
  const { runs } = await client.listToolsets();
  return {
    defaultTimeoutS: 60,
    tools: async () => Object.keys(runs),
    call: async (name, given) => {
      try {
        const result = await runs[name].execute(given, {});
        return { text: asText(result), isError: result.isError === true };
      } catch (error) {
        return { text: String(error), isError: true };
      }
    },
    resource: async (uri) => (await client.resources.read("runs", uri)).contents[0].text,
    prompt: async (name, given) =>
      (await client.prompts.get({ serverName: "runs", name, args: given })).messages[0].content.text,
    close: () => client.disconnect(),
  };
});
