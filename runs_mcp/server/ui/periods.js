/** Periods, and how they are cut into the hours, days or weeks that the server groups by: in UTC. */

import { day, hour, weekday } from "./formats.js";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const WEEK = 7 * DAY;
const MILLISECONDS = { s: 1000, m: 60_000, h: HOUR, d: DAY, w: WEEK };
const AGE = /^(\d{1,6})\s*([smhdw])$/;
/** 1 January 1970 was a Thursday. */
const FIRST_MONDAY = 4 * DAY;

export const ALL_TIME = "";
export const PERIODS = [
  ["24h", "24 hours"],
  ["7d", "7 days"],
  ["30d", "30 days"],
  ["90d", "90 days"],
  [ALL_TIME, "All time"],
];

const UNITS = {
  hour: { upTo: 2 * DAY, length: HOUR, label: hour, title: (date) => `${weekday(date)}, ${hour(date)}` },
  day: { upTo: 62 * DAY, length: DAY, label: day, title: weekday },
  week: { upTo: Infinity, length: WEEK, label: day, title: (date) => `Week of ${day(date)}` },
};
const KEYS = {
  hour: (date) => date.toISOString().slice(0, 13),
  day: (date) => date.toISOString().slice(0, 10),
  week: weekOf,
};

/** The moment that an age such as `7d` or an ISO 8601 text names; null for neither. */
export function momentOf(text, now = Date.now()) {
  const age = AGE.exec(String(text ?? "").toLowerCase());
  const date = age ? new Date(now - age[1] * MILLISECONDS[age[2]]) : new Date(text || NaN);
  return Number.isNaN(date.getTime()) ? null : date;
}

/** The unit to cut a period by. */
export function unitOf(from, to) {
  return Object.keys(UNITS).find((name) => to - from <= UNITS[name].upTo);
}

/** The slots of a period: each with its start and end, the key of its group, a short label and a title. */
export function cut(from, to, unit) {
  const { length, label, title } = UNITS[unit];
  const found = [];
  for (let time = floor(from.getTime(), unit); time <= to; time += length) {
    const start = new Date(time);
    const end = new Date(time + length);
    found.push({ start, end, key: KEYS[unit](start), label: label(start), title: title(start) });
  }
  return found;
}

function floor(time, unit) {
  const origin = unit === "week" ? FIRST_MONDAY : 0;
  const { length } = UNITS[unit];
  return Math.floor((time - origin) / length) * length + origin;
}

/** The ISO week that starts on `monday`, such as `2026-W47`; it belongs to the year of its Thursday. */
function weekOf(monday) {
  const thursday = new Date(monday.getTime() + 3 * DAY);
  const year = thursday.getUTCFullYear();
  const number = 1 + Math.floor((thursday - Date.UTC(year, 0, 1)) / WEEK);
  return `${year}-W${String(number).padStart(2, "0")}`;
}
