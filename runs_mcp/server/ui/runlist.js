/** Runs as a list of buttons that open them. */

import { element } from "./elements.js";
import {
  dateOf,
  distinctName,
  environmentOf,
  errorOf,
  idOf,
  interactionOf,
  modelOf,
  statusOf,
  tagsOf,
  tokensOf,
  tookOf,
} from "./fields.js";
import { compact, duration, moment } from "./formats.js";

const KNOWN = ["completed", "failed", "processing", "created"];

/** A row a run.
 * @param options `open` is called with a run's id, and `choose` with the id of one to compare; neither where the list
 *   only shows. `chosen` are the ids of those to compare; `clashing` the names that several environments share. */
export function runList(runs, { open, choose, chosen = [], clashing = new Set() } = {}) {
  return element(
    "ul",
    { class: choose ? "runs choosable" : "runs" },
    runs.map((run) => element("li", {}, choose && chooser(run, choose, chosen), row(run, open, clashing))),
  );
}

function chooser(run, choose, chosen) {
  const id = idOf(run);
  return element("input", {
    type: "checkbox",
    "data-key": `choose ${id}`,
    "aria-label": `Compare run ${id}`,
    checked: chosen.includes(id),
    change: () => choose(id),
  });
}

export function badge(status) {
  return element("span", { class: `badge ${KNOWN.includes(status) ? status : ""}` }, status);
}

/** Where and for how long, on one line. */
function particulars(run, clashing) {
  const [took, tokens] = [tookOf(run), tokensOf(run)];
  return [
    modelOf(run),
    run.environment?.id ? distinctName(run.environment, clashing) : environmentOf(run),
    took !== null && duration(took),
    tokens && `${compact(tokens.prompt + tokens.result)} tokens`,
    tagsOf(run).join(", "),
  ].filter(Boolean);
}

function row(run, open, clashing) {
  const created = dateOf(run);
  const error = errorOf(run);
  const parts = [
    badge(statusOf(run)),
    element("span", { class: "title" }, interactionOf(run) || idOf(run)),
    created && element("time", { datetime: created.toISOString() }, moment(created)),
    element("span", { class: "detail" }, particulars(run, clashing).join(" · ")),
    error && element("span", { class: "detail error" }, error),
  ];
  if (!open || !idOf(run)) return element("div", { class: "run-row" }, parts);
  const id = idOf(run);
  return element("button", { type: "button", class: "run-row", "data-key": id, click: () => open(id) }, parts);
}
