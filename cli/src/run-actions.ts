import type { BatutaClient, ExecutionResult, ExecutionView } from '@batuta/client';
import type { Actions, ExecuteOptions } from '../command-line.js';
import { clientOf, findPlatform } from './api-client.js';
import { approvalLines } from './approvals.js';
import { followSaid } from './follow.js';
import { jsonArgument } from './json-argument.js';
import { out, outJson } from './output.js';
import { dataDir } from './places.js';
import { saidText } from './said-text.js';
import { terminalJson } from './terminal-text.js';
import { eventLine, watchEvents } from './watch.js';

const clientHere = async (): Promise<BatutaClient> => clientOf(await findPlatform(dataDir()));

/** How an execution ended, as one line. */
const endLine = ({ status, failure }: Pick<ExecutionView, 'status' | 'failure'>): string =>
  `${status}${failure == null ? '' : `: ${failure.code}: ${failure.message}`}`;

async function follow(
  client: BatutaClient,
  id: string,
  options: Parameters<Actions['follow']>[1],
): Promise<ExecutionView> {
  const text = saidText(options);
  const end = new AbortController();
  const lost = lostNotice();
  let silent = true;
  try {
    await followSaid(client, id, {
      steps: options.step,
      signal: end.signal,
      show: (item) => {
        lost.over();
        silent = false;
        process.stdout.write(text(item));
      },
      onBreak: () => lost.begins(() => process.stdout.write(text())),
    });
  } finally {
    // When one of several followed executions fails, the others end too.
    end.abort();
  }
  process.stdout.write(text());
  const execution = await client.executions.get(id);
  out(endLine(execution));
  if (silent) {
    process.stderr.write(
      'Nothing was said while it ran. A model says what it writes when it has "stream": true (docs/models.md).\n',
    );
  }
  return execution;
}

async function watch(client: BatutaClient, id: string, { json = false }: { readonly json?: boolean }) {
  const lost = lostNotice();
  return await watchEvents(client, id, {
    show: (event) => {
      lost.over();
      out(json ? terminalJson(JSON.stringify(event)) : eventLine(event));
    },
    onBreak: () => lost.begins(),
  });
}

/** Says once that the connection is lost, until it is there again. */
function lostNotice(): { readonly begins: (before?: () => void) => void; readonly over: () => void } {
  let said = false;
  return {
    begins(before) {
      if (said) return;
      said = true;
      before?.();
      process.stderr.write('The connection to the platform is lost. Trying again …\n');
    },
    over() {
      said = false;
    },
  };
}

/** Stays with an execution that was started, in the way that the options say. */
async function stayWith(
  client: BatutaClient,
  id: string,
  options: ExecuteOptions,
): Promise<ExecutionView | ExecutionResult> {
  if (options.follow === true) return await follow(client, id, {});
  if (options.watch === true) return await watch(client, id, {});
  const result = await client.executions.wait(id);
  outJson(result);
  return result;
}

/** What starts executions, stays with them, and decides what they ask people. */
export const runActions = {
  async follow(id, options) {
    const { status } = await follow(await clientHere(), id, options);
    if (status === 'failed') process.exitCode = 1;
  },

  async execute(config, options) {
    const { input, session, priority } = options;
    const body = {
      ...(input === undefined ? {} : { input: await jsonArgument('--input', input) }),
      ...(session === undefined ? {} : { session_id: session }),
      ...(priority === undefined ? {} : { priority }),
    };
    const client = await clientHere();
    const started = await client.executions.start(config, body);
    if (options.wait !== true && options.follow !== true && options.watch !== true) return outJson(started);
    // Whoever does not stay to the end finds it again by this.
    process.stderr.write(`execution ${started.execution_id}\n`);
    const { status } = await stayWith(client, started.execution_id, options);
    if (status !== 'completed') process.exitCode = 1;
  },

  async watch(id, options) {
    const { status } = await watch(await clientHere(), id, options);
    if (status !== 'completed') process.exitCode = 1;
  },

  async listApprovals(options) {
    for await (const line of approvalLines(await clientHere(), options)) out(line);
  },

  async decide(decision, id, step, { comment, data }) {
    const body = {
      ...(comment === undefined ? {} : { comment }),
      ...(data === undefined ? {} : { data: await jsonArgument('--data', data) }),
    };
    const { executions } = await clientHere();
    outJson(await executions[decision](id, step, body));
  },
} satisfies Partial<Actions>;
