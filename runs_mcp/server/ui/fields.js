/** Reading a run, whichever contract it came by: any field may be missing, an object or a bare text. */

const FINAL = ["completed", "failed"];
const OWN_TAG_PREFIX = "runs-mcp:";

export const idOf = (run) => String(run.id ?? run._id ?? "");
export const statusOf = (run) => String(run.status ?? "unknown").toLowerCase();
export const modelOf = (run) => String(run.modelId ?? "");
export const interactionOf = (run) => labelOf(run.interaction);
export const environmentOf = (run) => labelOf(run.environment);
export const isFinal = (run) => FINAL.includes(statusOf(run));
export const tagsOf = (run) =>
  [run.tags ?? []]
    .flat()
    .map(String)
    .filter((tag) => !tag.startsWith(OWN_TAG_PREFIX));

/** What to call something that is given by name, by id, or not at all. */
export function labelOf(reference) {
  const given = reference && typeof reference === "object" ? (reference.name ?? reference.id) : reference;
  return String(given ?? "");
}

/** A date, or null where the run has none that can be read. */
export function dateOf(run, field = "created_at") {
  const date = new Date(run[field] ?? NaN);
  return Number.isNaN(date.getTime()) ? null : date;
}

/** Milliseconds it took, or null. */
export function tookOf(run) {
  return typeof run.execution_time === "number" ? run.execution_time : null;
}

/** Tokens read and written; null where the run does not say. */
export function tokensOf(run) {
  const use = run.token_use;
  if (!use || typeof use !== "object") return null;
  return { prompt: Number(use.prompt) || 0, result: Number(use.result ?? use.completion) || 0 };
}

/** The code of its error, as aggregations name it; nothing for a run that did not fail. */
export function codeOf(run) {
  if (!run.error && statusOf(run) !== "failed") return "";
  return String(run.error?.code ?? "none");
}

/** Code and message on one line, or nothing. */
export function errorOf(run) {
  if (!run.error) return "";
  if (typeof run.error !== "object") return String(run.error);
  return [run.error.code, run.error.message].filter(Boolean).map(String).join(": ") || "no reason given";
}

/** The names that several environments share, of facet buckets and runs. */
export function clashingNames(buckets, runs) {
  const ids = new Map();
  const environments = [...buckets, ...runs.map((run) => run.environment)];
  for (const environment of environments.filter((one) => one?.name && one.id)) {
    ids.set(environment.name, (ids.get(environment.name) ?? new Set()).add(environment.id));
  }
  return new Set([...ids].filter(([, found]) => found.size > 1).map(([name]) => name));
}

/** A name with a part of the id where others share the name, as the server puts it. */
export function distinctName({ id, name }, clashing) {
  if (!clashing.has(name)) return name;
  return `${name} (${id.length > 9 ? `${id.slice(0, 4)}…${id.slice(-4)}` : id})`;
}
