/** The answers to a question: numbers that the server computed over all runs, and the newest runs page by page. */

import { idOf } from "./fields.js";
import { cut, momentOf, unitOf } from "./periods.js";
import { bounds, searchArguments } from "./question.js";

const PAGE = 25;
const MOST_GROUPS = 200;
const MEASURES = ["runs", "median_ms", "p95_ms", "prompt_tokens", "result_tokens"];

/** The answers so far. */
export class Reading {
  /** Whether anything is known yet. */
  begun = false;
  facets = null;
  /** The answer of `aggregate_runs` that opened the dashboard, or that summarises all runs by model. */
  summary = null;
  /** The slots of time, with the groups of each series over them. */
  slots = [];
  unit = "day";
  times = [];
  split = { by: null, groups: [] };
  runs = [];
  /** The offset of the next page of runs; null after the last page. */
  next = 0;
  #host;
  #question;
  #seen = new Set();

  constructor(host, question) {
    this.#host = host;
    this.#question = question;
  }

  /** The number of runs; null if it is unknown. */
  get total() {
    return this.facets?.total ?? this.summary?.matching ?? null;
  }

  /** Take what an answer holds. A run may be in two pages, if others were created in between. */
  take(answer) {
    const { runs = [], facets, groups, total } = answer;
    const fresh = runs.filter((run) => !this.#seen.has(idOf(run)));
    fresh.forEach((run) => this.#seen.add(idOf(run)));
    this.runs.push(...fresh);
    if (facets) this.facets = { facets, total };
    if (groups) this.summary = answer;
    this.begun = true;
  }

  async count() {
    this.take(await this.#host.callTool("compute_run_facets", searchArguments(this.#question)));
  }

  /** Have the server compute times and tokens: in all, by model and over time. */
  async summarise(split) {
    this.take(await this.#aggregate({ by: ["model"], measures: MEASURES }));
    const { start, end } = bounds(this.#question);
    const to = momentOf(end) ?? new Date();
    const from = momentOf(start) ?? momentOf(this.summary.oldest) ?? to;
    this.unit = unitOf(from, to);
    this.slots = cut(from, to, this.unit);
    const [times] = await Promise.all([this.#overTime([], MEASURES), this.splitBy(split)]);
    this.times = times;
  }

  /** Have the server count runs over time by the values of `split`. */
  async splitBy(split) {
    this.split = { by: split, groups: await this.#overTime([split], ["runs"]) };
  }

  /** Read another page of the newest runs. */
  async more() {
    const page = { ...searchArguments(this.#question), limit: PAGE, offset: this.next };
    const answer = await this.#host.callTool("search_runs", page);
    this.take(answer);
    this.next = answer.next_offset ?? null;
  }

  #aggregate(question) {
    const args = { ...searchArguments(this.#question), limit: MOST_GROUPS, ...question };
    return this.#host.callTool("aggregate_runs", args);
  }

  /** The groups of all slots. An answer holds the latest groups: the slot it begins in may be cut, and is asked again. */
  async #overTime(by, measures) {
    const question = { by: [this.unit, ...by], measures };
    const found = [];
    for (;;) {
      const { groups, left_out: leftOut } = await this.#aggregate(question);
      const first = leftOut ? groups[0].by[this.unit] : null;
      const whole = groups.filter((group) => group.by[this.unit] !== first);
      found.unshift(...whole);
      const again = this.slots.find(({ key }) => key === first);
      if (!again || !whole.length) return found;
      question.end = again.end.toISOString();
    }
  }
}
