// Client of the Runs API for the TypeScript servers.
const api = process.env.API_URL;

export const asked = async (path) => (await fetch(api + path)).json();

export async function* chunks(run) {
  const response = await fetch(`${api}/runs/${run}/stream`);
  let held = "";
  for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
    const lines = (held + piece).split("\n");
    held = lines.pop();
    for (const line of lines) if (line.startsWith('data: "')) yield JSON.parse(line.slice(6));
  }
}
