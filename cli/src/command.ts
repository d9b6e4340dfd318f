import { createLogger } from '@batuta/observability';
import { Command, InvalidArgumentError } from 'commander';
import { CliError, callApi, findPlatform } from './api-client.js';
import { runDemo } from './demo.js';
import { addKnowledge } from './knowledge.js';
import { dataDir } from './places.js';
import { rebuild } from './rebuild.js';
import { startHere, stopSignal } from './start.js';
import { verify } from './verify.js';

const out = (line = ''): void => void process.stdout.write(`${line}\n`);

function portNumber(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new InvalidArgumentError('a port is a whole number from 0 to 65535');
  }
  return port;
}

const program = new Command('batuta')
  .description('Runs teams of agents: durable orchestrations on NATS and PostgreSQL.')
  .showHelpAfterError();

program
  .command('start')
  .description('start the platform here and keep it running until Ctrl-C')
  .option('--port <number>', 'port of the gateway (default 3000, or a free one when that is taken)', portNumber)
  .action(async (options: { port?: number }) => {
    const stopped = stopSignal();
    const logger = createLogger({ service: 'batuta' });
    const platform = await startHere({ logger, ...options });
    out();
    out(`  Batuta is ready at ${platform.url}`);
    out(`  API reference      ${platform.url}/docs`);
    out(`  API key            ${platform.apiKeyFile}`);
    out(`  Ctrl-C stops everything.`);
    out();
    const signal = await stopped;
    out(`\n  ${signal}: stopping …`);
    await platform.stop();
    out('  Stopped.');
  });

program
  .command('demo')
  .description('run the incident orchestration of examples/incident on live data and show it')
  .action(async () => {
    await runDemo(out);
  });

const knowledge = program.command('knowledge').description('the knowledge base that rag_handler searches');
knowledge
  .command('add')
  .argument('<directory>', 'every Markdown and text file below it is added')
  .action(async (directory: string) => {
    const connection = await findPlatform(dataDir());
    let count = 0;
    await addKnowledge(connection, directory, ({ source, passages, unchanged }) => {
      count += 1;
      out(`${unchanged ? 'unchanged' : 'added    '}  ${source}  (${passages} passages)`);
    });
    out(`${count} documents`);
  });
knowledge.command('list').action(async () => {
  const connection = await findPlatform(dataDir());
  let cursor: string | undefined;
  do {
    const query = cursor === undefined ? '' : `?cursor=${encodeURIComponent(cursor)}`;
    const page = await callApi<{ documents: { source: string; passages: number }[]; next_cursor?: string | null }>(
      connection,
      'GET',
      `/api/v1/knowledge/documents${query}`,
    );
    for (const document of page.documents) {
      out(`${document.source}  (${document.passages} passages)`);
    }
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
});

program
  .command('rebuild')
  .description('drop both read models and rebuild them from the event log')
  .action(async () => {
    const { executions, stepRuns } = await rebuild(dataDir());
    out(`rebuilt ${executions} executions and ${stepRuns} step runs from the event log`);
  });

program
  .command('verify')
  .argument('<id|all>', 'an execution, or all of them')
  .description('fold the event log and compare with snapshots and read models; exits with 1 when anything differs')
  .action(async (which: string) => {
    const { executions, events, snapshots, different, behind } = await verify(dataDir(), which, (found) => {
      out(`${found.executionId}  ${found.where}  ${found.what}`);
    });
    out(`folded ${executions} executions (${events} events, ${snapshots} snapshots): ${different} differ`);
    if (behind > 0)
      out(`${behind} have newer events than their step runs; the execution service projects them when it runs`);
    if (different > 0) process.exitCode = 1;
  });

export async function main(): Promise<void> {
  try {
    await program.parseAsync();
  } catch (error) {
    if (error instanceof CliError) {
      process.stderr.write(`${error.message}\n`);
    } else {
      process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    }
    process.exitCode = 1;
  }
}
