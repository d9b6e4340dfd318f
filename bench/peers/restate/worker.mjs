import { createServer } from 'node:http2';
import { httpClient } from '../harness/http.mjs';
import { stepRunner } from '../harness/ledger.mjs';
import { answerCommands, listening, settings } from '../harness/processes.mjs';
import { pause, stepOutput } from '../harness/workload.mjs';

// The SDK (1.17) calls Promise.withResolvers, which Node 20 lacks.
Promise.withResolvers ??= function withResolvers() {
  let resolve;
  let reject;
  const promise = new this((resolve_, reject_) => {
    resolve = resolve_;
    reject = reject_;
  });
  return { promise, resolve, reject };
};
// Otherwise it would write two lines per invocation, and the other peers' workers write none.
process.env.RESTATE_LOGGING ??= 'WARN';
const { createEndpointHandler, RestatePromise, service } = await import('@restatedev/restate-sdk');

const given = settings();
const runStep = stepRunner(given.ledger);

const executions = service({
  name: 'executions',
  handlers: {
    /**
     * @param {import('@restatedev/restate-sdk').Context} context
     * @param {{ id: string, shape: import('../harness/workload.mjs').Shape }} start
     */
    run: async (context, { id, shape: { shape, steps, step_ms: ms } }) => {
      /** @param {number} step */
      const step = (step) => context.run(`step_${step}`, () => runStep(id, step, ms));
      if (shape === 'fan') {
        const outputs = await RestatePromise.all(Array.from({ length: steps }, (_, index) => step(index)));
        return context.run('join', () => ({ ...stepOutput(steps), joined: outputs.length }));
      }
      let output;
      for (let index = 0; index < steps; index++) output = await step(index);
      return output;
    },
  },
});

const server = createServer(createEndpointHandler({ services: [executions] }));
await new Promise((resolve) => server.listen(given.worker_port, '127.0.0.1', () => resolve(undefined)));

async function register() {
  const admin = httpClient(given.admin_port);
  for (;;) {
    await listening(given.admin_port);
    try {
      await admin.post('/deployments', { uri: `http://127.0.0.1:${given.worker_port}`, force: false });
      return;
    } catch (error) {
      // The port opens before the cluster is provisioned.
      console.error(String(error));
      await pause(20);
    }
  }
}

// A restarted worker is already registered.
const registered = given.restarted ? Promise.resolve() : register();
answerCommands({ ready: () => registered });
await registered;
