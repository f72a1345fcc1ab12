/** The run viewer as a page of its own, for the answers of `get_run`, `create_run` and `stream_run`. */

import { Host, textOf } from "./bridge.js";
import { byId, element } from "./elements.js";
import { runList } from "./runlist.js";
import { RunView } from "./runview.js";

const host = new Host({
  "ui/notifications/tool-result": receive,
  "ui/notifications/tool-cancelled": () => complain("The call was cancelled."),
  "ui/resource-teardown": () => view?.close(),
});
let view = null;
await host.connect();

function receive(result) {
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
  byId("several").replaceChildren(element("h1", {}, "Runs"), runList(rows, host.answersTools && open));
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
