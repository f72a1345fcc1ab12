/** The MCP endpoint beside this page: one request, one answer (2026-07-28). */

const VERSION = "2026-07-28";
const PREFIX = "io.modelcontextprotocol";
const META = {
  [`${PREFIX}/protocolVersion`]: VERSION,
  [`${PREFIX}/clientInfo`]: { name: "runs-mcp dashboard", version: "1.0.0" },
  [`${PREFIX}/clientCapabilities`]: { extensions: { [`${PREFIX}/ui`]: { mimeTypes: ["text/html;profile=mcp-app"] } } },
};

let lastId = 0;

/** The server's result.
 * @throws {Error} in its words, or that it is not there. */
export async function ask(method, params) {
  const headers = {
    "Content-Type": "application/json",
    Accept: "application/json",
    "MCP-Protocol-Version": VERSION,
    "Mcp-Method": method,
    "Mcp-Name": params.name ?? params.uri,
  };
  const body = JSON.stringify({ jsonrpc: "2.0", id: ++lastId, method, params: { ...params, _meta: META } });
  const response = await fetch("mcp", { method: "POST", headers, body }).catch(() => null);
  if (!response) throw new Error("The dashboard is not being served any more: start it again.");
  const { result, error } = await response.json();
  if (error) throw new Error(error.message);
  return result;
}
