/** The filters in force, as chips that take them back. */

import { element } from "./elements.js";

/** `drop` is called with a filter, its value and name; without it the chips only say what was asked. */
export function filterChips({ filters, names }, drop) {
  const pairs = Object.entries(filters).flatMap(([filter, value]) => [value].flat().map((one) => [filter, one]));
  return pairs.map(([filter, value]) => element("li", {}, chip(filter, value, names[value] ?? worded(value), drop)));
}

function worded(value) {
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function chip(filter, value, name, drop) {
  const label = `${filter}: ${name}`;
  if (!drop) return element("span", { class: "chip" }, label);
  const click = () => drop(filter, value, name);
  const attributes = { type: "button", class: "chip", "aria-label": `Remove filter ${label}`, click };
  return element("button", attributes, label, element("span", { "aria-hidden": "true" }, "×"));
}
