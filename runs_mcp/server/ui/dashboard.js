/** The dashboard: the results of its question, reloaded whenever the filters or the period change. */

import { queryOf, stateOf } from "./address.js";
import { answerParts, coverage } from "./answer.js";
import { Host, textOf } from "./bridge.js";
import { Comparison } from "./comparison.js";
import { byId, element, redraw } from "./elements.js";
import { exportRuns } from "./exports.js";
import { clashingNames, distinctName } from "./fields.js";
import { filterChips } from "./filters.js";
import { counted, timeOfDay } from "./formats.js";
import { choices, questionOf, toggle } from "./question.js";
import { Reading } from "./reading.js";
import { Refresher } from "./refresher.js";
import { RunView } from "./runview.js";

/** A host that has an address for the page declares this capability, and is notified of changes by this method. */
const LOCATION = "runs-mcp/location-changed";
const LISTED = 25;
const RUN_ID = /^([0-9a-f]{24}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i;
const VIEWS = ["dashboard", "viewer", "comparison"];

let question = questionOf({});
let reading = null;
let split = "status";
let listFirst = false;
let busy = false;
let shown = LISTED;
let chosen = [];
let latest = null;
let environments = [];

const host = new Host({
  "ui/notifications/tool-input": (params) => ask(questionOf(params.arguments ?? {})),
  "ui/notifications/tool-result": receive,
  "ui/notifications/tool-cancelled": () => complain("The call was cancelled."),
  "ui/resource-teardown": tearDown,
  [LOCATION]: ({ search }) => restore(stateOf(search)),
});
const view = new RunView(host, byId("viewer"), closeRun);
const comparison = new Comparison(host, byId("comparison"), { back: closeComparison, open: openRun });
const refresher = new Refresher(() => read({ quiet: true }));

listen();
ask(question);
await host.connect();
byId("fullscreen").hidden = !host.context.availableDisplayModes?.includes("fullscreen");
byId("controls").hidden = !canAsk();
setLive(hasAddress());
await learnEnvironments();

function listen() {
  byId("period").addEventListener("change", ({ target }) => {
    question.period = target.value;
    visit();
  });
  // The frames of hosts may not submit forms.
  byId("words").addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault(); // the key would press the button that the focus moves to
    search(event.target.value.trim());
  });
  // The cross of a search box empties it without a key.
  byId("words").addEventListener("search", ({ target }) => target.value || search(""));
  byId("refresh").addEventListener("click", () => read());
  byId("live").addEventListener("click", () => setLive(!refresher.on));
  byId("fullscreen").addEventListener("click", () =>
    host.request("ui/request-display-mode", { mode: "fullscreen" }).catch((error) => complain(error.message)),
  );
  document.addEventListener("keydown", shortcuts);
}

/** `/` leads to the search box, Escape back from a run. */
function shortcuts(event) {
  const writing = event.target.matches("input, select, textarea");
  if (event.key === "/" && !writing && !byId("dashboard").hidden) {
    event.preventDefault();
    byId("words").focus();
  }
  if (event.key === "Escape" && !byId("viewer").hidden) closeRun();
  else if (event.key === "Escape" && !byId("comparison").hidden) closeComparison();
}

function ask(asked) {
  question = asked;
  const options = choices(question).map(([value, name]) => element("option", { value }, name));
  byId("period").replaceChildren(...options);
  byId("period").value = question.period;
  byId("words").value = typeof question.filters.query === "string" ? question.filters.query : "";
}

/** Words filter by them; the id of a run opens it. */
function search(words) {
  if (RUN_ID.test(words)) return openRun(words);
  if (words === (question.filters.query ?? "")) return undefined;
  if (words) question.filters.query = words;
  else delete question.filters.query;
  return visit();
}

/** Show the answer as it is, then read what it does not hold. */
function receive(result) {
  if (result.isError || !result.structuredContent) return complain(textOf(result));
  const answer = result.structuredContent;
  listFirst = Boolean(answer.runs);
  reading = new Reading(host, question);
  reading.take(answer);
  byId("controls").hidden = !canAsk();
  draw();
  if (canAsk()) read();
}

/** Show what an address names. */
function restore({ question: asked, run, compared }) {
  const same = reading && queryOf(asked) === queryOf(question);
  if (!same) ask(asked);
  if (run) openRun(run, { told: true });
  else if (compared.length === 2) compare(compared, { told: true });
  else showView("dashboard");
  if (!same) read();
}

/** Read the answer to a question that the person has changed. */
function visit() {
  shown = LISTED;
  drawFilters(actions());
  tellAddress();
  return read();
}

/** Have the host show the address of what is shown. */
function tellAddress() {
  if (!hasAddress()) return;
  const run = byId("viewer").hidden ? "" : view.runId;
  const compared = byId("comparison").hidden ? [] : comparison.ids;
  host.notify(LOCATION, { search: queryOf(question, { run, compared }) });
}

function hasAddress() {
  return Boolean(host.capabilities.experimental?.[LOCATION]);
}

/** Where `quiet`, what is shown stays until everything has been read again. */
function read({ quiet = reading?.summary?.covered !== undefined } = {}) {
  refresher.restart();
  const next = new Reading(host, question);
  if (!quiet || !reading) reading = next;
  return attempt(next, async (update) => {
    const show = quiet ? () => {} : update;
    const parts = [next.count(), next.more(shown), next.summarise(split)].map((work) => work.then(show));
    await Promise.all(parts);
    if (stillAsked(next)) reading = next;
    update();
    await next.sample();
  });
}

