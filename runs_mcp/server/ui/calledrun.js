/** The run of a call that has not been answered yet: hosts pass neither its progress nor its id on to pages. */

import { dateOf, idOf, statusOf } from "./fields.js";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 4_000;
const PAUSE_GROWTH = 1.3;
const GIVE_UP_MS = 5 * 60_000;
/** The clocks of the browser and of the API may differ by this much. */
const SKEW_MS = 30_000;
const NEWEST = 10;

/** The id of the run that a call of `create_run` or `stream_run` with `args` executes, once it executes; an empty text
 * if `signal` is aborted, or if the arguments do not tell. A run is only read, never started. */
export async function findCalledRun(host, args, signal) {
  const find = args.run_id ? startedRun : args.interaction && !args.inputs && !args.models ? newRun : null;
  if (!find || args.dry_run) return "";
  const began = Date.now();
  let pause = FIRST_PAUSE_MS;
  while (!signal.aborted && Date.now() < began + GIVE_UP_MS) {
    const found = await find(host, args, began);
    if (found || signal.aborted) return found;
    await new Promise((resolve) => setTimeout(resolve, pause));
    pause = Math.min(pause * PAUSE_GROWTH, LONGEST_PAUSE_MS);
  }
  return "";
}

/** The run of `stream_run`, unless it is not started yet. */
async function startedRun(host, { run_id: runId }) {
  const run = await host.callTool("get_run", { run_id: runId, include: [] });
  return statusOf(run) === "created" ? "" : runId;
}

/** A run that began to execute after the call, on the same data. */
async function newRun(host, { interaction, environment, model, data = {} }, began) {
  const start = new Date(began - SKEW_MS).toISOString();
  const [name] = interaction.split("@");
  const filters = { ...(environment && { environment }), ...(model && { model }) };
  const search = { interaction: name, status: "processing", start, limit: NEWEST, ...filters };
  const { runs = [] } = await host.callTool("search_runs", search);
  for (const run of runs.filter((one) => dateOf(one))) {
    const { parameters } = await host.callTool("get_run", { run_id: idOf(run), include: ["parameters"] });
    if (isSame(parameters ?? {}, data)) return idOf(run);
  }
  return "";
}

/** Whether two JSON values are equal, in whatever order their fields are. */
function isSame(one, other) {
  if (typeof one !== "object" || typeof other !== "object" || !one || !other) return one === other;
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => isSame(one[name], other[name]));
}
