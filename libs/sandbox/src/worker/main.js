// The entry point of a sandbox thread. This file and its neighbours are type-checked JavaScript, because Node loads
// these same files from a build and from source. So the tests run the code that production runs.
import { readlinkSync } from 'node:fs';
import { workerData } from 'node:worker_threads';

/**
 * @typedef {{ port: import('node:worker_threads').MessagePort, role: 'schema' | 'expression' | 'template' }} Start
 * @typedef {(job: any) => unknown} Handler
 */

const { port, role } = /** @type {Start} */ (workerData);

const modules = {
  schema: () => import('./schema.js'),
  expression: () => import('./expression.js'),
  template: () => import('./template.js'),
};
const { handle } = /** @type {{ handle: Handler }} */ (await modules[role]());

/** The kernel's id of this thread, which is needed to read its CPU time; undefined where there is no Linux /proc. */
function systemThreadId() {
  try {
    const id = Number(readlinkSync('/proc/thread-self').split('/').at(-1));
    return Number.isInteger(id) ? id : undefined;
  } catch {
    return undefined;
  }
}

port.on('message', (/** @type {{ id: number, job: unknown }} */ { id, job }) => {
  Promise.resolve()
    .then(() => handle(job))
    .then(
      (reply) => port.postMessage({ id, reply }),
      (/** @type {unknown} */ error) => port.postMessage({ id, crash: String(error) }),
    );
});
port.postMessage({ ready: true, threadId: systemThreadId() });
