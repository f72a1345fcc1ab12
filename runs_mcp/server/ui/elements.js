/** Building elements. What is given as text becomes a text node, so that markup in it stays text. */

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element; an attribute that is a function listens, one that is null, undefined or false is left out. */
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
  node.replaceChildren(...children.flat(Infinity).filter(Boolean));
  for (const keyed of node.querySelectorAll("[data-key]")) {
    if (keyed.dataset.key === focused?.dataset.key) keyed.focus();
    if (keyed.matches("details") && opened.includes(keyed.dataset.key)) keyed.open = true;
  }
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value !== null && value !== undefined && value !== false)
      node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}
