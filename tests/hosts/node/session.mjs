// The session that each program has with the server, and the record that it prints as JSON; see python/session.py.
const CONTINUE = /stream_run\(run_id=\\*"(\w+)\\*", offset=(\d+)\)/;  // in text or in JSON

export const asText = (content) => (typeof content === "string" ? content : JSON.stringify(content));

// Repeat a call that failed once, as models do when a busy server misses the timeout of a framework.
async function answered(framework, tool, given) {
  const answer = await framework.call(tool, given).catch(() => ({ isError: true }));
  return answer.isError ? framework.call(tool, given) : answer;
}

async function* followed(framework, slow) {
  let answer = await answered(framework, "create_run", slow);
  yield answer.text;
  for (let unfinished; (unfinished = CONTINUE.exec(answer.text)); ) {
    answer = await answered(framework, "stream_run", { run_id: unfinished[1], offset: Number(unfinished[2]) });
    yield answer.text;
  }
}

async function record(framework, slow) {
  const listed = await framework.call("list_runs", { limit: 1 });
  const [run_id] = /[0-9a-f]{24}/.exec(listed.text);
  const error = await framework.call("get_run", { run_id: "no-such-run" });
  const answers = [];
  for await (const text of followed(framework, slow)) answers.push(text);
  return {
    default_timeout_s: framework.defaultTimeoutS,
    tools: await framework.tools(),
    listed: listed.text,
    error: { text: error.text, is_error: error.isError },
    run_id,
    resource: framework.resource ? await framework.resource(`runs://${run_id}`) : null,
    prompt: framework.prompt ? await framework.prompt("debug_failed_run", { run_id }) : null,
    slow: answers,
  };
}

// Connect, at most ten times: a busy machine may start the server later than a framework expects it.
async function connected(connect, server) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await connect(server);
    } catch (error) {
      if (attempt === 10) throw error;
    }
  }
}

export async function main(connect) {
  const { slow, ...server } = JSON.parse(process.argv[2]);
  const write = process.stdout.write.bind(process.stdout);
  process.stdout.write = process.stderr.write.bind(process.stderr);  // frameworks print, too
  const framework = await connected(connect, server);
  const printed = JSON.stringify(await record(framework, slow));
  await framework.close();
  write(printed, () => process.exit());
}
