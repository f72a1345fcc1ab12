/** Runs as a list of buttons that open them. */

import { element } from "./elements.js";
import {
  dateOf,
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

/** `open` is called with a run's id, and not at all where it is not given. */
export function runList(runs, open) {
  return element(
    "ul",
    { class: "runs" },
    runs.map((run) => element("li", {}, row(run, open))),
  );
}

export function badge(status) {
  return element("span", { class: `badge ${KNOWN.includes(status) ? status : ""}` }, status);
}

/** Where and for how long, on one line. */
function particulars(run) {
  const [took, tokens] = [tookOf(run), tokensOf(run)];
  return [
    modelOf(run),
    environmentOf(run),
    took !== null && duration(took),
    tokens && `${compact(tokens.prompt + tokens.result)} tokens`,
    tagsOf(run).join(", "),
  ].filter(Boolean);
}

function row(run, open) {
  const created = dateOf(run);
  const error = errorOf(run);
  const parts = [
    badge(statusOf(run)),
    element("span", { class: "title" }, interactionOf(run) || idOf(run)),
    created && element("time", { datetime: created.toISOString() }, moment(created)),
    element("span", { class: "detail" }, particulars(run).join(" · ")),
    error && element("span", { class: "detail error" }, error),
  ];
  if (!open || !idOf(run)) return element("div", { class: "run-row" }, parts);
  const id = idOf(run);
  return element("button", { type: "button", class: "run-row", "data-key": id, click: () => open(id) }, parts);
}
