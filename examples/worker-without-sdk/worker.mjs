// Serves the agents "word_count" and "chooser" of a pool with nothing but a NATS client: pull a task, run it, report, acknowledge.
//   node worker.mjs [pool]     the pool is "text" unless named
import { AckPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { AuthorizationError, PermissionViolationError, credsAuthenticator, nanos } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import { readFileSync } from 'node:fs';

const pool = process.argv[2] ?? 'text';
const consumerName = `${pool}-normal`;

/** Ends the process with one sentence instead of a stack. */
function giveUp(message) {
  console.error(message);
  process.exit(1);
}
const HOW = `Set NATS_URL and NATS_CREDS, for example with: eval "$(npm run -s batuta env -- --pool ${pool})"`;

const { NATS_URL = 'nats://127.0.0.1:4222' } = process.env;
if (!URL.canParse(NATS_URL)) giveUp(`NATS_URL must look like nats://host:4222. ${HOW}`);
const url = new URL(NATS_URL);

const nc = await connect({
  servers: url.host,
  ...(process.env.NATS_CREDS
    ? // The pool's own user: it may hear answers under this prefix only. A file that was replaced holds for the next connect.
      {
        authenticator: credsAuthenticator(() => readFileSync(process.env.NATS_CREDS)),
        inboxPrefix: `_INBOX.pool.${pool}`,
      }
    : url.username === ''
      ? {}
      : { user: decodeURIComponent(url.username), pass: decodeURIComponent(url.password) }),
  // A server with TLS, and the file of those who may vouch for it: `tls_ca` of the answer that gave the credentials.
  ...(process.env.BATUTA_NATS_TLS_CA ? { tls: { caFile: process.env.BATUTA_NATS_TLS_CA } } : {}),
  maxReconnectAttempts: -1,
  reconnectTimeWait: 250,
}).catch((error) => giveUp(`The NATS server at ${url.host} cannot be used: ${error.message}. ${HOW}`));
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const agents = {
  word_count: async ({ text }) => {
    if (typeof text !== 'string') {
      throw Object.assign(new Error('"text" is missing.'), { code: 'input_invalid', retryable: false });
    }
    return { words: text.split(/\s+/).filter(Boolean).length, characters: text.length };
  },
  // A judge: of what the members of a consensus group gave, the one with the highest `quality` wins.
  chooser: async ({ candidates = [] }) => {
    const [best] = candidates.toSorted((one, other) => other.output.quality - one.output.quality);
    return { winner: best?.step_id ?? null };
  },
  // For `npm run conformance`; docs/worker-protocol.md says what it does.
  conformance: async ({ do: what, value = null, code, message, retryable, ms }) => {
    if (what === 'fail') throw Object.assign(new Error(message), { code, retryable });
    if (what === 'throw') throw new Error('An error without a code.');
    if (what === 'wait') await pause(ms);
    return value;
  },
};

/** Sends a request until it is answered: the engine knows repeats, and its answer means that the result is committed. */
async function answered(subject, payload) {
  for (;;) {
    try {
      return (await nc.request(subject, JSON.stringify(payload), { timeout: 1_000 })).json();
    } catch (error) {
      if (nc.isClosed()) throw error;
      await pause(200);
    }
  }
}

async function serve(message) {
  // Keeps the task ours while it runs; after ack_wait (2 s) without it, another worker gets it.
  const lease = setInterval(() => message.working(), 700);
  let task;
  try {
    task = message.json();
  } catch {
    // No delivery of it will ever be a task.
    clearInterval(lease);
    return message.term();
  }
  try {
    const {
      executionId,
      stepId,
      attempt,
      partition = 0,
      dispatch = 1,
      checkFirst,
      reportStart,
      agent,
      input,
      timeoutMs,
      token,
    } = task;
    // The token proves that the task was given to us: the engine refuses reports without it.
    const id = { executionId, stepId, attempt, token };
    if (checkFirst || dispatch > 1 || message.info.deliveryCount > 1) {
      const { wanted, held } = await answered(`batuta.execution.${partition}.check`, id);
      if (!wanted) return message.ack();
      // Another worker has it: asked about again in a second, as that one may be lost.
      if (held) return message.nak(1_000);
    }
    // The step has schedule_to_start_ms or heartbeat_ms: the engine waits for this sign of life.
    if (reportStart) await answered(`batuta.execution.${partition}.heartbeat`, id);
    const result = { ...id, workerId: `${pool}-${process.pid}`, startedAt: Date.now() };
    try {
      if (agents[agent] === undefined) throw new Error(`This worker has no agent ${agent}.`);
      const late =
        timeoutMs > 0 &&
        new Promise((_, reject) => {
          const end = () => reject(Object.assign(new Error('Out of time.'), { code: 'timeout' }));
          // A worker that is told to end waits for its tasks, not for the time that they might have taken.
          setTimeout(end, timeoutMs).unref();
        });
      Object.assign(result, {
        ok: true,
        output: await Promise.race([agents[agent](input ?? {}), late].filter(Boolean)),
      });
    } catch ({ code = 'agent_error', message: text, retryable = true }) {
      Object.assign(result, { ok: false, failure: { code, message: text, retryable } });
    }
    await answered(`batuta.execution.${partition}.result`, { results: [{ ...result, finishedAt: Date.now() }] });
    message.ack();
  } finally {
    clearInterval(lease);
  }
}

const isRefused = (error) =>
  [error, error.cause].some((each) => each instanceof PermissionViolationError || each instanceof AuthorizationError);
const running = new Set();
let messages;
let stopping = false;
/** Takes nothing more; what runs is reported before the process ends. */
function stop() {
  stopping = true;
  messages?.stop();
}
for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, stop);

while (!stopping) {
  try {
    const manager = await jetstreamManager(nc, { checkAPI: false });
    await manager.consumers.add('STEPS', {
      name: consumerName,
      durable_name: consumerName,
      filter_subject: `batuta.step.${pool}.normal.>`,
      ack_policy: AckPolicy.Explicit,
      ack_wait: nanos(2_000),
      max_ack_pending: 20_000,
      max_waiting: 2_048,
    });
    const consumer = await jetstream(nc).consumers.get('STEPS', consumerName);
    messages = await consumer.consume({
      max_messages: 10,
      expires: 5_000,
      idle_heartbeat: 1_000,
      abort_on_missing_resource: true,
    });
    if (stopping) break;
    console.log(`serving the pool ${pool}`);
    for await (const message of messages) {
      const work = serve(message)
        .catch((error) => console.error('a task is left to another worker:', error.message))
        .finally(() => running.delete(work));
      running.add(work);
      if (running.size >= 10) await Promise.race(running);
    }
  } catch (error) {
    if (stopping) break;
    if (isRefused(error)) {
      giveUp(`These credentials do not let a worker serve the pool ${pool}: ${error.message}. ${HOW}`);
    }
    console.error(`The queue of the pool ${pool} cannot be read, trying again: ${error.message}`);
    await pause(500);
  }
}
await Promise.all(running);
await nc.drain();
