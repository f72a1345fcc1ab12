/** The state of the dashboard as the query of an address, so that Back, reload and links work. */

import { bounds, DEFAULT_PERIOD, FILTERS, LISTS, questionOf } from "./question.js";

/** The query for a question and for what is open: a run, or the runs that are compared. */
export function queryOf(question, { run = "", compared = [] } = {}) {
  const query = new URLSearchParams();
  const { start = "all", end } = bounds(question);
  if (start !== DEFAULT_PERIOD) query.set("start", start);
  if (end) query.set("end", end);
  for (const filter of FILTERS) {
    for (const value of [question.filters[filter] ?? []].flat()) query.append(filter, value);
  }
  if (run) query.set("run", run);
  for (const id of compared) query.append("compare", id);
  return query.size ? `?${query}` : "";
}

/** The question and what is open, as a query names them. */
export function stateOf(search) {
  const query = new URLSearchParams(search);
  const start = query.get("start") ?? DEFAULT_PERIOD;
  const args = { ...(start !== "all" && { start }), ...(query.get("end") && { end: query.get("end") }) };
  for (const filter of FILTERS) {
    const values = query.getAll(filter).filter(Boolean);
    if (values.length) args[filter] = LISTS.includes(filter) ? values : values[0];
  }
  return { question: questionOf(args), run: query.get("run") ?? "", compared: query.getAll("compare").slice(0, 2) };
}
