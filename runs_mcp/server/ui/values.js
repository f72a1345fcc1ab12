/** What a run holds, for reading: texts as texts, objects as lists of their fields. It is data, and never markup. */

import { element } from "./elements.js";

const DEEPEST = 4;
const MOST_ITEMS = 100;

export function valueView(value, depth = 0) {
  if (value === null || value === undefined || value === "") return element("span", { class: "muted" }, "nothing");
  if (typeof value === "string") return textView(value);
  if (typeof value !== "object") return element("code", {}, String(value));
  if (depth >= DEEPEST) return jsonView(value);
  return Array.isArray(value) ? listView(value, depth) : fieldsView(value, depth);
}

function textView(text) {
  const parsed = /^\s*[[{]/.test(text) ? parsedOrNull(text) : null;
  return parsed === null ? element("p", { class: "text" }, text) : jsonView(parsed);
}

function listView(items, depth) {
  const shown = items.slice(0, MOST_ITEMS).map((item) => element("li", {}, itemView(item, depth)));
  const rest = items.length - shown.length;
  const plain = items.every((item) => item === null || typeof item !== "object");
  return element(
    "ol",
    { class: plain ? "items plain" : "items" },
    shown,
    rest > 0 && element("li", {}, `and ${rest} more`),
  );
}

/** A message by its role, a part of a result by its value, anything else as it is. */
function itemView(item, depth) {
  if (typeof item?.role === "string" && "content" in item) {
    return element("div", { class: "message" }, element("h3", {}, item.role), valueView(item.content, depth + 1));
  }
  if (typeof item?.type === "string" && "value" in item) return valueView(item.value, depth + 1);
  return valueView(item, depth + 1);
}

function fieldsView(object, depth) {
  const fields = Object.entries(object).map(([name, value]) => [
    element("dt", {}, name),
    element("dd", {}, valueView(value, depth + 1)),
  ]);
  return fields.length ? element("dl", { class: "fields" }, fields) : jsonView(object);
}

function jsonView(value) {
  return element("pre", { class: "text" }, JSON.stringify(value, null, 2));
}

function parsedOrNull(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
