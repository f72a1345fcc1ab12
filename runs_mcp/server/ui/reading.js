/** The answers to a question: numbers that the server computed over all runs, and the newest runs page by page. */

import { codeOf, idOf } from "./fields.js";
import { cut, momentOf, unitOf } from "./periods.js";
import { aggregateArguments, bounds, searchArguments } from "./question.js";

const PAGE = 100;
const MOST_GROUPS = 200;
/** The runs to read for the distribution of latency. */
const SAMPLE = 500;
const MEASURES = ["runs", "failed", "median_ms", "p95_ms", "prompt_tokens", "result_tokens"];
/** Facets with the dimension of an aggregation that counts the same. */
const COUNTED_AS = {
  models: "model",
  environments: "environment",
  interactions: "interaction",
  tags: "tag",
  finish_reason: "finish_reason",
};

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
  /** The failed runs by error code. */
  causes = [];
  /** The cost in all and over time; null if the server cannot tell. */
  costs = null;
  workspace = "";
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
    const fresh = runs.filter((run) => !this.#seen.has(idOf(run)) && this.#fits(run));
    fresh.forEach((run) => this.#seen.add(idOf(run)));
    this.runs.push(...fresh);
    if (facets) this.facets = { facets, total };
    if (groups) this.summary = answer;
    this.workspace = answer.workspace ?? this.workspace;
    this.begun = true;
  }

  /** Have the server count the runs by each facet. */
  async count() {
    if (this.#question.filters.error) return this.#countFailures();
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
    const [times] = await Promise.all([
      this.#overTime([], MEASURES),
      this.splitBy(split),
      this.#group(),
      this.#sumCosts(),
    ]);
    this.times = times;
  }

  /** Have the server count runs over time by the values of `split`. */
  async splitBy(split) {
    this.split = { by: split, groups: await this.#overTime([split], ["runs"]) };
  }

  /** Read further pages of the newest runs, until `wanted` are known or there are no more. */
  async more(wanted = this.runs.length + 1) {
    while (this.next !== null && this.runs.length < wanted) {
      const page = { ...searchArguments(this.#question), limit: PAGE, offset: this.next };
      const answer = await this.#host.callTool("search_runs", page);
      this.take(answer);
      this.next = answer.next_offset ?? null;
    }
  }

  /** Read enough of the newest runs for the distribution of their latency. */
  sample() {
    return this.more(SAMPLE);
  }

  /** The arguments of the search that lists the runs, for reading them all. */
  get search() {
    return searchArguments(this.#question);
  }

  /** Whether a run of the search is one of the question. */
  #fits(run) {
    const { error } = this.#question.filters;
    return !error || codeOf(run) === error;
  }

  async #group() {
    const { status } = this.#question.filters;
    if (status && status !== "failed") return;
    const { groups } = await this.#aggregate({ by: ["error"], measures: ["runs"], status: "failed" });
    this.causes = groups.map(({ by, runs }) => ({ code: by.error, runs }));
  }

  /** The runs of an error code by each facet, which `compute_run_facets` cannot filter by. */
  async #countFailures() {
    const counted = Object.entries(COUNTED_AS).map(async ([facet, by]) => {
      const { groups } = await this.#aggregate({ by: [by], measures: ["runs"] });
      const bucket = (group) => ({ id: group.ids?.[by] ?? group.by[by], name: group.by[by], count: group.runs });
      return [facet, groups.map(bucket)];
    });
    const [whole, ...facets] = await Promise.all([this.#aggregate({ measures: ["runs"] }), ...counted]);
    const total = whole.total.runs;
    const status = total ? [{ id: "failed", count: total }] : [];
    this.take({ facets: { status, ...Object.fromEntries(facets) }, total });
  }

  /** Costs apart from all else, since a server without list prices may refuse them. */
  async #sumCosts() {
    try {
      const question = { by: [this.unit], measures: ["cost"] };
      const { groups, total, cost_source: source } = await this.#aggregate(question);
      this.costs = total.cost == null ? null : { groups, total: total.cost, estimated: !source?.reported };
    } catch {
      this.costs = null;
    }
  }

  #aggregate(question) {
    const args = { ...aggregateArguments(this.#question), limit: MOST_GROUPS, ...question };
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
