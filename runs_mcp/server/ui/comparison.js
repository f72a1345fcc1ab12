/** The comparison of two runs: the fields in which they differ side by side, then those in which they agree. */

import { element } from "./elements.js";
import { valueView } from "./values.js";

const ABSENT = "(absent)";

/** Shows a comparison in `root`; `back` is called by its button, `open` with the id of a run. */
export class Comparison {
  ids = [];
  #host;
  #open;
  #content = element("div", { class: "run" });

  constructor(host, root, { back, open }) {
    this.#host = host;
    this.#open = open;
    const button = element("button", { type: "button", class: "back", click: back }, "← All runs");
    root.replaceChildren(button, this.#content);
  }

  /** Read the differences between two runs and show them. */
  async show(ids) {
    this.ids = ids;
    this.#say("Comparing the runs…", "status");
    try {
      const answer = await this.#host.callTool("get_run", { run_ids: ids, compare: true });
      if (this.ids === ids) this.#draw(answer);
    } catch (error) {
      if (this.ids === ids) this.#say(error.message, "alert");
    }
  }

  #say(text, role) {
    this.#content.replaceChildren(element("p", { role, class: role === "alert" ? "problem" : "muted" }, text));
  }

  #draw({ compared = [], common = {}, differences = {}, failures = {}, left_out: leftOut }) {
    const head = compared.map((id) =>
      element("th", { scope: "col" }, element("button", { type: "button", click: () => this.#open(id) }, id)),
    );
    const rows = Object.entries(differences).map(([path, values]) =>
      element(
        "tr",
        {},
        element("th", { scope: "row" }, spelled(path)),
        values.map((value) => element("td", {}, valued(value))),
      ),
    );
    const missed = Object.entries(failures).map(([id, reason]) =>
      element("p", { class: "problem", role: "alert" }, `${id}: ${reason}`),
    );
    this.#content.replaceChildren(
      element("h1", {}, "Comparison"),
      ...missed,
      compared.length > 1 ? differenceTable("Differences", head, rows) : "",
      agreed(common),
      leftOut ? element("p", { class: "muted" }, `${leftOut} more fields do not fit.`) : "",
    );
  }
}

function differenceTable(name, head, rows) {
  if (!rows.length) return element("p", { class: "card" }, "The runs agree in every field.");
  return element(
    "div",
    { class: "card scroll comparison", tabindex: 0, role: "region", "aria-label": name },
    element(
      "table",
      {},
      element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "Differences"), head)),
      element("tbody", {}, rows),
    ),
  );
}

function agreed(common) {
  const fields = Object.entries(common).map(([path, value]) => [
    element("dt", {}, spelled(path)),
    element("dd", {}, valued(value)),
  ]);
  if (!fields.length) return "";
  return element(
    "details",
    { class: "card part-of-run" },
    element("summary", {}, element("h2", {}, `In common (${fields.length})`)),
    element("div", { class: "body" }, element("dl", { class: "fields" }, fields)),
  );
}

function valued(value) {
  return value === ABSENT ? element("span", { class: "muted" }, "absent") : valueView(value);
}

/** A JSON pointer for reading: `/token_use/prompt` as `token_use › prompt`. */
function spelled(pointer) {
  const names = pointer.split("/").slice(1);
  return names.map((name) => name.replaceAll("~1", "/").replaceAll("~0", "~")).join(" › ") || "whole";
}
