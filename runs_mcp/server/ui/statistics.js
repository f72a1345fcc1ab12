/** What runs add up to: by slot of time, by value, by how long they took. */

import { dateOf, environmentOf, interactionOf, modelOf, statusOf, tagsOf, tokensOf, tookOf } from "./fields.js";
import { duration } from "./formats.js";

const MOST_SERIES = 5;
const STATUSES = ["completed", "failed", "processing", "created"];
const BOUNDS_MS = [100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 3e4, 6e4, 12e4, 3e5, 6e5, 18e5, Infinity];

/** The runs of each slot. */
export function bySlot(runs, slots) {
  const groups = slots.map(() => []);
  for (const run of runs) {
    const date = dateOf(run);
    const index = date ? slots.findIndex(({ start, end }) => start <= date && date < end) : -1;
    if (index >= 0) groups[index].push(run);
  }
  return groups;
}

/** How many runs of each group have each value, the most frequent values first, the rest as one. */
export function countedBy(groups, valueOf) {
  const totals = tally(groups.flat().map(valueOf));
  const names = [...totals.keys()];
  const shown = valueOf === statusOf ? inOrderOf(STATUSES, names) : names.slice(0, MOST_SERIES);
  const series = shown.map((name, index) => ({
    name: name || "none",
    shade: STATUSES.includes(name) ? name : `series-${(index % MOST_SERIES) + 1}`,
    values: groups.map((group) => group.filter((run) => valueOf(run) === name).length),
  }));
  if (shown.length === names.length) return series;
  const rest = groups.map((group) => group.filter((run) => !shown.includes(valueOf(run))).length);
  return [...series, { name: "others", shade: "others", values: rest }];
}

/** Prompt and result tokens of each group. */
export function tokensBy(groups) {
  const sum = (part) => groups.map((group) => group.reduce((all, run) => all + (tokensOf(run)?.[part] ?? 0), 0));
  return [
    { name: "prompt", shade: "series-1", values: sum("prompt") },
    { name: "result", shade: "series-2", values: sum("result") },
  ];
}

/** Of each group the median duration, and what is above it up to the 95th percentile. */
export function latencyBy(groups) {
  const quantiles = (q) => groups.map((group) => quantile(durations(group), q) ?? 0);
  const [middle, high] = [quantiles(0.5), quantiles(0.95)];
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

/** How many runs took how long: slots of duration from the fastest run's to the slowest's. */
export function spread(runs) {
  const times = durations(runs);
  if (!times.length) return { slots: [], values: [] };
  const place = (time) => BOUNDS_MS.findIndex((bound) => time <= bound);
  const [first, last] = [place(times[0]), place(times.at(-1))];
  const bounds = BOUNDS_MS.slice(first, last + 1);
  const values = bounds.map((_, index) => times.filter((time) => place(time) === first + index).length);
  const slots = bounds.map((bound, index) => {
    const below = BOUNDS_MS[first + index - 1] ?? 0;
    const label = bound === Infinity ? `> ${duration(below)}` : `≤ ${duration(bound)}`;
    return { label, title: bound === Infinity ? label : `${duration(below)} to ${duration(bound)}` };
  });
  return { slots, values };
}

/** Durations in milliseconds, shortest first. */
export function durations(runs) {
  return runs
    .map(tookOf)
    .filter((took) => took !== null)
    .sort((one, other) => one - other);
}

/** Of sorted numbers the one that a share `q` of them does not exceed; null where there are none. */
export function quantile(sorted, q) {
  return sorted.length ? sorted[Math.max(Math.ceil(q * sorted.length) - 1, 0)] : null;
}

/** Facets of runs themselves, for answers that cannot be counted by the server. */
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
