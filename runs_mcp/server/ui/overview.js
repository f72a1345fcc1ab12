/** The dashboard's answer: figures, charts over time, facets and the runs themselves. */

import { columnChart } from "./charts.js";
import { element } from "./elements.js";
import { compact, count, counted, duration, share } from "./formats.js";
import { countedBy, facetsOf, inSlots, latencyBy, tokensBy } from "./statistics.js";

export const SPLITS = ["status", "model", "environment"];

/** How many runs, how many of them failed, how long they took, how many tokens they used. */
export function figures({ summary, total, runs }, facets) {
  const known = total ?? runs.length;
  const failed = (facets.status ?? []).find(({ id }) => id === "failed")?.count ?? 0;
  const all = summary?.total ?? {};
  const items = [
    ["Runs", count(known)],
    ["Failed", count(failed), share(failed, known)],
    ["Median time", timed(all.median_ms)],
    ["95th percentile", timed(all.p95_ms)],
    ["Tokens", tokensUsed(all) === null ? "–" : compact(tokensUsed(all))],
  ];
  const figure = ([name, value, more]) =>
    element(
      "div",
      { class: "card figure" },
      element("dt", {}, name),
      element("dd", {}, value, more && element("small", {}, more)),
    );
  return element("dl", { class: "figures" }, items.map(figure));
}

/** The charts: over time, and by model. */
export function charts({ summary, slots, unit, times, split }) {
  if (!times.length) return [];
  const all = summary.total;
  const groups = inSlots(times, slots, unit);
  return [
    columnChart({
      title: `Runs per ${unit}`,
      summary: counted(summary.covered, "run"),
      slots,
      series: countedBy(split.groups, slots, unit, split.by),
      format: count,
    }),
    columnChart({
      title: `Latency per ${unit}`,
      summary: all.median_ms === null ? "" : `median ${duration(all.median_ms)}`,
      slots,
      series: latencyBy(groups),
      format: duration,
    }),
    columnChart({
      title: `Tokens per ${unit}`,
      summary: counted(tokensUsed(all), "token"),
      slots,
      series: tokensBy(groups),
      format: compact,
    }),
    columnChart({
      title: "Latency by model",
      summary: counted(summary.groups.length, "model"),
      slots: summary.groups.map(({ by }) => ({ label: by.model, title: by.model })),
      series: latencyBy(summary.groups),
      format: duration,
    }),
  ];
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
