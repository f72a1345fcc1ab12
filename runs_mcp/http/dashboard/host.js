/** The least host of MCP Apps: shows the dashboard in a frame without an origin, calls tools for it, keeps its state in
 * the address and saves its files. */

import { ask } from "./endpoint.js";

const METHOD_NOT_FOUND = -32601;
const FAILED = -32000;
const FORWARDED = ["tools/call", "resources/read"];
const LOCATION = "runs-mcp/location-changed";

const dark = matchMedia("(prefers-color-scheme: dark)");
const frame = document.getElementById("page");

window.addEventListener("message", (event) => event.source === frame.contentWindow && receive(event.data));
window.addEventListener("popstate", tellAddress);
dark.addEventListener("change", () => tell("ui/notifications/host-context-changed", { theme: theme() }));
frame.src = "dashboard.html";

function receive({ id, method, params }) {
  if (method === "ui/initialize") return answer(id, welcome(params));
  if (method === "ui/notifications/initialized") return begin();
  if (method === LOCATION) return keepAddress(params.search);
  if (id === undefined) return undefined;
  if (FORWARDED.includes(method)) return forward(id, method, params);
  if (method === "ui/download-file") return answer(id, save(params.contents));
  return refuse(id, METHOD_NOT_FOUND, `There is no ${method} here.`);
}

function welcome({ protocolVersion }) {
  return {
    protocolVersion,
    hostInfo: { name: "runs-mcp dashboard", version: "1.0.0" },
    hostCapabilities: { serverTools: {}, serverResources: {}, downloadFile: {}, experimental: { [LOCATION]: {} } },
    hostContext: { theme: theme(), displayMode: "fullscreen", availableDisplayModes: [], platform: "web" },
  };
}

/** The keys that are typed are for the page. */
function begin() {
  frame.focus();
  tellAddress();
}

function tellAddress() {
  tell(LOCATION, { search: location.search });
}

function keepAddress(search) {
  if (search !== location.search) history.pushState(null, "", search || location.pathname);
}

/** Save the texts that the page embeds in `contents`. */
function save(contents) {
  for (const { resource } of contents.filter(({ type }) => type === "resource")) {
    const url = URL.createObjectURL(new Blob([resource.text], { type: resource.mimeType }));
    const link = Object.assign(document.createElement("a"), { href: url, download: resource.uri.split("/").at(-1) });
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  }
  return {};
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
