/** Series for charts, from the groups that the server computed; and counts of the runs of a single answer. */

import { environmentOf, interactionOf, modelOf, statusOf, tagsOf } from "./fields.js";

const MOST_SERIES = 5;
const STATUSES = ["completed", "failed", "processing", "created"];

/** How many runs of each slot have each value of `by`, the most frequent values first, the rest as one. */
export function countedBy(groups, slots, unit, by) {
  const totals = new Map();
  for (const group of groups) totals.set(group.by[by], (totals.get(group.by[by]) ?? 0) + group.runs);
  const names = [...totals].sort((one, other) => other[1] - one[1]).map(([name]) => name);
  const shown = by === "status" ? inOrderOf(STATUSES, names) : names.slice(0, MOST_SERIES);
  const valuesOf = (wanted) =>
    slots.map(({ key }) => {
      const inSlot = groups.filter((group) => group.by[unit] === key && wanted(group.by[by]));
      return inSlot.reduce((sum, { runs }) => sum + runs, 0);
    });
  const series = shown.map((name, index) => ({
    name,
    shade: STATUSES.includes(name) ? name : `series-${(index % MOST_SERIES) + 1}`,
    values: valuesOf((value) => value === name),
  }));
  if (shown.length === names.length) return series;
  return [...series, { name: "others", shade: "others", values: valuesOf((value) => !shown.includes(value)) }];
}

/** The groups of the slots in their order; null for a slot without runs. */
export function inSlots(groups, slots, unit) {
  const found = new Map(groups.map((group) => [group.by[unit], group]));
  return slots.map(({ key }) => found.get(key) ?? null);
}

/** Prompt and result tokens of each group. */
export function tokensBy(groups) {
  const values = (measure) => groups.map((group) => group?.[measure] ?? 0);
  return [
    { name: "prompt", shade: "series-1", values: values("prompt_tokens") },
    { name: "result", shade: "series-2", values: values("result_tokens") },
  ];
}

/** The cost of each group. */
export function costBy(groups) {
  return [{ name: "cost", shade: "series-3", values: groups.map((group) => group?.cost ?? 0) }];
}

/** Of each group the median duration, and what is above it up to the 95th percentile. */
export function latencyBy(groups) {
  const values = (measure) => groups.map((group) => group?.[measure] ?? 0);
  const [middle, high] = [values("median_ms"), values("p95_ms")];
  return [
    { name: "median", shade: "series-1", values: middle },
    {
      name: "95th percentile",
      shade: "series-1-faint",
      values: high.map((value, i) => value - middle[i]),
      shown: high,
    },
  ];
}

/** Facets of the runs of an answer, where the server cannot count what was asked. */
export function facetsOf(runs) {
  const buckets = (values) => [...tally(values)].map(([id, count]) => ({ id, count }));
  return {
    status: buckets(runs.map(statusOf)),
    interactions: buckets(runs.map(interactionOf)),
    models: buckets(runs.map(modelOf)),
    environments: buckets(runs.map(environmentOf)),
    tags: buckets(runs.flatMap(tagsOf)),
  };
}

function tally(values) {
  const counts = new Map();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return new Map([...counts].sort((one, other) => other[1] - one[1]));
}

function inOrderOf(order, names) {
  return [...order.filter((name) => names.includes(name)), ...names.filter((name) => !order.includes(name))];
}
