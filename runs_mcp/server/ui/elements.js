/** Building elements. What is given as text becomes a text node, so that markup in it stays text. */

const SVG = "http://www.w3.org/2000/svg";
/** The characters that `observability/masking.py` writes out as well: they are invisible, or reorder visible text. */
const HIDDEN = new RegExp(
  "[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f" +
    "\\u200e\\u200f\\u061c\\u202a-\\u202e\\u2066-\\u2069" +
    "\\xad\\u180e\\u200b\\u2060-\\u2065\\u206a-\\u206f\\ufeff\\ufff9-\\ufffb" +
    "\\u115f\\u1160\\u3164\\uffa0\\u2028\\u2029\\u{e0000}-\\u{e0fff}]",
  "gu",
);
const READ_BY_PEOPLE = ["title", "aria-label"];

/** Text with hidden characters written out, e.g. `<U+202E>`. */
export function showHidden(text) {
  const written = (found) => `<U+${found.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}>`;
  return text.replaceAll("\r\n", "\n").replace(HIDDEN, written);
}

/** Return an HTML element. A function as attribute becomes a listener; null, undefined and false are left out. */
export function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** The same of SVG. */
export function shape(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

export function byId(id) {
  return document.getElementById(id);
}

/** Give `node` other children; what had the focus and what was opened is found again by its `data-key`. */
export function redraw(node, ...children) {
  const focused = node.contains(document.activeElement) ? document.activeElement.closest("[data-key]") : null;
  const opened = [...node.querySelectorAll("details[open][data-key]")].map(({ dataset }) => dataset.key);
  node.replaceChildren(...children.flat(Infinity).filter(Boolean).map(withoutHidden));
  for (const keyed of node.querySelectorAll("[data-key]")) {
    if (keyed.dataset.key === focused?.dataset.key) keyed.focus();
    if (keyed.matches("details") && opened.includes(keyed.dataset.key)) keyed.open = true;
  }
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value !== null && value !== undefined && value !== false)
      node.setAttribute(name, value === true ? "" : READ_BY_PEOPLE.includes(name) ? withoutHidden(value) : value);
  }
  const given = children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
  node.append(...given.map(withoutHidden));
  return node;
}

function withoutHidden(value) {
  return typeof value === "string" ? showHidden(value) : value;
}
