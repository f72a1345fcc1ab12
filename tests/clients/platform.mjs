// Call every operation on runs, interactions and environments through the platform's own client, unmodified.
// Print the answers as one JSON object, with the names of the methods that were not called as `uncalled`.
//   node platform.mjs old|new URL KEY
const [era, url, apikey] = process.argv.slice(2);
const today = era === "new";
const { ComposableClient, InteractionBase, VertesiaClient } = await import(today ? "@vertesia/client" : "@becomposable/client");
const client = today
  ? new VertesiaClient({ serverUrl: url, storeUrl: url, tokenServerUrl: url, apikey })
  : new ComposableClient({ serverUrl: url, storeUrl: url, apikey });
const SUMMARY = "66a1f0c2e4b0a1b2c3d40001";
const OPENAI = "66b2f0c2e4b0a1b2c3d4e001";
const got = {};

// Every method of the client's classes, found by reflection, must be called.
const apis = { runs: client.runs, interactions: client.interactions, environments: client.environments };
if (today) apis.catalog = client.interactions.catalog;
const uncalled = new Set();
for (const [name, api] of Object.entries(apis)) {
  for (const method of Object.getOwnPropertyNames(Object.getPrototypeOf(api)).filter((each) => each !== "constructor")) {
    uncalled.add(`${name}.${method}`);
    api[method] = function (...sent) {
      uncalled.delete(`${name}.${method}`);
      return Object.getPrototypeOf(this)[method].apply(this, sent);
    };
  }
}
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
  const catalog = client.interactions.catalog;
  got.catalog = await catalog.list();
  got.stored = await catalog.listStoredInteractions();
  got.system = await catalog.listSysInteractions();
  got.ofApp = await catalog.listAppInteractions("crm");
  got.ofApps = await catalog.listAllAppInteractions();
  got.fromCatalog = await catalog.resolve("app:crm:ScoreLead");
}

// The changes come last, so that they do not change the answers above.
const { environments, interactions } = client;
const config = { environment: OPENAI, model: "gpt-4o" };
const model = { id: "own-1", name: "Own 1", provider: "test" };
got.environmentCreated = await environments.create({ name: "Own", provider: "test", apiKey: "secret-0123456789", enabled_models: [model] });
const own = got.environmentCreated.id;
got.environmentUpdated = await environments.update(own, { description: "Changed.", default_model: "own-1" });
got.environmentConfigured = await environments.updateConfig(own, { config: { entries: [{ model: "own-1" }] } });
got.environmentRead = await environments.retrieve(own);
got.embeddings = await environments.embeddings(OPENAI, today ? { inputs: [{ type: "text", text }] } : { content: text });
got.trainable = await environments.listTrainableModels(OPENAI);

const stamp = "2026-11-01T00:00:00.000Z";
const template = (content) => ({
  id: "66e5f0c2e4b0a1b2c3d4a001", name: "GreetPrompt", role: "user", content, content_type: "jst", status: "draft", version: 1,
  inputSchema: { type: "object", properties: { name: { type: "string" } }, required: ["name"] },
  project: "66a1f0c2e4b0a1b2c3d4bee0", created_by: "user:x", updated_by: "user:x", created_at: stamp, updated_at: stamp,
});
const prompts = (content) => [{ type: "template", template: template(content) }];
const answer = async (id) => (await interactions.execute(id, { data: { name: "Ada" } })).result;
got.interactionCreated = await interactions.create({ name: `Greet ${era} friends`, status: "draft", prompts: prompts("Hello ${name}"), environment: own, model: "own-1" });
const draft = got.interactionCreated.id;
got.interactionAnswer = await answer(draft);
got.interactionPublished = await interactions.publish(draft, { visibility: "public", tags: ["live"] });
got.interactionUpdated = await interactions.update(draft, { description: "Changed.", prompts: prompts("Bye ${name}") });
got.answers = [await answer(draft), await answer(got.interactionPublished.id)];
got.interactionForked = await interactions.fork(draft, { keepTags: true, forkPrompts: true });
got.forksOfDraft = await interactions.listForks(draft);
got.interactionFacets = await interactions.computeFacets({ facets: [{ name: "statuses", field: "status" }], query: { name: `Greet ${era}` } });
got.generatedInteraction = await interactions.generateInteraction(draft, { description: "List the verbs", config });
got.testData = await interactions.generateTestData(draft, { count: 2, config });
got.improvements = await interactions.suggestImprovements(draft, { config });
got.invalid = await refusal(interactions.create({ name: "Greet", status: "draft" }));
const base = new InteractionBase(draft, client);
got.baseUpdated = await base.update({ description: "By its base." });
got.baseRead = await base.retrieve();
got.baseExecuted = await base.execute({ data: { name: "Ada" } });

if (today) {
  got.modelEnabled = await environments.enableModel("66b2f0c2e4b0a1b2c3d4e004", { model_id: "gpt-4o" });
  got.modelDisabled = await environments.disableModel("66b2f0c2e4b0a1b2c3d4e004", "gpt-4o");
  got.migrated = await environments.migrateInteractions({ new_env_id: OPENAI, new_model_id: "gpt-4o", interaction_ids: [draft] });
  got.improvedPrompts = await interactions.suggestPromptImprovements({ config, interaction_name: "Greet", prompt: [{ name: "user", content: "Greet." }] });
  got.interactionDeleted = await interactions.delete(draft, { cascade: true });
  got.gone = await refusal(interactions.retrieve(draft));
}
got.uncalled = [...uncalled];
process.stdout.write(JSON.stringify(got), () => process.exit(0));
