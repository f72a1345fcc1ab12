/** The page's side of MCP Apps (2026-01-26): JSON-RPC with the host, over postMessage. */

import { applyContext } from "./context.js";

const PROTOCOL = "2026-01-26";
const METHOD_NOT_FOUND = -32601;

/** The host that shows this page: what it told of itself, and the server's tools through it. */
export class Host {
  context = {};
  capabilities = {};
  #asked = new Map();
  #handlers;
  #lastId = 0;

  /** `handlers` are called with the parameters of the host's notifications and requests, by method. */
  constructor(handlers) {
    this.#handlers = {
      ping: () => ({}),
      ...handlers,
      "ui/notifications/host-context-changed": (changes) => this.#learn(changes),
    };
  }

  /** Introduce the page, and from then on tell the host its size. */
  async connect() {
    window.addEventListener("message", (event) => event.source === window.parent && this.#receive(event.data));
    const welcome = await this.request("ui/initialize", {
      protocolVersion: PROTOCOL,
      appInfo: { name: "runs-mcp", title: document.title, version: "1.0.0" },
      appCapabilities: { availableDisplayModes: ["inline", "fullscreen"] },
    });
    this.capabilities = welcome.hostCapabilities ?? {};
    this.#learn(welcome.hostContext ?? {});
    this.#send({ method: "ui/notifications/initialized" });
    new ResizeObserver(() => this.#tellSize()).observe(document.documentElement);
  }

  /** Whether the page may call tools; where not, all there is to show is the answer. */
  get answersTools() {
    return Boolean(this.capabilities.serverTools);
  }

  /** The structured answer of a tool.
   * @throws {Error} in the server's or the host's words. */
  async callTool(name, args) {
    const result = await this.request("tools/call", { name, arguments: args });
    if (result.isError) throw new Error(textOf(result));
    return result.structuredContent ?? {};
  }

  /** What the server has at an address, read as JSON. */
  async readResource(uri) {
    const { contents } = await this.request("resources/read", { uri });
    return JSON.parse(contents[0].text);
  }

  notify(method, params) {
    this.#send({ method, params });
  }

  request(method, params) {
    const id = ++this.#lastId;
    this.#send({ id, method, params });
    return new Promise((resolve, reject) => this.#asked.set(id, { resolve, reject }));
  }

  #learn(changes) {
    Object.assign(this.context, changes);
    applyContext(changes);
  }

  #tellSize() {
    const { height } = document.documentElement.getBoundingClientRect();
    const params = { width: window.innerWidth, height: Math.ceil(height) };
    this.#send({ method: "ui/notifications/size-changed", params });
  }

  #send(message) {
    window.parent.postMessage({ jsonrpc: "2.0", ...message }, "*");
  }

  #receive(message) {
    if (message?.jsonrpc !== "2.0") return;
    if (message.method) this.#handle(message);
    else if (this.#asked.has(message.id)) {
      const { resolve, reject } = this.#asked.get(message.id);
      this.#asked.delete(message.id);
      if (message.error) reject(new Error(message.error.message ?? "The host refused."));
      else resolve(message.result ?? {});
    }
  }

  #handle({ id, method, params }) {
    const handler = this.#handlers[method];
    const result = handler?.(params ?? {});
    if (id === undefined) return;
    if (handler) this.#send({ id, result: result ?? {} });
    else this.#send({ id, error: { code: METHOD_NOT_FOUND, message: `There is no ${method} here.` } });
  }
}

/** The text of a tool's result. */
export function textOf(result) {
  const texts = (result.content ?? []).filter((block) => block.type === "text").map((block) => block.text);
  return texts.join("\n");
}
