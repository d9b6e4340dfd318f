// Entry point of a sandbox thread. It and its neighbours are type-checked JavaScript, because Node loads this very file
// both from a build and from source: what the tests run is what runs in production.
import { workerData } from 'node:worker_threads';

/**
 * @typedef {{ port: import('node:worker_threads').MessagePort, role: 'schema' | 'expression' }} Start
 * @typedef {(job: any) => unknown} Handler
 */

const { port, role } = /** @type {Start} */ (workerData);

const modules = {
  schema: () => import('./schema.js'),
  expression: () => import('./expression.js'),
};
const { handle } = /** @type {{ handle: Handler }} */ (await modules[role]());

port.on('message', (/** @type {{ id: number, job: unknown }} */ { id, job }) => {
  Promise.resolve()
    .then(() => handle(job))
    .then(
      (reply) => port.postMessage({ id, reply }),
      (/** @type {unknown} */ error) => port.postMessage({ id, crash: String(error) }),
    );
});
port.postMessage({ ready: true });
