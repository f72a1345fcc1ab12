/** The figures of a chart as a table, closed at first. */

import { element } from "./elements.js";

/** Return a table under a summary; `head` are the names of its columns, `rows` its rows as elements. */
export function dataTable(title, head, rows) {
  const names = head.map((name) => element("th", { scope: "col" }, name));
  return element(
    "details",
    { class: "data", "data-key": `${title} table` },
    element("summary", { "aria-label": `${title}, as a table` }, "As a table"),
    element(
      "div",
      { class: "scroll", tabindex: 0, role: "region", "aria-label": `${title}, table` },
      element("table", {}, element("thead", {}, element("tr", {}, names)), element("tbody", {}, rows)),
    ),
  );
}
