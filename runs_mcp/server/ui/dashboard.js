/** The dashboard: what its question comes to, read anew whenever the filters or the period change. */

import { Host, textOf } from "./bridge.js";
import { byId, element, redraw } from "./elements.js";
import { facetCards } from "./facets.js";
import { filterChips } from "./filters.js";
import { count, counted } from "./formats.js";
import { charts, figures, facetsFor, part, SPLITS } from "./overview.js";
import { bounds, choices, isChosen, questionOf, toggle } from "./question.js";
import { PORTION, Reading } from "./reading.js";
import { runList } from "./runlist.js";
import { RunView } from "./runview.js";

const SHOWN_RUNS = 25;

let question = questionOf({});
let reading = null;
let split = "status";
let shownRuns = SHOWN_RUNS;
let listFirst = false;
let busy = false;

const host = new Host({
  "ui/notifications/tool-input": (params) => ask(questionOf(params.arguments ?? {})),
  "ui/notifications/tool-result": receive,
  "ui/notifications/tool-cancelled": () => complain("The call was cancelled."),
  "ui/resource-teardown": () => {
    reading = null;
    view.close();
  },
});
const view = new RunView(host, byId("viewer"), closeRun);

byId("period").addEventListener("change", ({ target }) => {
  question.period = target.value;
  read();
});
byId("refresh").addEventListener("click", read);
byId("fullscreen").addEventListener("click", () =>
  host.request("ui/request-display-mode", { mode: "fullscreen" }).catch((error) => complain(error.message)),
);
ask(question);
await host.connect();
byId("fullscreen").hidden = !host.context.availableDisplayModes?.includes("fullscreen");

function ask(asked) {
  question = asked;
  const options = choices(question).map(([value, name]) => element("option", { value }, name));
  byId("period").replaceChildren(...options);
  byId("period").value = question.period;
}

/** Show the answer as it is, then read what it does not hold. */
function receive(result) {
  if (result.isError || !result.structuredContent) return complain(textOf(result));
  const answer = result.structuredContent;
  byId("workspace").textContent = answer.workspace ?? "";
  listFirst = !answer.facets;
  reading = new Reading(host, question);
  reading.take(answer);
  byId("controls").hidden = !canAsk();
  draw();
  if (canAsk()) read();
}

function read() {
  reading = new Reading(host, question);
  shownRuns = SHOWN_RUNS;
  return attempt((current, update) => Promise.all([current.count().then(update), current.more(update)]));
}

/** Do `work` on the present reading; `update` draws it, and says whether it still is the present one. */
async function attempt(work) {
  const mine = reading;
  const update = () => {
    if (reading === mine) draw();
    return reading === mine;
  };
  complain("");
  setBusy(true);
  try {
    await work(mine, update);
  } catch (error) {
    if (reading === mine) complain(error.message);
  }
  if (reading !== mine) return;
  setBusy(false);
  draw();
}

function setBusy(now) {
  busy = now;
  byId("answer").setAttribute("aria-busy", String(now));
}

function complain(text) {
  byId("problem").textContent = text;
  byId("problem").hidden = !text;
}

/** As long as nothing is known, what was drawn before stays. */
function draw() {
  if (!reading.begun) return;
  const { runs } = reading;
  const facets = facetsFor(reading);
  const [chosen, choose] = [(...value) => isChosen(question, ...value), canAsk() ? refilter : undefined];
  const columns = charts(reading, bounds(question), split);
  const over = columns.length > 0 && part("Over time", splitting(), element("div", { class: "charts" }, columns));
  const by = part("By value", null, element("div", { class: "facets" }, facetCards(facets, { chosen, choose })));
  const newest = runList(runs.slice(0, shownRuns), host.answersTools && openRun);
  const list = runs.length > 0 && part("Newest runs", null, newest, furtherRuns());
  byId("filters").replaceChildren(...filterChips(question, choose));
  byId("filters").hidden = !byId("filters").hasChildNodes();
  byId("note").replaceChildren(note(), ...further());
  redraw(byId("answer"), figures(reading, facets), listFirst ? [list, over, by] : [over, by, list]);
}

/** Whether the page may ask for more than it was given. */
function canAsk() {
  return host.answersTools && !question.fixed;
}

function refilter(filter, value, name) {
  toggle(question, filter, value, name);
  read();
}

/** How much of all there is the charts and the list show. */
function note() {
  const { runs, total, next } = reading;
  if (question.fixed) return `The ${counted(runs.length, "run")} of the answer: what was asked is no search.`;
  if (next === null) return `All ${counted(runs.length, "run")} of the period.`;
  if (!runs.length) return canAsk() ? "Reading the runs…" : "Counts of all runs.";
  const whole = total === null ? "an unknown number of" : count(total);
  return `Charts, times and tokens are of the newest ${count(runs.length)} of ${whole} runs; counts are of all.`;
}

function further() {
  if (busy || reading.next === null || !canAsk()) return [];
  const more = () => attempt((current, update) => current.more(update));
  return [element("button", { type: "button", click: more }, `Read ${PORTION} more`)];
}

function furtherRuns() {
  if (reading.runs.length <= shownRuns) return null;
  const more = () => {
    shownRuns += SHOWN_RUNS;
    draw();
  };
  return element("button", { type: "button", "data-key": "more runs", click: more }, "Show more");
}

function splitting() {
  const choose = ({ target }) => {
    split = target.value;
    draw();
  };
  const options = Object.keys(SPLITS).map((value) => element("option", { value, selected: value === split }, value));
  return element("label", {}, "Runs by ", element("select", { "data-key": "split", change: choose }, options));
}

function openRun(id) {
  byId("dashboard").hidden = true;
  byId("viewer").hidden = false;
  byId("viewer").querySelector("button").focus();
  view.open(id);
}

function closeRun() {
  const { runId } = view;
  view.close();
  byId("viewer").hidden = true;
  byId("dashboard").hidden = false;
  byId("dashboard")
    .querySelector(`[data-key="${CSS.escape(runId)}"]`)
    ?.focus();
}
