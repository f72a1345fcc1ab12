// Every operation of runs through the platform's own client, unmodified. Prints what it got as one JSON object.
//   node platform.mjs old|new URL KEY
const [era, url, apikey] = process.argv.slice(2);
const today = era === "new";
const { ComposableClient, VertesiaClient } = await import(today ? "@vertesia/client" : "@becomposable/client");
const client = today
  ? new VertesiaClient({ serverUrl: url, storeUrl: url, tokenServerUrl: url, apikey })
  : new ComposableClient({ serverUrl: url, storeUrl: url, apikey });
const got = {};

got.roots = await client.runs.list({ limit: 100, filters: today ? { is_root: true } : { parent: false } });
got.filtered = await client.runs.list({ limit: 5, offset: 0, filters: today ? { status: ["completed", "failed"], model: ["gpt-4o"] } : { status: "completed", model: "gpt-4o" } });

const text = "I love the fast delivery.";
got.created = await client.runs.create({ interaction: "ClassifySentiment", data: { text }, stream: false, tags: ["by-client"] });
got.retrieved = await client.runs.retrieve(got.created.id);

// As the platform's own client streams: create with stream, then an EventSource with ?access_token.
const chunks = [];
const streamed = await client.interactions.execute("SlowWriter", { data: { chunks: 20, delay_ms: 1 } }, (chunk) => chunks.push(chunk));
got.written = chunks.join("");
got.streamed = await client.runs.retrieve(streamed.id);

const facets = today
  ? [["environments", "environment"], ["interactions", "interaction"], ["models", "modelId"], ["statuses", "status"], ["finish_reason", "finish_reason"]]
  : [["environments", "environment"], ["interactions", "interaction"], ["models", "modelId"], ["tags", "tags"], ["status", "status"]];
got.facets = await client.runs.computeFacets({ facets: facets.map(([name, field]) => ({ name, field })), query: { status: "failed" } });
got.searched = await client.runs.search({ limit: 10, offset: 0, query: { query: "fast delivery", tags: ["by-client"], status: "completed" } });
got.found = await client.runs.find({ query: { tags: "by-client", status: "completed" }, limit: 10, select: "id status" });
got.options = await client.runs.filterOptions("environment", { status: "failed" });
got.refused = await client.runs.create({ interaction: "ClassifySentiment", data: {} }).then(() => null, (error) => ({ status: error.status, message: error.original_message ?? error.message }));
process.stdout.write(JSON.stringify(got), () => process.exit(0));
