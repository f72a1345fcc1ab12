/** The dashboard: the results of its question, reloaded whenever the filters or the period change. */

import { Host, textOf } from "./bridge.js";
import { byId, element, redraw } from "./elements.js";
import { facetCards } from "./facets.js";
import { filterChips } from "./filters.js";
import { count, counted } from "./formats.js";
import { charts, facetsFor, figures, groupTable, part, SPLITS } from "./overview.js";
import { choices, isChosen, questionOf, toggle } from "./question.js";
import { Reading } from "./reading.js";
import { runList } from "./runlist.js";
import { RunView } from "./runview.js";

let question = questionOf({});
let reading = null;
let split = "status";
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
  listFirst = Boolean(answer.runs);
  reading = new Reading(host, question);
  reading.take(answer);
  byId("controls").hidden = !canAsk();
  draw();
  if (canAsk()) read();
}

function read() {
  reading = new Reading(host, question);
  return attempt((current, update) =>
    Promise.all([current.count().then(update), current.more().then(update), current.summarise(split).then(update)]),
  );
}

/** Do `work` on the present reading; `update` draws it, if it still is the present one. */
async function attempt(work) {
  const mine = reading;
  const update = () => {
    if (reading === mine) draw();
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
  const columns = charts(reading);
  const over = columns.length > 0 && part("Over time", splitting(), element("div", { class: "charts" }, columns));
  const by = part("By value", null, element("div", { class: "facets" }, facetCards(facets, { chosen, choose })));
  const newest = runList(runs, host.answersTools && openRun);
  const list = runs.length > 0 && part("Newest runs", null, newest, furtherRuns());
  byId("filters").replaceChildren(...filterChips(question, choose));
  byId("filters").hidden = !byId("filters").hasChildNodes();
  byId("note").textContent = note();
  redraw(byId("answer"), figures(reading, facets), asked(), listFirst ? [list, over, by] : [over, by, list]);
}

/** Whether the page may ask for more than it was given. */
function canAsk() {
  return host.answersTools && !question.fixed;
}

function refilter(filter, value, name) {
  toggle(question, filter, value, name);
  read();
}

/** The groups of the answer, where the page cannot ask for more. */
function asked() {
  const { summary } = reading;
  if (canAsk() || !summary?.groups.length) return null;
  return part("Groups", null, element("div", { class: "card scroll", tabindex: 0 }, groupTable(summary)));
}

/** How many of all runs the charts, times and tokens cover. */
function note() {
  const { runs, summary, total } = reading;
  if (question.fixed) return `The ${counted(runs.length, "run")} of the answer: what was asked is no search.`;
  if (!canAsk()) return runs.length ? `The ${counted(runs.length, "run")} of the answer.` : "Counts of all runs.";
  if (!summary) return "Reading the runs…";
  if (summary.complete) return `All ${counted(summary.covered, "run")} of the period.`;
  const whole = total === null ? "an unknown number of" : count(total);
  return `Charts, times and tokens are of the newest ${count(summary.covered)} of ${whole} runs; counts are of all.`;
}

function furtherRuns() {
  if (busy || reading.next === null || !canAsk()) return null;
  const more = () => attempt((current) => current.more());
  return element("button", { type: "button", "data-key": "more runs", click: more }, "Show more");
}

function splitting() {
  const choose = ({ target }) => {
    split = target.value;
    attempt((current) => current.splitBy(split));
  };
  const options = SPLITS.map((value) => element("option", { value, selected: value === split }, value));
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
