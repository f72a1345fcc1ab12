/** The least host of MCP Apps: shows one of our pages in a frame without an origin, and calls tools for it. */

import { ask } from "./endpoint.js";

const METHOD_NOT_FOUND = -32601;
const FAILED = -32000;
const FORWARDED = ["tools/call", "resources/read"];

const runId = new URLSearchParams(location.search).get("run");
const opening = runId
  ? { page: "run.html", name: "get_run", args: { run_id: runId } }
  : { page: "dashboard.html", name: "compute_run_facets", args: { start: "30d" } };
const dark = matchMedia("(prefers-color-scheme: dark)");
const frame = document.getElementById("page");

window.addEventListener("message", (event) => event.source === frame.contentWindow && receive(event.data));
dark.addEventListener("change", () => tell("ui/notifications/host-context-changed", { theme: theme() }));
frame.src = opening.page;

function receive({ id, method, params }) {
  if (method === "ui/initialize") return answer(id, welcome(params));
  if (method === "ui/notifications/initialized") return open();
  if (id === undefined) return undefined;
  if (FORWARDED.includes(method)) return forward(id, method, params);
  return refuse(id, METHOD_NOT_FOUND, `There is no ${method} here.`);
}

function welcome({ protocolVersion }) {
  return {
    protocolVersion,
    hostInfo: { name: "runs-mcp dashboard", version: "1.0.0" },
    hostCapabilities: { serverTools: {}, serverResources: {} },
    hostContext: { theme: theme(), displayMode: "fullscreen", availableDisplayModes: [], platform: "web" },
  };
}

/** Call the tool that the page is there for, and give it what came of it. */
async function open() {
  const { name, args } = opening;
  tell("ui/notifications/tool-input", { arguments: args });
  try {
    tell("ui/notifications/tool-result", await ask("tools/call", { name, arguments: args }));
  } catch (error) {
    tell("ui/notifications/tool-result", { content: [{ type: "text", text: error.message }], isError: true });
  }
}

async function forward(id, method, params) {
  try {
    answer(id, await ask(method, params));
  } catch (error) {
    refuse(id, FAILED, error.message);
  }
}

function theme() {
  return dark.matches ? "dark" : "light";
}

function answer(id, result) {
  send({ id, result });
}

function refuse(id, code, message) {
  send({ id, error: { code, message } });
}

function tell(method, params) {
  send({ method, params });
}

/** To any origin, since the frame has none. */
function send(message) {
  frame.contentWindow.postMessage({ jsonrpc: "2.0", ...message }, "*");
}
