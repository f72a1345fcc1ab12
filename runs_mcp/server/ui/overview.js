/** The dashboard's answer: figures, charts over time, facets and the runs themselves. */

import { columnChart } from "./charts.js";
import { element } from "./elements.js";
import { compact, count, counted, dollars, duration, share } from "./formats.js";
import { costBy, countedBy, facetsOf, inSlots, latencyBy, tokensBy } from "./statistics.js";

export const SPLITS = ["status", "model", "environment"];

/** How many runs, how many of them failed, how long they took, how many tokens they used, and what they cost. */
export function figures({ summary, total, runs, costs }, facets) {
  const known = total ?? runs.length;
  const failed = (facets.status ?? []).find(({ id }) => id === "failed")?.count ?? 0;
  const all = summary?.total ?? {};
  const tokens = tokensUsed(all);
  const items = [
    ["Runs", count(known)],
    ["Failed", count(failed), share(failed, known)],
    ["Median time", timed(all.median_ms)],
    ["95th percentile", timed(all.p95_ms)],
    ["Tokens", tokens === null ? "–" : compact(tokens), Boolean(tokens) && `${compact(all.prompt_tokens)} in`],
    ["Cost", costs ? dollars(costs.total) : "–", costs?.estimated && "at list prices"],
  ];
  return element("dl", { class: "figures" }, items.map(figure));
}

function figure([name, value, more]) {
  return element(
    "div",
    { class: "card figure" },
    element("dt", {}, name),
    element("dd", {}, element("span", {}, value), more && element("small", {}, more)),
  );
}

/** The charts over time. */
export function charts({ summary, slots, unit, times, split, costs }) {
  if (!times.length) return [];
  const all = summary.total;
  const groups = inSlots(times, slots, unit);
  const counts = countedBy(split.groups, slots, unit, split.by);
  const drawn = [
    [`Runs per ${unit}`, counted(summary.covered, "run"), counts, count],
    [`Latency per ${unit}`, medianOf(all), latencyBy(groups), duration],
    [`Tokens per ${unit}`, counted(tokensUsed(all), "token"), tokensBy(groups), compact],
    costs && [`Cost per ${unit}`, spent(costs), costBy(inSlots(costs.groups, slots, unit)), dollars, 0],
  ];
  return drawn
    .filter(Boolean)
    .map(([title, said, series, format, least]) =>
      columnChart({ title, summary: said, slots, series, format, least }),
    );
}

function medianOf({ median_ms: median }) {
  return median === null ? "" : `median ${duration(median)}`;
}

function spent({ total, estimated }) {
  return `${dollars(total)}${estimated ? ", estimated at list prices" : ""}`;
}

/** The groups of an `aggregate_runs` answer as a table. */
export function groupTable({ groups }) {
  const [first] = groups;
  const names = [...Object.keys(first.by), ...Object.keys(first).filter((name) => name !== "by" && name !== "ids")];
  const head = names.map((name) => element("th", { scope: "col" }, name));
  const cellsOf = (group) => names.map((name) => element("td", {}, String(group.by[name] ?? group[name] ?? "–")));
  const rows = groups.map((group) => element("tr", {}, cellsOf(group)));
  return element("table", {}, element("thead", {}, element("tr", {}, head)), element("tbody", {}, rows));
}

/** Facets as the server counted them, or where it did not, of the runs of the answer. */
export function facetsFor({ facets, runs }) {
  return facets?.facets ?? facetsOf(runs);
}

/** A headed part of the page, with a control beside its heading where there is one. */
export function part(title, control, ...children) {
  const head = element("div", { class: "part" }, element("h2", {}, title), control);
  return element("section", { "aria-label": title }, head, children);
}

function timed(milliseconds) {
  return milliseconds == null ? "–" : duration(milliseconds);
}

function tokensUsed({ prompt_tokens: prompt, result_tokens: result }) {
  return prompt == null || result == null ? null : prompt + result;
}
