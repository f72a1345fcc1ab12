/** The run viewer: what a run was asked, what came of it, and what it writes while it is still going. */

import { element, showHidden } from "./elements.js";
import { dateOf, idOf, isFinal, statusOf } from "./fields.js";
import { follow } from "./following.js";
import { counted, duration } from "./formats.js";
import { errorView, heading } from "./runhead.js";
import { valueView } from "./values.js";

const PARTS = [
  ["result", "Result", true],
  ["parameters", "Parameters", true],
  ["prompt", "Prompt", true],
  ["config", "Configuration", false],
  ["result_schema", "Result schema", false],
  ["source", "Source", false],
];
const WITH_RESOURCE = ["result", "parameters", "prompt"];
const LIVE = { class: "text live", role: "log", tabindex: 0, "aria-label": "Text so far" };
const SECOND_MS = 1000;
const NO_TEXT_YET = "No text yet. The text of a run that another program started arrives when the run ends.";
const NEAR_PX = 40;
const CUT = /\[… [\d,]+ characters cut; whole in runs:/;

/** Shows one run at a time in `root`; `back`, where there is somewhere to go back to, is called by its button. */
export class RunView {
  runId = "";
  #host;
  #said = element("p", { class: "unseen", role: "status" });
  #content = element("div", { class: "run" });
  #closing = new AbortController();

  constructor(host, root, back) {
    this.#host = host;
    const button = back && element("button", { type: "button", class: "back", click: back }, "← All runs");
    root.replaceChildren(...[button, this.#said, this.#content].filter(Boolean));
  }

  /** Show a run as a tool answered it, and read what the answer left out. */
  show(run) {
    this.close();
    this.runId = idOf(run);
    const started = isStarted(run);
    this.#draw(run, started);
    const whole = isFinal(run) && "prompt" in run;
    if (!whole && this.#host.answersTools) this.open(this.runId, { started });
  }

  /** Read a run and show it; follow it while it executes. `started` is true if the run has been started. */
  async open(runId, { started = false } = {}) {
    this.close();
    if (runId !== this.runId) this.#say("Reading the run…");
    this.runId = runId;
    await this.#attempt(async (signal) => {
      const run = await this.#host.callTool("get_run", { run_id: runId });
      if (signal.aborted) return;
      const going = started || isStarted(run);
      const live = this.#draw(run, going);
      this.#said.textContent = `Run ${statusOf(run)}`;
      if (live) await this.#follow(live, { started: going, signal });
    });
  }

  /** Stop following. */
  close() {
    this.#closing.abort();
    this.#closing = new AbortController();
  }

  /** Gives the place for what it writes, if it is still going. */
  #draw(run, started) {
    const live = isFinal(run) ? null : element("pre", LIVE, run.text ?? "");
    const parts = [heading(run), errorView(run), live && liveView(live, run, started), this.#parts(run)];
    this.#content.replaceChildren(...parts.flat().filter(Boolean));
    return live;
  }

  async #follow(live, { started, signal }) {
    live.replaceChildren();
    const stopwatch = setInterval(() => tellTime(live), SECOND_MS);
    signal.addEventListener("abort", () => clearInterval(stopwatch));
    const writing = follow(this.#host, this.runId, { started, signal });
    let step = await writing.next();
    for (; !step.done; step = await writing.next()) {
      const atEnd = live.scrollHeight - live.scrollTop - live.clientHeight < NEAR_PX;
      live.append(showHidden(step.value));
      if (atEnd) live.scrollTop = live.scrollHeight;
    }
    clearInterval(stopwatch);
    if (signal.aborted) return;
    if (step.value) return this.open(this.runId, { started: true });
    const again = element("button", { type: "button", click: () => this.open(this.runId, { started }) }, "Go on");
    live.after(element("p", {}, "It has not ended yet. ", again));
  }

  async #attempt(work) {
    const { signal } = this.#closing;
    try {
      await work(signal);
    } catch (error) {
      if (!signal.aborted) this.#content.prepend(this.#problem(error.message));
    }
  }

  #problem(text) {
    const again = element("button", { type: "button", click: () => this.open(this.runId) }, "Try again");
    return element("div", { class: "problem", role: "alert" }, element("p", {}, text), again);
  }

  #say(text) {
    this.#content.replaceChildren(element("p", { class: "muted" }, text));
    this.#said.textContent = text;
  }

  #parts(run) {
    return PARTS.filter(([name]) => run[name] !== undefined && run[name] !== null).map(([name, title, open]) => {
      const body = element("div", { class: "body" }, valueView(run[name]), this.#wholeButton(run, name));
      return element(
        "details",
        { class: "card part-of-run", open },
        element("summary", {}, element("h2", {}, title)),
        body,
      );
    });
  }

  /** For a field that was cut to fit an answer, the way to the whole of it. */
  #wholeButton(run, name) {
    const cut = typeof run[name] === "string" && CUT.test(run[name]);
    if (!cut || !WITH_RESOURCE.includes(name) || !this.#host.capabilities.serverResources) return null;
    const read = ({ target }) =>
      this.#attempt(async () => {
        const whole = await this.#host.readResource(`runs://${idOf(run)}/${name}`);
        target.parentNode.replaceChildren(valueView(whole));
      });
    return element("button", { type: "button", click: read }, "Show the whole");
  }
}

/** Return true if the run has been started; an answer with a next call belongs to a started run. */
function isStarted(run) {
  return Boolean(run.next) || statusOf(run) !== "created";
}

function liveView(live, run, started) {
  const state = started ? "Running: its text appears here as it arrives." : "Created, and not started yet.";
  const since = started && dateOf(run)?.getTime();
  return element(
    "section",
    { class: "card", "aria-label": "Live text" },
    element("p", { class: "pulse" }, state, element("span", { class: "elapsed", "data-since": since })),
    live,
    started && element("p", { class: "hint muted" }, NO_TEXT_YET),
  );
}

/** Say how long the run has taken and how much it has written. */
function tellTime(live) {
  const place = live.parentNode.querySelector(".elapsed");
  const took = Math.max(Date.now() - Number(place.dataset.since ?? Date.now()), 0);
  const length = live.textContent.length;
  const parts = [took && duration(took - (took % SECOND_MS)), length && counted(length, "character")];
  place.textContent = parts.filter(Boolean).join(" · ");
}
