/** The distribution of latency by model: a dot a run, the quarter to three quarters as a box, the median as a line. */

import { dataTable } from "./datatable.js";
import { element } from "./elements.js";
import { modelOf, tookOf } from "./fields.js";
import { count, counted, duration } from "./formats.js";

const MOST_MODELS = 8;
/** A label further to the right would not fit. */
const MOST_PLACE = 96;
const LANES = 7;
const QUANTILES = [
  ["25 %", 0.25],
  ["median", 0.5],
  ["75 %", 0.75],
  ["95 %", 0.95],
  ["longest", 1],
];

/** A figure of how long `runs` took; null if no run tells. */
export function distributionChart(runs) {
  const models = byModel(runs);
  if (!models.length) return null;
  const known = models.reduce((sum, { times }) => sum + times.length, 0);
  const scale = scaleOf(models.flatMap(({ times }) => [times[0], times.at(-1)]));
  const title = "Latency by model";
  return element(
    "figure",
    { class: "card chart distribution" },
    element(
      "figcaption",
      {},
      element("h3", {}, title),
      element("p", { class: "readout" }, `the newest ${counted(known, "run")} with a time; a box holds half of a model's`),
    ),
    element(
      "div",
      { class: "strips", "aria-hidden": "true" },
      models.slice(0, MOST_MODELS).map((model) => strip(model, scale)),
      axis(scale),
    ),
    quantileTable(title, models),
  );
}

/** The value below which a share of the sorted numbers lies, interpolated as the server does. */
export function quantile(sorted, part) {
  const position = part * (sorted.length - 1);
  const [below, above] = [sorted[Math.floor(position)], sorted[Math.ceil(position)]];
  return below + (above - below) * (position - Math.floor(position));
}

/** The models with the sorted times of their runs, the model with the most runs first. */
function byModel(runs) {
  const found = new Map();
  for (const run of runs) {
    const [model, took] = [modelOf(run) || "none", tookOf(run)];
    if (took !== null) found.set(model, [...(found.get(model) ?? []), took]);
  }
  const models = [...found].map(([name, times]) => ({ name, times: times.sort((one, other) => one - other) }));
  return models.sort((one, other) => other.times.length - one.times.length);
}

/** Places between 0 and 100 % by the logarithm, between powers of ten or halves of them. */
function scaleOf(values) {
  const low = Math.max(Math.min(...values), 1);
  const high = Math.max(...values, low);
  const [from, to] = [Math.floor(2 * Math.log10(low)) / 2, Math.ceil(2 * Math.log10(high) + 0.01) / 2];
  const place = (value) => (100 * (Math.log10(Math.max(value, low)) - from)) / (to - from);
  const ticks = [];
  for (let power = Math.ceil(from); power <= to; power++) ticks.push(10 ** power);
  return { place, ticks };
}

function strip({ name, times }, { place, ticks }) {
  const [low, middle, high, most] = [0.25, 0.5, 0.75, 0.95].map((part) => quantile(times, part));
  const lines = ticks.map((tick) => at(element("span", { class: "grid" }), place(tick)));
  const box = at(element("span", { class: "box" }), place(low));
  box.style.inlineSize = `${place(high) - place(low)}%`;
  const dots = times.map((time, index) => dot(place(time), index));
  const median = at(element("span", { class: "middle" }), place(middle));
  const text = `median ${duration(middle)} · 95 % ${duration(most)}`;
  return element(
    "div",
    { class: "strip", title: `${name}: ${text}` },
    element("span", { class: "name" }, name),
    element("span", { class: "detail" }, text),
    element("div", { class: "field" }, lines, dots, box, median),
  );
}

function dot(place, index) {
  const node = at(element("span", { class: "dot" }), place);
  node.style.insetBlockStart = `${(100 * (((index * 3) % LANES) + 0.5)) / LANES}%`;
  return node;
}

function axis({ place, ticks }) {
  const within = ticks.filter((tick) => place(tick) <= MOST_PLACE);
  const labels = within.map((tick) => at(element("span", {}, duration(tick)), place(tick)));
  return element("div", { class: "axis" }, labels);
}

function at(node, place) {
  node.style.insetInlineStart = `${place}%`;
  return node;
}

function quantileTable(title, models) {
  const head = ["Model", "runs", ...QUANTILES.map(([name]) => name)];
  const row = ({ name, times }) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, name),
      element("td", {}, count(times.length)),
      QUANTILES.map(([, part]) => element("td", {}, duration(quantile(times, part)))),
    );
  return dataTable(title, head, models.map(row));
}
