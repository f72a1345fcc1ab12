/** Numbers and moments as a person says them. */

const LOCALE = "en-GB";
const WHOLE = new Intl.NumberFormat(LOCALE);
const SHORT = new Intl.NumberFormat(LOCALE, { notation: "compact", maximumFractionDigits: 1 });
const MOMENT = new Intl.DateTimeFormat(LOCALE, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const TIME = new Intl.DateTimeFormat(LOCALE, { timeStyle: "medium" });
/** Slots of time are those of the server, in UTC. */
const UTC = { timeZone: "UTC" };
const DAY_OF_YEAR = new Intl.DateTimeFormat(LOCALE, { ...UTC, day: "numeric", month: "short" });
const WEEKDAY = new Intl.DateTimeFormat(LOCALE, { ...UTC, weekday: "short", day: "numeric", month: "short" });
const HOUR_OF_DAY = new Intl.DateTimeFormat(LOCALE, { ...UTC, hour: "2-digit", minute: "2-digit" });

const LONGEST_IN_SECONDS = 120;

export const count = (number) => WHOLE.format(number);
export const compact = (number) => SHORT.format(number);
export const moment = (date) => MOMENT.format(date);
export const day = (date) => DAY_OF_YEAR.format(date);
export const weekday = (date) => WEEKDAY.format(date);
export const hour = (date) => HOUR_OF_DAY.format(date);

/** `340 ms`, `1.2 s`, `10 s`, `4 min`. */
export function duration(milliseconds) {
  if (milliseconds === 0) return "0";
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  const seconds = milliseconds / 1000;
  return seconds < LONGEST_IN_SECONDS ? `${Number(seconds.toFixed(1))} s` : `${count(Math.round(seconds / 60))} min`;
}

/** US dollars, small amounts with two significant digits: `$1,204`, `$0.07`, `$0.0012`. */
export function dollars(amount) {
  const digits = amount >= 100 || amount === 0 ? 0 : amount >= 0.1 ? 2 : Math.min(1 - Math.floor(Math.log10(amount)), 8);
  return `$${amount.toLocaleString(LOCALE, { minimumFractionDigits: digits, maximumFractionDigits: digits })}`;
}

/** `14:03:27`. */
export const timeOfDay = (date) => TIME.format(date);

export function share(part, whole) {
  return whole ? `${((100 * part) / whole).toFixed(part && part < whole / 10 ? 1 : 0)} %` : "0 %";
}

/** `1 run`, `2 runs`. */
export function counted(number, noun) {
  return `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
}
