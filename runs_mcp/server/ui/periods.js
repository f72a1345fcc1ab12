/** Periods, and how they are cut into hours, days, weeks or months of the reader's clock. */

import { day, hour, month, weekday } from "./formats.js";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const MILLISECONDS = { s: 1000, m: 60_000, h: HOUR, d: DAY, w: 7 * DAY };
const AGE = /^(\d{1,6})\s*([smhdw])$/;

export const ALL_TIME = "";
export const PERIODS = [
  ["24h", "24 hours"],
  ["7d", "7 days"],
  ["30d", "30 days"],
  ["90d", "90 days"],
  [ALL_TIME, "All time"],
];

const UNITS = [
  { name: "hour", upTo: 2 * DAY, label: hour, title: (date) => `${weekday(date)}, ${hour(date)}` },
  { name: "day", upTo: 62 * DAY, label: day, title: weekday },
  { name: "week", upTo: 430 * DAY, label: day, title: (date) => `Week of ${day(date)}` },
  { name: "month", upTo: Infinity, label: month, title: month },
];

/** The moment that an age such as `7d` or an ISO 8601 text names; null for neither. */
export function momentOf(text, now = Date.now()) {
  const age = AGE.exec(String(text ?? "").toLowerCase());
  const date = age ? new Date(now - age[1] * MILLISECONDS[age[2]]) : new Date(text || NaN);
  return Number.isNaN(date.getTime()) ? null : date;
}

/** The unit to cut a period by, and its slots, each with its start and end, a short label and a title. */
export function slots(from, to) {
  const unit = UNITS.find(({ upTo }) => to - from <= upTo);
  const found = [];
  for (let start = floor(from, unit.name); start <= to; start = next(start, unit.name)) {
    found.push({ start, end: next(start, unit.name), label: unit.label(start), title: unit.title(start) });
  }
  return { unit: unit.name, slots: found };
}

function floor(date, unit) {
  const start = new Date(date);
  start.setMinutes(0, 0, 0);
  if (unit === "hour") return start;
  start.setHours(0);
  if (unit === "week") start.setDate(start.getDate() - ((start.getDay() + 6) % 7));
  if (unit === "month") start.setDate(1);
  return start;
}

/** By the calendar, since days of 23 and 25 hours happen. */
function next(date, unit) {
  const end = new Date(date);
  if (unit === "hour") end.setTime(end.getTime() + HOUR);
  if (unit === "day") end.setDate(end.getDate() + 1);
  if (unit === "week") end.setDate(end.getDate() + 7);
  if (unit === "month") end.setMonth(end.getMonth() + 1);
  return end;
}
