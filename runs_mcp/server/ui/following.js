/** Following a run that is still going: by looking again and again, since hosts pass no progress to pages. */

import { isFinal, statusOf } from "./fields.js";

const FASTEST_MS = 400;
const SLOWEST_MS = 5_000;
const SLOWING = 1.5;
const LONGEST_MS = 30 * 60_000;

/** Yield the text of a run, until `signal` is aborted, the run has ended, or half an hour has passed.
 * Return true if the run has changed: it has ended, or another program has started it. A run that is not `started` is
 * only read, because following it would start it. */
export async function* follow(host, runId, { started, signal }) {
  const until = Date.now() + LONGEST_MS;
  let [offset, pause] = [0, FASTEST_MS];
  while (!signal.aborted && Date.now() < until) {
    const answer = started ? await textOfRun(host, runId, offset) : await stateOfRun(host, runId);
    if (signal.aborted) break;
    if (isFinal(answer) || (!started && statusOf(answer) !== "created")) return true;
    if (answer.text) yield answer.text;
    offset = answer.next_offset ?? offset;
    pause = answer.text ? FASTEST_MS : Math.min(pause * SLOWING, SLOWEST_MS);
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
  return false;
}

function textOfRun(host, runId, offset) {
  return host.callTool("stream_run", { run_id: runId, offset, wait: false });
}

function stateOfRun(host, runId) {
  return host.callTool("get_run", { run_id: runId, include: [] });
}
