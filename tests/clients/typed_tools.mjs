// Calls tools of interactions with the TypeScript SDK, which checks their output schemas. Prints the answers as JSON.
//   node typed_tools.mjs v1|v2 legacy|auto URL CALLS
const [version, mode, url, calls] = process.argv.slice(2);
const sdk = version === "v1"
  ? { ...(await import("@modelcontextprotocol/sdk/client/index.js")), ...(await import("@modelcontextprotocol/sdk/client/streamableHttp.js")) }
  : await import("@modelcontextprotocol/client");

const client = new sdk.Client({ name: "test", version: "1" }, version === "v2" ? { versionNegotiation: { mode } } : {});
await client.connect(new sdk.StreamableHTTPClientTransport(new URL(url)));
const tools = (await client.listTools()).tools;  // from here on the SDK knows the output schemas
const answers = {};
for (const [name, args] of Object.entries(JSON.parse(calls))) answers[name] = await client.callTool({ name, arguments: args });
await client.close();
console.log(JSON.stringify({ tools: tools.map((tool) => tool.name), answers }));
