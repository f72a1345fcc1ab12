/** The dashboard's answer: figures, charts over time, facets and the runs themselves. */

import { columnChart } from "./charts.js";
import { element } from "./elements.js";
import { dateOf, environmentOf, modelOf, statusOf, tokensOf } from "./fields.js";
import { compact, count, counted, duration, share } from "./formats.js";
import { momentOf, slots } from "./periods.js";
import { bySlot, countedBy, durations, facetsOf, latencyBy, quantile, spread, tokensBy } from "./statistics.js";

export const SPLITS = { status: statusOf, model: modelOf, environment: environmentOf };

/** How many runs, how many of them failed, how long they took, how many tokens they used. */
export function figures({ runs, total }, facets) {
  const statuses = facets.status ?? [];
  const known = total ?? runs.length;
  const failed = statuses.find(({ id }) => id === "failed")?.count ?? 0;
  const took = durations(runs);
  const items = [
    ["Runs", count(known)],
    ["Failed", count(failed), share(failed, known)],
    ["Median time", took.length ? duration(quantile(took, 0.5)) : "–"],
    ["95th percentile", took.length ? duration(quantile(took, 0.95)) : "–"],
    ["Tokens", compact(tokensUsed(runs))],
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

/** The charts of the runs read so far. A period that was read in part begins with the oldest run read. */
export function charts({ runs, next }, { start, end }, split) {
  const dates = runs.map((run) => dateOf(run)).filter(Boolean);
  if (!dates.length) return [];
  const oldest = new Date(Math.min(...dates));
  const asked = momentOf(start);
  const from = asked && next === null ? asked : oldest;
  const cut = slots(from, momentOf(end) ?? new Date());
  const groups = bySlot(runs, cut.slots);
  const times = spread(runs);
  const tokens = tokensUsed(runs);
  const middle = quantile(durations(runs), 0.5);
  return [
    columnChart({
      title: `Runs per ${cut.unit}`,
      summary: counted(groups.flat().length, "run"),
      slots: cut.slots,
      series: countedBy(groups, SPLITS[split]),
      format: count,
    }),
    columnChart({
      title: `Latency per ${cut.unit}`,
      summary: middle === null ? "" : `median ${duration(middle)}`,
      slots: cut.slots,
      series: latencyBy(groups),
      format: duration,
    }),
    columnChart({
      title: `Tokens per ${cut.unit}`,
      summary: counted(tokens, "token"),
      slots: cut.slots,
      series: tokensBy(groups),
      format: compact,
    }),
    columnChart({
      title: "Distribution of latency",
      summary: counted(durations(runs).length, "run"),
      slots: times.slots,
      series: [{ name: "runs", shade: "series-1", values: times.values }],
      format: count,
    }),
  ];
}

/** Facets as the server counted them, or where it did not, of the runs there are. */
export function facetsFor({ facets, runs }) {
  return facets?.facets ?? facetsOf(runs);
}

/** A headed part of the page, with a control beside its heading where there is one. */
export function part(title, control, ...children) {
  const head = element("div", { class: "part" }, element("h2", {}, title), control);
  return element("section", { "aria-label": title }, head, children);
}

function tokensUsed(runs) {
  return runs.reduce((sum, run) => {
    const use = tokensOf(run);
    return use ? sum + use.prompt + use.result : sum;
  }, 0);
}
