// A host as one is written with the official library: it shows a tool's answer on the page that the tool names.
import { AppBridge, getToolUiResourceUri, PostMessageTransport } from "@modelcontextprotocol/ext-apps/app-bridge";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

const UI = { "io.modelcontextprotocol/ui": { mimeTypes: ["text/html;profile=mcp-app"] } };
const INFO = { name: "test host", version: "1.0.0" };
let client, bridge;

window.host = {
  async connect(mode) {
    client = new Client(INFO, { capabilities: { extensions: UI }, versionNegotiation: { mode } });
    await client.connect(new StreamableHTTPClientTransport(new URL("/mcp", location.href)));
  },

  /** Calls a tool and shows its answer, as far as `capabilities` of the host allow. Gives the answer. */
  async show(name, args, { capabilities = { serverTools: {}, serverResources: {} }, context = {} } = {}) {
    const { tools } = await client.listTools();
    const tool = tools.find((one) => one.name === name);
    const { contents } = await client.readResource({ uri: getToolUiResourceUri(tool) });
    const frame = document.createElement("iframe");
    frame.sandbox = "allow-scripts";
    frame.style = "width: 100%; height: 100vh; border: 0";
    document.body.replaceChildren(frame);
    const hostContext = {
      theme: "light",
      toolInfo: { tool },
      availableDisplayModes: ["inline", "fullscreen"],
      ...context,
    };
    bridge = new AppBridge(client, INFO, capabilities, { hostContext });
    bridge.onsizechange = (size) => (window.size = size);
    bridge.onrequestdisplaymode = async ({ mode }) => ({ mode: (window.displayMode = mode) });
    bridge.ondownloadfile = async ({ contents }) => ((window.saved = contents), {});
    const initialized = new Promise((resolve) => (bridge.oninitialized = resolve));
    await bridge.connect(new PostMessageTransport(frame.contentWindow, frame.contentWindow));
    frame.srcdoc = contents[0].text;
    await initialized;
    await bridge.sendToolInput({ arguments: args });
    const answer = await client.callTool({ name, arguments: args });
    await bridge.sendToolResult(answer);
    return answer;
  },

  change: (context) => bridge.sendHostContextChange(context),
  cancel: () => bridge.sendToolCancelled({ reason: "somebody pressed stop" }),
  teardown: () => bridge.teardownResource({}),
  view: () => ({ info: bridge.getAppVersion(), capabilities: bridge.getAppCapabilities() }),
};