function stillAsked(work) {
  return latest === work;
}

/** Do `work` for a reading; `update` draws, as long as no other reading has begun. */
async function attempt(mine, work) {
  latest = mine;
  const update = () => stillAsked(mine) && draw();
  complain("");
  setBusy(true);
  try {
    await work(update);
  } catch (error) {
    if (stillAsked(mine)) complain(error.message);
  }
  if (!stillAsked(mine)) return;
  setBusy(false);
  byId("updated").textContent = `Updated ${timeOfDay(new Date())}`;
  draw();
}

/** All environments, so that those that share a name can be distinguished even where a single environment is shown. */
async function learnEnvironments() {
  if (!canAsk()) return;
  const values = await host.callTool("get_run_filter_options", { field: "environment" }).catch(() => ({}));
  environments = (values.options ?? []).filter(({ id, name }) => id && name);
  draw();
}

function setBusy(now) {
  busy = now;
  byId("answer").setAttribute("aria-busy", String(now));
}

function setLive(on) {
  refresher.turn(on);
  byId("live").setAttribute("aria-pressed", String(on));
}

function complain(text) {
  byId("problem").textContent = text;
  byId("problem").hidden = !text;
}

/** As long as nothing is known, what was drawn before stays. */
function draw() {
  if (!reading?.begun) return;
  const acts = actions();
  drawFilters(acts);
  byId("workspace").textContent = reading.workspace;
  byId("note").textContent = coverage({ reading, question }, canAsk());
  redraw(byId("answer"), ...answerParts({ reading, question, split, shown, chosen, listFirst, environments }, acts));
  drawChoice();
}

function drawFilters({ choose }) {
  byId("filters").replaceChildren(...filterChips({ ...question, names: bucketNames() }, choose));
  byId("filters").hidden = !byId("filters").hasChildNodes();
}

/** The names of the values that facets count, by id, besides those that were chosen. */
function bucketNames() {
  const clashing = clashingNames(environments, []);
  const places = environments.map((one) => [one.id, distinctName(one, clashing)]);
  const buckets = Object.values(reading?.facets?.facets ?? {}).flat();
  const counts = buckets.map(({ id, name }) => [id, name ?? id]);
  return { ...Object.fromEntries([...counts, ...places]), ...question.names };
}

function actions() {
  const [asks, calls] = [canAsk(), host.answersTools];
  return {
    choose: asks ? refilter : undefined,
    open: calls ? openRun : undefined,
    chooseRun: calls ? chooseRun : undefined,
    splitBy: resplit,
    more: asks && !busy ? showMore : undefined,
    exportAs: asks && host.capabilities.downloadFile ? exportAs : undefined,
  };
}

/** Whether the page may ask for more than it was given. */
function canAsk() {
  return host.answersTools && !question.fixed;
}

function refilter(filter, value, name) {
  toggle(question, filter, value, name);
  visit();
}

function resplit(by) {
  split = by;
  const mine = reading;
  attempt(mine, () => mine.splitBy(by));
}

function showMore() {
  shown += LISTED;
  const mine = reading;
  attempt(mine, () => mine.more(shown));
}

function exportAs(format) {
  const whole = new Reading(host, question);
  const told = (number) => (byId("updated").textContent = `Reading ${counted(number, "run")}…`);
  return attempt(reading, async () => {
    const { saved, complete } = await exportRuns(host, whole, format, told);
    complain(complete ? "" : `The file has the newest ${counted(saved, "run")}; there are more.`);
  });
}

/** Choose a run to compare, or no more; of three the first gives way. */
function chooseRun(id) {
  chosen = chosen.includes(id) ? chosen.filter((one) => one !== id) : [...chosen, id].slice(-2);
  draw();
}

function drawChoice() {
  byId("choice").hidden = !chosen.length;
  if (!chosen.length) return;
  const ready = chosen.length === 2;
  const start = () => compare(chosen);
  const clear = () => {
    chosen = [];
    draw();
  };
  redraw(
    byId("choice"),
    element("span", { role: "status" }, ready ? "2 runs chosen" : "1 run chosen: choose another"),
    ready && element("button", { type: "button", class: "primary", "data-key": "compare", click: start }, "Compare"),
    element("button", { type: "button", "data-key": "clear", click: clear }, "Clear"),
  );
}

function compare(ids, { told = false } = {}) {
  comparison.show(ids);
  showView("comparison");
  if (!told) tellAddress();
}

function closeComparison() {
  showView("dashboard");
  tellAddress();
}

function openRun(id, { told = false } = {}) {
  view.open(id);
  showView("viewer");
  if (!told) tellAddress();
}

function closeRun() {
  const { runId } = view;
  view.close();
  showView("dashboard");
  tellAddress();
  byId("dashboard")
    .querySelector(`.run-row[data-key="${CSS.escape(runId)}"]`)
    ?.focus();
}

function showView(name) {
  if (name !== "viewer") view.close();
  for (const one of VIEWS) byId(one).hidden = one !== name;
  if (name !== "dashboard") byId(name).querySelector("button").focus();
}

function tearDown() {
  reading = null;
  latest = null;
  refresher.turn(false);
  view.close();
}
