/** The failed runs by their cause: the code of the error, with the message of a recent run. */

import { element } from "./elements.js";
import { codeOf } from "./fields.js";
import { count, counted, share } from "./formats.js";

const MOST_CAUSES = 6;

/** A card of the causes. `chosen` tells whether a cause is filtered by, `choose` is called with a filter, its value and
 * name. */
export function causeCard({ causes, runs }, { chosen, choose }) {
  if (!causes.length) return null;
  const total = causes.reduce((sum, cause) => sum + cause.runs, 0);
  const items = causes.map((cause) => element("li", {}, causeRow(cause, messageOf(cause, runs), total, chosen, choose)));
  const rest = items.splice(MOST_CAUSES);
  return element(
    "section",
    { class: "card causes", "aria-label": "Failures by cause" },
    element("h3", {}, "Failures by cause"),
    element("p", { class: "readout" }, `${counted(total, "failed run")}; choose a cause to see its runs`),
    element("ul", {}, items),
    rest.length > 0 &&
      element(
        "details",
        { "data-key": "causes" },
        element("summary", {}, `${count(rest.length)} more`),
        element("ul", {}, rest),
      ),
  );
}

function messageOf({ code }, runs) {
  return runs.find((run) => codeOf(run) === code)?.error?.message ?? "";
}

function causeRow({ code, runs }, message, total, chosen, choose) {
  const fill = element("span", { class: "fill", "aria-hidden": "true" });
  fill.style.inlineSize = `${(100 * runs) / total}%`;
  const parts = [
    fill,
    element("span", { class: "name" }, code),
    element("span", { class: "number" }, count(runs), element("small", {}, share(runs, total))),
    message && element("span", { class: "detail", title: message }, message),
  ];
  // Runs that failed without a code cannot be filtered by it.
  if (!choose || code === "none") return element("div", { class: "facet-bar cause" }, parts);
  return element(
    "button",
    {
      type: "button",
      class: "facet-bar cause",
      "data-key": `error ${code}`,
      "aria-pressed": String(chosen("error", code, code)),
      click: () => choose("error", code, code),
    },
    parts,
  );
}
