import { createServer } from 'node:http';
import { DBOS } from '@dbos-inc/dbos-sdk';
import pg from 'pg';
import { stepRunner } from '../harness/ledger.mjs';
import { answerCommands, settings } from '../harness/processes.mjs';
import { pause, stepOutput } from '../harness/workload.mjs';

const given = settings();
const runStep = stepRunner(given.ledger);
const url = `postgresql://bench@127.0.0.1:${given.postgres_port}/postgres`;

const execution = DBOS.registerWorkflow(
  /** @param {string} id @param {import('../harness/workload.mjs').Shape} shape */
  async (id, { shape, steps, step_ms: ms }) => {
    /** @param {number} step */
    const step = (step) => DBOS.runStep(() => runStep(id, step, ms), { name: `step_${step}` });
    if (shape === 'fan') {
      const outputs = await Promise.all(Array.from({ length: steps }, (_, index) => step(index)));
      return DBOS.runStep(async () => ({ ...stepOutput(steps), joined: outputs.length }), { name: 'join' });
    }
    let output;
    for (let index = 0; index < steps; index++) output = await step(index);
    return output;
  },
  { name: 'execution' },
);

async function databaseReady() {
  for (;;) {
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => undefined); // `connect` and `query` report it
    try {
      await client.connect();
      await client.query('SELECT 1');
      return;
    } catch {
      await pause(10);
    } finally {
      await client.end();
    }
  }
}

async function launch() {
  await databaseReady();
  DBOS.setConfig({
    name: 'bench',
    systemDatabaseUrl: url,
    systemDatabasePoolSize: given.pool_size,
    applicationVersion: '1',
    logLevel: 'error',
  });
  await DBOS.launch();

  // As in DBOS's own examples: a web server in the same process starts the workflow and answers with its result.
  const server = createServer((request, response) => {
    /** @type {Buffer[]} */
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      answer(JSON.parse(Buffer.concat(chunks).toString('utf8'))).then(
        (result) => response.end(JSON.stringify(result)),
        (error) => {
          console.error(error);
          response.statusCode = 500;
          response.end(JSON.stringify({ error: String(error) }));
        },
      );
    });
  });
  server.keepAliveTimeout = 60_000;
  await new Promise((resolve) => server.listen(given.entry_port, '127.0.0.1', () => resolve(undefined)));
}

/** @param {{ id: string, shape: import('../harness/workload.mjs').Shape }} start */
async function answer({ id, shape }) {
  const handle = await DBOS.startWorkflow(execution, { workflowID: id })(id, shape);
  return handle.getResult();
}

const launched = launch();
answerCommands({ ready: () => launched });
await launched;
