/** The head of the run viewer: what kind of run it is, and its error. */

import { element } from "./elements.js";
import {
  dateOf,
  environmentOf,
  errorOf,
  idOf,
  interactionOf,
  labelOf,
  modelOf,
  statusOf,
  tagsOf,
  tokensOf,
  tookOf,
} from "./fields.js";
import { count, duration, moment } from "./formats.js";
import { badge } from "./runlist.js";
import { valueView } from "./values.js";

/** What the run is called, how it stands, and its particulars. */
export function heading(run) {
  const title = interactionOf(run) || `Run ${idOf(run)}`;
  return element("header", { class: "run-head" }, element("h1", {}, title), badge(statusOf(run)), facts(run));
}

function facts(run) {
  const [created, took, tokens] = [dateOf(run), tookOf(run), tokensOf(run)];
  const rows = [
    ["Run", element("code", {}, idOf(run))],
    ["Model", modelOf(run)],
    ["Environment", environmentOf(run)],
    ["Created", created && element("time", { datetime: created.toISOString() }, moment(created))],
    ["Took", took !== null && duration(took)],
    ["Tokens", tokens && `${count(tokens.prompt)} in, ${count(tokens.result)} out`],
    ["Tags", tagsOf(run).join(", ")],
    ["Parent", run.parent && element("code", {}, labelOf(run.parent))],
    ["Project", labelOf(run.project)],
  ];
  const known = rows.filter(([, value]) => value);
  return element(
    "dl",
    { class: "facts" },
    known.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))),
  );
}

/** Why it failed, if it did. */
export function errorView(run) {
  const error = errorOf(run);
  if (!error) return null;
  const data = run.error?.data;
  return element(
    "div",
    { class: "problem", role: "alert" },
    element("h2", {}, "Error"),
    element("p", {}, error),
    data && valueView(data),
  );
}
