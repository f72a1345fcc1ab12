/** The run viewer as a page of its own, for the answers of `get_run`, `create_run` and `stream_run`. */

import { Host, textOf } from "./bridge.js";
import { findCalledRun } from "./calledrun.js";
import { byId, element } from "./elements.js";
import { runList } from "./runlist.js";
import { RunView } from "./runview.js";

let view = null;
let answered = new AbortController();
const host = new Host({
  "ui/notifications/tool-input": (params) => expect(params.arguments ?? {}),
  "ui/notifications/tool-result": receive,
  "ui/notifications/tool-cancelled": () => {
    answered.abort();
    complain("The call was cancelled.");
  },
  "ui/resource-teardown": () => {
    answered.abort();
    view?.close();
  },
});
await host.connect();

/** Show the run while the call that executes it is not answered. */
async function expect(args) {
  answered.abort();
  answered = new AbortController();
  const { signal } = answered;
  if (!host.answersTools) return;
  // Without the run there is only less to see until the answer comes.
  const runId = await findCalledRun(host, args, signal).catch(() => "");
  if (!runId || signal.aborted) return;
  byId("waiting").hidden = true;
  view = new RunView(host, byId("viewer"));
  view.open(runId, { started: true });
}

function receive(result) {
  answered.abort();
  view?.close();
  const answer = result.structuredContent;
  if (result.isError || !answer) return complain(textOf(result));
  byId("waiting").hidden = true;
  view = new RunView(host, byId("viewer"), answer.runs && back);
  if (answer.runs) showSeveral(answer.runs);
  else view.show(answer);
}

/** The runs of a batch, and words on those inputs of which no run came. */
function showSeveral(runs) {
  const rows = runs.map((run) => ({ interaction: run.for, error: run.failure, ...run }));
  const list = runList(rows, { open: host.answersTools ? open : undefined });
  byId("several").replaceChildren(element("h1", {}, "Runs"), list);
  back();
}

function open(id) {
  byId("several").hidden = true;
  byId("viewer").hidden = false;
  byId("viewer").querySelector("button").focus();
  view.open(id);
}

function back() {
  view.close();
  byId("viewer").hidden = true;
  byId("several").hidden = false;
  byId("several")
    .querySelector(`[data-key="${CSS.escape(view.runId)}"]`)
    ?.focus();
}

function complain(text) {
  byId("waiting").hidden = true;
  byId("problem").textContent = text;
  byId("problem").hidden = false;
}
