/** What is known about a question, as the parts of the page. */

import { causeCard } from "./causes.js";
import { distributionChart } from "./distribution.js";
import { element } from "./elements.js";
import { FORMATS } from "./exports.js";
import { facetCards } from "./facets.js";
import { clashingNames } from "./fields.js";
import { count, counted } from "./formats.js";
import { charts, facetsFor, figures, groupTable, part, SPLITS } from "./overview.js";
import { isChosen } from "./question.js";
import { runList } from "./runlist.js";

/** The parts from top to bottom: the runs come first where they were asked for.
 * @param state `{reading, question, split, shown, chosen, listFirst, environments}`: `shown` of the runs are listed,
 *   the `chosen` are to be compared, `environments` are all there are.
 * @param acts what the person may do: `{choose, open, splitBy, more, chooseRun, exportAs}`, each null where the host
 *   cannot. */
export function answerParts(state, acts) {
  const { reading, question } = state;
  const facets = facetsFor(reading);
  const isFiltered = (...value) => isChosen(question, ...value);
  const clashing = clashingNames([...state.environments, ...(facets.environments ?? [])], reading.runs);
  const filter = { chosen: isFiltered, choose: acts.choose, clashing };
  const columns = charts(reading);
  const over =
    columns.length > 0 && part("Over time", splitting(state, acts), element("div", { class: "charts four" }, columns));
  const cards = facetCards(facets, filter);
  const by = cards.length > 0 && part("By value", null, element("div", { class: "facets" }, cards));
  const list = listedRuns(state, acts, clashing);
  const first = state.listFirst || Boolean(question.filters.error);
  return [
    figures(reading, facets),
    reading.begun && !reading.runs.length && reading.total === 0 && nothing(question),
    reasons(reading, filter),
    answeredGroups(state, acts),
    first ? [list, over, by] : [over, by, list],
  ];
}

/** How many of all runs the charts, times and tokens cover. */
export function coverage({ reading, question }, canAsk) {
  const { runs: listed, summary, total } = reading;
  if (question.fixed) return `The ${counted(listed.length, "run")} of the answer: what was asked is no search.`;
  if (!canAsk) return listed.length ? `The ${counted(listed.length, "run")} of the answer.` : "Counts of all runs.";
  if (!summary) return "Reading the runs…";
  if (summary.complete) return `All ${counted(summary.covered, "run")} of the period.`;
  const whole = total === null ? "an unknown number of" : count(total);
  return `Charts, times and tokens are of the newest ${count(summary.covered)} of ${whole} runs; counts are of all.`;
}

/** Why runs fail and how long they take, side by side. */
function reasons(reading, filter) {
  const cards = [causeCard(reading, filter), distributionChart(reading.runs)].filter(Boolean);
  return cards.length > 0 && part("Failures and latency", null, element("div", { class: "charts" }, cards));
}

/** The groups of the answer, where the page cannot ask for more. */
function answeredGroups({ reading: { summary } }, { choose }) {
  if (choose || !summary?.groups.length) return null;
  return part("Groups", null, element("div", { class: "card scroll", tabindex: 0 }, groupTable(summary)));
}

function nothing({ filters }) {
  const advice = Object.keys(filters).length ? "Remove a filter or choose a longer period." : "Choose a longer period.";
  return element("p", { class: "card empty" }, element("strong", {}, "No runs match."), " ", advice);
}

function listedRuns({ reading, question, shown, chosen }, acts, clashing) {
  if (!reading.runs.length) return null;
  const title = question.filters.error ? `Runs that failed with ${question.filters.error}` : "Newest runs";
  const rows = runList(reading.runs.slice(0, shown), {
    open: acts.open,
    choose: acts.chooseRun,
    chosen,
    clashing,
  });
  const further = acts.more && (reading.next !== null || reading.runs.length > shown);
  return part(
    title,
    acts.exportAs && exporting(acts.exportAs),
    rows,
    further && element("button", { type: "button", "data-key": "more runs", click: acts.more }, "Show more"),
  );
}

function exporting(exportAs) {
  const buttons = Object.entries(FORMATS).map(([format, { name }]) =>
    element(
      "button",
      { type: "button", "data-key": `export ${format}`, "aria-label": `Export as ${name}`, click: () => exportAs(format) },
      name,
    ),
  );
  return element("div", { class: "controls", role: "group", "aria-label": "Export" }, "Export", buttons);
}

function splitting({ split }, { splitBy }) {
  const options = SPLITS.map((value) => element("option", { value, selected: value === split }, value));
  const change = ({ target }) => splitBy(target.value);
  return element("label", {}, "Runs by ", element("select", { "data-key": "split", change }, options));
}
