/** Column charts: stacked, with a reader to move through them, and as a table. */

import { dataTable } from "./datatable.js";
import { element, shape } from "./elements.js";
import { valueAt, withReader } from "./reader.js";

const HEIGHT = 100;
const COLUMN = 0.78;
const GAP = 0.6;
const MOST_LABELS = 5;
const STEPS = [1, 1.2, 1.6, 2, 4, 6, 8, 10];

/** A figure of `series` over `slots`.
 * @param chart `{title, summary, slots: [{label, title}], series: [{name, shade, values, shown?}], format, least?}`;
 *   `shown` are the values to say where those drawn are parts of them, `least` is the lowest end of the scale. */
export function columnChart(chart) {
  const readout = element("p", { class: "readout" }, chart.summary);
  return element(
    "figure",
    { class: "card chart" },
    element("figcaption", {}, element("h3", {}, chart.title), readout),
    chart.series.length > 1 && legend(chart.series),
    chart.slots.length ? plot(chart, readout) : element("p", { class: "muted" }, "Nothing to show."),
    chart.slots.length > 0 && table(chart),
  );
}

function legend(series) {
  const items = series.map(({ name, shade }) => element("li", {}, element("span", { class: `swatch ${shade}` }), name));
  return element("ul", { class: "legend" }, items);
}

function plot(chart, readout) {
  const { slots, series, format, least = 2 } = chart;
  const sums = slots.map((_, index) => series.reduce((sum, { values }) => sum + values[index], 0));
  const top = ceiling(Math.max(...sums), least);
  const cursor = shape("rect", { class: "cursor", width: 1, height: HEIGHT });
  const bars = slots.flatMap((_, index) => column(series, index, top));
  const lines = [0, HEIGHT / 2, HEIGHT].map((y) => shape("line", { x1: 0, x2: slots.length, y1: y, y2: y }));
  const viewBox = `0 0 ${slots.length} ${HEIGHT}`;
  const drawing = shape("svg", { viewBox, preserveAspectRatio: "none", "aria-hidden": "true" }, lines, cursor, bars);
  const scale = [top, top / 2, 0].map((value) => element("span", {}, format(value)));
  return element(
    "div",
    { class: "frame" },
    element("div", { class: "scale", "aria-hidden": "true" }, scale),
    withReader(chart, { drawing, cursor, readout }),
    element("div", { class: "ticks", "aria-hidden": "true" }, ticks(slots)),
  );
}

function column(series, index, top) {
  let floor = HEIGHT;
  return series
    .filter(({ values }) => values[index] > 0)
    .map(({ values, shade }) => {
      const height = (HEIGHT * values[index]) / top;
      floor -= height;
      const x = index + (1 - COLUMN) / 2;
      return shape("rect", { class: shade, x, y: floor, width: COLUMN, height: Math.max(height - GAP, GAP) });
    });
}

function ticks(slots) {
  const every = Math.ceil(slots.length / MOST_LABELS);
  return slots.map(({ label }, index) => element("span", {}, index % every === 0 && element("span", {}, label)));
}

function table({ title, slots, series, format }) {
  const head = ["", ...series.map(({ name }) => name)];
  const rows = slots.map((slot, index) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, slot.title),
      series.map((one) => element("td", {}, format(valueAt(one, index)))),
    ),
  );
  return dataTable(title, head, rows);
}

/** The end of the scale: a round number, not below `least`, whose half is round too. */
function ceiling(most, least) {
  if (most <= 0) return least || 1;
  const power = 10 ** Math.floor(Math.log10(most));
  const step = STEPS.find((one) => one * power >= most) * power;
  return Math.max(step, least);
}
