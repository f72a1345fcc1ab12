/** Reading a chart a column at a time: by pointer, by arrow keys, by screen reader. */

import { element } from "./elements.js";

const STEPS_OF_KEYS = {
  ArrowLeft: -1,
  ArrowDown: -1,
  ArrowRight: 1,
  ArrowUp: 1,
  Home: -Infinity,
  End: Infinity,
};

/** `drawing` in an element that moves `cursor` through it, and says in `readout` what is there. */
export function withReader(chart, { drawing, cursor, readout }) {
  const last = chart.slots.length - 1;
  const reader = element("div", { ...attributes(chart.title, last), "data-key": chart.title }, drawing);
  let at = last;
  const move = (to) => {
    at = Math.min(Math.max(to, 0), last);
    reader.setAttribute("aria-valuenow", at);
    reader.setAttribute("aria-valuetext", sentence(chart, at));
    readout.textContent = sentence(chart, at);
    cursor.setAttribute("x", at);
    cursor.setAttribute("visibility", "visible");
  };
  const leave = () => {
    readout.textContent = chart.summary;
    cursor.setAttribute("visibility", "hidden");
  };
  move(last);
  leave();
  reader.addEventListener("focus", () => move(at));
  reader.addEventListener("blur", leave);
  reader.addEventListener("pointerleave", leave);
  reader.addEventListener("pointermove", ({ clientX }) => move(columnAt(drawing, clientX, last + 1)));
  reader.addEventListener("keydown", (event) => {
    if (!(event.key in STEPS_OF_KEYS)) return;
    event.preventDefault();
    move(at + STEPS_OF_KEYS[event.key]);
  });
  return reader;
}

/** The value to say of one of the series. */
export function valueAt({ values, shown }, index) {
  return (shown ?? values)[index];
}

function attributes(title, last) {
  return {
    class: "plot",
    role: "slider",
    tabindex: 0,
    "aria-label": `${title}, chart: arrow keys move through it`,
    "aria-orientation": "horizontal",
    "aria-valuemin": 0,
    "aria-valuemax": last,
  };
}

function columnAt(drawing, x, columns) {
  const { left, width } = drawing.getBoundingClientRect();
  return Math.floor(((x - left) / width) * columns);
}

function sentence({ slots, series, format }, index) {
  const parts = series
    .filter((one) => valueAt(one, index) > 0)
    .map((one) => `${one.name} ${format(valueAt(one, index))}`);
  return `${slots[index].title}: ${parts.join(", ") || "none"}`;
}
