/** Reading what a question asks for: the counts of all runs, and the runs themselves page by page. */

import { idOf } from "./fields.js";
import { searchArguments } from "./question.js";

const PAGE = 100;
/** How many runs are read before asking whether to go on. */
export const PORTION = 500;

/** What a question came to so far. */
export class Reading {
  /** Whether anything is known yet. */
  begun = false;
  facets = null;
  runs = [];
  /** Where to read on; null after the last page. */
  next = 0;
  #host;
  #question;
  #seen = new Set();

  constructor(host, question) {
    this.#host = host;
    this.#question = question;
  }

  /** How many runs there are, read or not; null where nobody says. */
  get total() {
    return this.facets?.total ?? (this.next === null ? this.runs.length : null);
  }

  /** Take what an answer holds. A run may be in two pages, where others were created in between. */
  take({ runs = [], facets, total }) {
    const fresh = runs.filter((run) => !this.#seen.has(idOf(run)));
    fresh.forEach((run) => this.#seen.add(idOf(run)));
    this.runs.push(...fresh);
    if (facets) this.facets = { facets, total };
    this.begun = true;
  }

  async count() {
    this.take(await this.#host.callTool("compute_run_facets", searchArguments(this.#question)));
  }

  /** Read another portion of the newest runs. `onPage` is called after each page, and says whether to go on. */
  async more(onPage) {
    const end = this.runs.length + PORTION;
    while (this.next !== null && this.runs.length < end) {
      const page = { ...searchArguments(this.#question), limit: PAGE, offset: this.next };
      const answer = await this.#host.callTool("search_runs", page);
      this.take(answer);
      this.next = answer.next_offset ?? null;
      if (!onPage()) return;
    }
  }
}
