// A session with the server, as a host written with the TypeScript SDK has it. Prints what it saw as one JSON object.
//   node session.mjs v1|v2 legacy|auto COMMAND ARGUMENTS…
const [version, mode, command, ...args] = process.argv.slice(2);
const sdk = version === "v1"
  ? { ...(await import("@modelcontextprotocol/sdk/client/index.js")), ...(await import("@modelcontextprotocol/sdk/client/stdio.js")) }
  : { ...(await import("@modelcontextprotocol/client")), ...(await import("@modelcontextprotocol/client/stdio")) };

const types = version === "v1" ? await import("@modelcontextprotocol/sdk/types.js") : null;
const options = { capabilities: { elicitation: {} }, ...(version === "v2" ? { versionNegotiation: { mode } } : {}) };
const client = new sdk.Client({ name: "test", version: "1" }, options);
const asked = [];
client.setRequestHandler(types ? types.ElicitRequestSchema : "elicitation/create", (request) => {
  asked.push(request.params.message);
  const [[key, choice]] = Object.entries(request.params.requestedSchema.properties);
  return { action: "accept", content: { [key]: choice.enum[0] } };
});
const updated = new Promise((resolve) =>
  client.setNotificationHandler(types ? types.ResourceUpdatedNotificationSchema : "notifications/resources/updated", (one) =>
    resolve(one.params.uri)));
await client.connect(new sdk.StdioClientTransport({ command, args, stderr: "ignore" }));
const call = (name, args, options) =>
  version === "v1" ? client.callTool({ name, arguments: args }, undefined, options) : client.callTool({ name, arguments: args }, options);

const seen = {};
seen.tools = (await client.listTools()).tools.length;
seen.listed = (await call("list_runs", { limit: 3 })).structuredContent.runs.length;

const progress = [];
const slow = { interaction: "SlowWriter", data: { chunks: 20, delay_ms: 5 } };
const run = await call("create_run", slow, { onprogress: (one) => progress.push(one) });
seen.result = run.structuredContent.result;
seen.written = progress.map((one) => one.message ?? "").join("");
seen.increasing = progress.every((one, index) => index === 0 || one.progress > progress[index - 1].progress);

const abort = new AbortController();
let afterAbort = 0;
const slower = { interaction: "SlowWriter", data: { chunks: 60, delay_ms: 20 }, tags: ["aborted"] };
const onprogress = () => (abort.signal.aborted ? afterAbort++ : abort.abort());
seen.aborted = await call("create_run", slower, { onprogress, signal: abort.signal }).then(() => false, () => true);
const [left] = (await call("list_runs", { tag: "aborted" })).structuredContent.runs;
seen.statusAfterAbort = (await call("stream_run", { run_id: left.id })).structuredContent.status;
seen.progressAfterAbort = afterAbort;

const staging = await call("list_runs", { environment: "Staging", limit: 5 });
seen.asked = asked;
seen.chosen = new Set(staging.structuredContent.runs.map((one) => one.environment.id)).size;

const batch = await call("create_run", { interaction: "ExtractContacts", inputs: [{ text: "a@example.com" }, {}] });
seen.batch = batch.structuredContent.runs.map((one) => one.status ?? one.failure);

const watched = await call("create_run", { interaction: "SlowWriter", data: { chunks: 20, delay_ms: 50 }, wait: false });
const uri = `runs://${watched.structuredContent.id}`;
if (client.getServerCapabilities().resources.subscribe && mode === "legacy") await client.subscribeResource({ uri });
else await client.listen({ resourceSubscriptions: [uri] });
seen.updated = (await updated) === uri;

seen.refused = (await call("get_run", { run_id: "../x" })).content[0].text;
seen.resource = JSON.parse((await client.readResource({ uri: `runs://${run.structuredContent.id}/result` })).contents[0].text);
seen.prompts = (await client.listPrompts()).prompts.length;
await client.close();
console.log(JSON.stringify(seen));
