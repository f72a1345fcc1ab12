/** What the dashboard is asked: the filters and the period of the tool call that opened it. */

import { ALL_TIME, PERIODS } from "./periods.js";

export const DEFAULT_PERIOD = "30d";
export const FILTERS = [
  "query",
  "name",
  "status",
  "interaction",
  "environment",
  "model",
  "tags",
  "parent",
  "object",
  "error",
];
/** The filters that take several values. */
export const LISTS = ["tags", "parent"];
const AS_ASKED = "asked";

/** A question as the arguments of any of the tools put it. Where `fixed`, the answer is all there is: what was asked
 * cannot be put as a search. */
export function questionOf(args) {
  const { tag, ...rest } = args;
  const given = tag ? { ...rest, tags: [tag] } : rest;
  const filters = Object.fromEntries(FILTERS.filter((name) => given[name] != null).map((name) => [name, given[name]]));
  const topLevelOnly = String(given.parent) === "false";
  if (given.parent != null) filters.parent = [given.parent].flat();
  const asked = { start: given.start ?? ALL_TIME, end: given.end };
  const known = !asked.end && PERIODS.some(([age]) => age === asked.start);
  return {
    filters,
    names: {},
    asked: known ? null : asked,
    period: known ? asked.start : AS_ASKED,
    fixed: isMongoFilter(given.query) || topLevelOnly || Boolean(given.where),
  };
}

/** Some hosts send objects as text. */
function isMongoFilter(query) {
  return Boolean(query) && (typeof query === "object" || /^\s*\{/.test(query));
}

/** The periods to choose from. */
export function choices({ asked }) {
  return asked ? [[AS_ASKED, "As asked"], ...PERIODS] : PERIODS;
}

/** Start and end, as tools take them. */
export function bounds({ period, asked }) {
  const { start, end } = period === AS_ASKED ? asked : { start: period };
  return { ...(start && { start }), ...(end && { end }) };
}

/** Filters and period as arguments of a search, which cannot filter by the code of an error: only failed runs have
 * one. */
export function searchArguments(question) {
  const { error, ...filters } = question.filters;
  return { ...filters, ...(error && { status: "failed" }), ...bounds(question) };
}

/** Filters and period as arguments of an aggregation. */
export function aggregateArguments(question) {
  const { error } = question.filters;
  return { ...searchArguments(question), ...(error && { where: { "error.code": error } }) };
}

/** Whether a value is filtered by, by its id or its name. */
export function isChosen({ filters }, filter, value, name) {
  const chosen = [filters[filter] ?? []].flat();
  return chosen.includes(value) || chosen.includes(name);
}

/** Filter by a value, or no more if it was filtered by. */
export function toggle(question, filter, value, name) {
  const { filters, names } = question;
  const chosen = isChosen(question, filter, value, name);
  const others = [filters[filter] ?? []].flat().filter((one) => one !== value && one !== name);
  names[value] = name;
  if (LISTS.includes(filter)) filters[filter] = chosen ? others : [...others, value];
  else filters[filter] = chosen ? undefined : value;
  if (!filters[filter]?.length) delete filters[filter];
}
