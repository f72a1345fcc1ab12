// Call every operation on runs, interactions and environments through the platform's own client, unmodified.
// Print the answers as one JSON object.
//   node platform.mjs old|new URL KEY
const [era, url, apikey] = process.argv.slice(2);
const today = era === "new";
const { ComposableClient, VertesiaClient } = await import(today ? "@vertesia/client" : "@becomposable/client");
const client = today
  ? new VertesiaClient({ serverUrl: url, storeUrl: url, tokenServerUrl: url, apikey })
  : new ComposableClient({ serverUrl: url, storeUrl: url, apikey });
const SUMMARY = "66a1f0c2e4b0a1b2c3d40001";
const OPENAI = "66b2f0c2e4b0a1b2c3d4e001";
const got = {};
const refusal = (call) => call.then(() => null, (error) => ({ status: error.status, message: error.original_message ?? error.message }));

got.roots = await client.runs.list({ limit: 100, filters: today ? { is_root: true } : { parent: false } });
got.filtered = await client.runs.list({ limit: 5, offset: 0, filters: today ? { status: ["completed", "failed"], model: ["gpt-4o"] } : { status: "completed", model: "gpt-4o" } });

const text = "I love the fast delivery.";
got.created = await client.runs.create({ interaction: "ClassifySentiment", data: { text }, stream: false, tags: ["by-client"] });
got.retrieved = await client.runs.retrieve(got.created.id);

// As the client streams: create with stream, then an EventSource with ?access_token.
const chunks = [];
const streamed = await client.interactions.execute("SlowWriter", { data: { chunks: 20, delay_ms: 1 } }, (chunk) => chunks.push(chunk));
got.written = chunks.join("");
got.streamed = await client.runs.retrieve(streamed.id);
got.executed = await client.interactions.executeByName("SummarizeText@2", { data: { text: "One." } });

const facets = today
  ? [["environments", "environment"], ["interactions", "interaction"], ["models", "modelId"], ["statuses", "status"], ["finish_reason", "finish_reason"]]
  : [["environments", "environment"], ["interactions", "interaction"], ["models", "modelId"], ["tags", "tags"], ["status", "status"]];
got.facets = await client.runs.computeFacets({ facets: facets.map(([name, field]) => ({ name, field })), query: { status: "failed" } });
got.searched = await client.runs.search({ limit: 10, offset: 0, query: { query: "fast delivery", tags: ["by-client"], status: "completed" } });
got.found = await client.runs.find({ query: { tags: "by-client", status: "completed" }, limit: 10, select: "id status" });
got.options = await client.runs.filterOptions("environment", { status: "failed" });
got.refused = await refusal(client.runs.create({ interaction: "ClassifySentiment", data: {} }));

got.interactions = await client.interactions.list({ query: { status: today ? ["published"] : "published", tags: ["text", "production"] } });
got.names = await client.interactions.listNames();
got.exported = await client.interactions.export({ name: "SummarizeText", versions: ["draft", 2] });
got.interaction = await client.interactions.retrieve(SUMMARY);
got.versions = await client.interactions.listVersions(SUMMARY);
got.forks = await client.interactions.listForks(SUMMARY);
got.environments = await client.environments.list();
got.environment = await client.environments.retrieve(OPENAI);
got.models = await client.environments.listModels(OPENAI, { text: "mini" });

if (today) {
  got.tags = await client.interactions.listTags();
  got.populated = await client.runs.retrievePopulated(got.created.id);
  got.sorted = await client.runs.search({ limit: 3, query: {}, sort: [{ field: "execution_time", order: "desc" }], select: "execution_time" });
  got.upperCase = await refusal(client.runs.search({ limit: 3, query: { status: "FAILED" } }));
  got.endpoints = await client.interactions.listEndpoints({ includes: ["ClassifySentiment"], include_params_schema: true, include_result_schema: true });
  got.versionsByName = await client.interactions.listVersionsByName("SummarizeText");
  got.resolved = await client.interactions.resolve("SummarizeText@2", { environment: OPENAI });
  const run = { id: got.created.id, account: "a", project: "p" };
  const going = { run, environment: OPENAI, options: {}, tools: [] };
  got.cloned = await client.runs.clone({ source_run_id: run.id, workflow: { run_id: "wf-run-clone", workflow_id: "wf-clone" } });
  got.clone = await client.runs.retrieve(got.cloned.id);
  got.toolResults = await client.runs.sendToolResults({ ...going, results: [{ tool_use_id: "t1", content: "12 degrees", is_error: false }] });
  got.userMessage = await client.runs.sendUserMessage({ ...going, conversation: got.toolResults.conversation, message: "Thank you" });
  got.slot = await client.interactions.requestSlot({ interaction: "ClassifySentiment", environment_id: OPENAI });
  got.asynchronous = await client.interactions.executeAsync({ type: "interaction", interaction: "ClassifySentiment", data: { text } });
  got.interactionFacets = await client.interactions.computeFacets({ facets: [{ name: "statuses", field: "status" }] });
  got.trainable = await client.environments.listTrainableModels(OPENAI);
  const catalog = client.interactions.catalog;
  got.catalog = await catalog.list();
  got.stored = await catalog.listStoredInteractions();
  got.system = await catalog.listSysInteractions();
  got.ofApp = await catalog.listAppInteractions("crm");
  got.ofApps = await catalog.listAllAppInteractions();
  got.fromCatalog = await catalog.resolve("app:crm:ScoreLead");
}
process.stdout.write(JSON.stringify(got), () => process.exit(0));
