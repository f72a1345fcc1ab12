/** Export of the runs that match, as CSV or JSON Lines, in a file that the host saves. */

import {
  codeOf,
  dateOf,
  environmentOf,
  idOf,
  interactionOf,
  modelOf,
  statusOf,
  tagsOf,
  tokensOf,
  tookOf,
} from "./fields.js";

const MOST_RUNS = 10_000;
/** A spreadsheet would execute a cell that begins like this. */
const FORMULA = /^[=+\-@\t\r]/;
const COLUMNS = {
  id: idOf,
  status: statusOf,
  interaction: interactionOf,
  environment: environmentOf,
  environment_id: (run) => run.environment?.id,
  model: modelOf,
  created_at: (run) => dateOf(run)?.toISOString(),
  execution_time_ms: tookOf,
  prompt_tokens: (run) => tokensOf(run)?.prompt,
  result_tokens: (run) => tokensOf(run)?.result,
  error_code: codeOf,
  error_message: (run) => run.error?.message,
  tags: (run) => tagsOf(run).join(" "),
};

export const FORMATS = {
  csv: { name: "CSV", mimeType: "text/csv", write: toCsv },
  jsonl: { name: "JSON Lines", mimeType: "application/jsonl", write: toJsonLines },
};

/** Read all runs of `reading`, and have the host save them.
 * @param told is called with the number of runs read so far.
 * @returns how many were saved, and whether there are more. */
export async function exportRuns(host, reading, format, told) {
  const { mimeType, write } = FORMATS[format];
  while (reading.next !== null && reading.runs.length < MOST_RUNS) {
    await reading.more();
    told(reading.runs.length);
  }
  const runs = reading.runs.slice(0, MOST_RUNS);
  const uri = `file:///runs-${new Date().toISOString().slice(0, 10)}.${format}`;
  const contents = [{ type: "resource", resource: { uri, mimeType, text: write(runs) } }];
  const { isError } = await host.request("ui/download-file", { contents });
  if (isError) throw new Error("The host did not save the file.");
  return { saved: runs.length, complete: reading.next === null && reading.runs.length <= MOST_RUNS };
}

/** A line a run, after a line of names, as RFC 4180 has it. */
export function toCsv(runs) {
  const rows = runs.map((run) => Object.values(COLUMNS).map((read) => cell(read(run))));
  return [Object.keys(COLUMNS), ...rows].map((row) => `${row.join(",")}\r\n`).join("");
}

/** A run a line, with every field that the search returns. */
export function toJsonLines(runs) {
  return runs.map((run) => `${JSON.stringify(run)}\n`).join("");
}

function cell(value) {
  if (value === null || value === undefined) return "";
  const text = typeof value === "string" && FORMULA.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
