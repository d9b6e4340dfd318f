import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { BatutaClient } from '@batuta/client';
import { NameServer } from '@batuta/testing';
import { Deployment } from './deployment.js';
import { HttpClient } from './http-client.js';
import type { HttpAnswer } from './http-client.js';
import { groupBy, median, quantile, quantiles } from './measure.js';
import { columns, spread } from './table.js';

/** How many times as long a quiet tenant's 95th percentile may be beside a hostile tenant as alone. */
const MOST = 2;
/** Number of executions of the quiet tenant in each half of a round, one after the other. */
const EXECUTIONS = 60;
const WARM_UP = 150;
/**
 * Number of simultaneous requests of the hostile tenant. Each is repeated after a second at the earliest. So the
 * tenants compete for the resources that the requests use, and not for the gateway, where limits of tenants apply.
 */
const HOSTILE_AT_ONCE = 24;
const HOSTILE_EVERY_MS = 1_000;
/** Time before the quiet tenant's executions are counted, in which the hostile tenant's requests fill its queues. */
const SETTLE_MS = 3_000;
/** A lookup without an answer ends after this time. */
const LOOKUP_MS = 10_000;
const EXECUTE = '/api/v1/orchestrations/execute';

interface FairOptions {
  readonly layout: string;
  readonly rounds: number;
  /** Number of the quiet tenant's executions in each half of a round. */
  readonly executions: number | undefined;
  readonly print: (line: object) => void;
  /** Gets functions that stop what was started. The last one started must be stopped first. */
  readonly onEnd: (stop: () => Promise<void>) => void;
}

interface NamedConfig {
  readonly name: string;
  readonly strategy: string;
  readonly steps: readonly object[];
}

/** A resource for which two tenants compete. */
interface Contest {
  readonly name: string;
  /** The configs of each tenant, created once. */
  readonly configs: (tenant: 'quiet' | 'hostile') => readonly NamedConfig[];
  /** One execution of the quiet tenant. Its time is measured. */
  readonly quiet: { readonly config: string; readonly input: (n: number) => object };
  /** The result does not decide about success. */
  readonly isOnlyShown?: boolean;
  /** A request of the hostile tenant, repeated by many clients at once. Its success does not matter. */
  readonly hostile: (send: HttpClient, n: number) => Promise<HttpAnswer>;
}

/** A measurement with one tenant alone and with both. */
interface Line {
  readonly work: 'fair';
  readonly contest: string;
  readonly round: number;
  readonly alone_ms: { readonly p50: number; readonly p95: number };
  readonly beside_ms: { readonly p50: number; readonly p95: number };
  readonly p95_ratio: number;
  /** Number of answered requests of the hostile tenant during the measurement. */
  readonly hostile_answers: number;
}

const step = (agent: string, more: object = {}): object => ({ id: 'only', name: 'Only', agent, ...more });
const config = (name: string, steps: readonly object[], more: object = {}): NamedConfig => ({
  name,
  strategy: steps.length > 1 ? 'parallel' : 'sequential',
  steps,
  ...more,
});

/** Many long steps against short ones. Both need slots of runners. */
const slots: Contest = {
  name: 'slots of runners',
  configs: (tenant) =>
    tenant === 'quiet'
      ? [config('short', [step('echo')])]
      : [
          config(
            'long',
            Array.from({ length: 50 }, (_, n) => ({ id: `s${n}`, name: `Step ${n}`, agent: 'delay' })),
          ),
        ],
  quiet: { config: 'short', input: (n) => ({ n }) },
  hostile: (send) => send.send('POST', `${EXECUTE}/long?wait=60s`, { input: { ms: 2_000 } }),
};

/** Compares each item with every other one. */
const DEAR_SCHEMA = { type: 'object', properties: { list: { type: 'array', uniqueItems: true } } };
const DEAR_LIST = Array.from({ length: 2_500 }, (_, n) => ({ n }));
const DEAR_TEMPLATE = `{% assign s = (1..20000) | join: "," | split: "," %}{% for i in (1..40) %}{% assign t = s | sort %}{% endfor %}{{ t | size }}`;

/** Templates, expressions and schemas that take all the allowed time, against ones that take almost none. */
const sandboxes: Contest = {
  name: 'sandboxes',
  configs: (tenant) =>
    tenant === 'quiet'
      ? [
          config('tidy', [step('synthesizer', { input: { template: 'Hello {{ who }}!', who: '{% input.who %}' } })], {
            input_schema: {
              type: 'object',
              required: ['who'],
              properties: { who: { type: 'string', maxLength: 100 } },
            },
          }),
        ]
      : [
          config('template', [step('synthesizer', { input: { template: DEAR_TEMPLATE } })]),
          config('schema', [step('echo')], { input_schema: DEAR_SCHEMA }),
          config('expression', [step('echo', { input: { sum: '{% $sum([1..300000].($ * 2)) %}' } })]),
        ],
  quiet: { config: 'tidy', input: (n) => ({ who: `number ${n}` }) },
  hostile: (send, n) => {
    const name = ['template', 'schema', 'expression'][n % 3] ?? 'template';
    return send.send('POST', `${EXECUTE}/${name}?wait=60s`, { input: name === 'schema' ? { list: DEAR_LIST } : {} });
  },
};

const LARGE_TEXT = 'x'.repeat(900 * 1024);

/**
 * Large bodies, and lists of what they became, against small ones. The processes of the platform handle the bytes
 * themselves, and nothing divides their time. So the ratio is only shown, and no limit applies to it.
 */
const bodies: Contest = {
  name: 'large bodies',
  isOnlyShown: true,
  configs: () => [config('small', [step('echo')])],
  quiet: { config: 'small', input: (n) => ({ n }) },
  hostile: (send, n) =>
    n % 4 === 0
      ? send.send('GET', '/api/v1/tasks')
      : send.send('POST', '/api/v1/tasks', { task_data: { type: 'echo', text: LARGE_TEXT, n } }),
};

/** Host names without an answer and a server that answers late, against a name and a server that answer at once. */
function callsTo(port: number): Contest {
  const callIt = step('http', { timeout_ms: 60_000 });
  return {
    name: 'names and calls',
    configs: (tenant) =>
      tenant === 'quiet' ? [config('call', [callIt])] : [config('call', [callIt]), config('done', [step('echo')])],
    quiet: { config: 'call', input: () => ({ url: `http://good.test:${port}/` }) },
    hostile: (send, n) => {
      const silent = `http://n${n}.silent.test/`;
      const slow = `http://slow.test:${port}/slow`;
      if (n % 3 === 0) return send.send('POST', `${EXECUTE}/call?wait=60s`, { input: { url: silent } });
      if (n % 3 === 1) return send.send('POST', `${EXECUTE}/call?wait=60s`, { input: { url: slow } });
      return send.send('POST', `${EXECUTE}/done?wait=60s`, { input: {}, callback_url: n % 2 === 0 ? silent : slow });
    },
  };
}

/**
 * Measures a quiet tenant alone and beside a hostile one, in turns, for each resource that tenants share: slots of
 * runners, threads of sandboxes, lookups of names, connections, and the handling of large bodies. Prints each round and
 * a table. Returns whether the quiet tenant's 95th percentile stayed within twice its value alone, by the median of the
 * rounds, where that decides.
 */
export async function runFair(options: FairOptions): Promise<boolean> {
  const names = new NameServer((name) =>
    name.endsWith('.silent.test') ? 'silent' : name.endsWith('.test') ? { a: ['127.0.0.1'], ttl: 0 } : undefined,
  );
  const dns = await names.start();
  options.onEnd(() => names.stop());
  const called = createServer((request, response) => {
    if (request.url === '/slow') setTimeout(() => response.end('{}'), LOOKUP_MS).unref();
    else response.end('{"ok":true}');
  });
  await new Promise<void>((resolve) => called.listen(0, '127.0.0.1', resolve));
  options.onEnd(() => {
    called.closeAllConnections();
    return new Promise((resolve) => called.close(() => resolve()));
  });
  const { port } = called.address() as AddressInfo;
  const allowed = `127.0.0.1:${port}`;
  const deployment = await Deployment.start({
    layout: options.layout,
    env: {
      BATUTA_DNS_SERVERS: dns,
      BATUTA_DNS_TIMEOUT: `${LOOKUP_MS}ms`,
      BATUTA_RUNNER_ALLOWED_ADDRESSES: allowed,
      BATUTA_NOTIFICATIONS_ALLOWED_ADDRESSES: allowed,
    },
  });
  options.onEnd(() => deployment.remove());
  const lines: Line[] = [];
  const contests = [slots, sandboxes, callsTo(port), bodies];
  for (const contest of contests) {
    const quiet = await tenant(deployment, contest, 'quiet');
    const hostile = await tenant(deployment, contest, 'hostile');
    await timesOf(quiet, contest, WARM_UP);
    for (let round = 1; round <= options.rounds; round += 1) {
      const line = await measure(contest, round, quiet, hostile, options.executions ?? EXECUTIONS);
      lines.push(line);
      options.print(line);
    }
  }
  const ratios: number[] = [];
  const rows = [...groupBy(lines, ({ contest }) => contest)].map(([name, ofContest]) => {
    const shares = ofContest.map(({ p95_ratio }) => p95_ratio);
    if (contests.find((contest) => contest.name === name)?.isOnlyShown !== true) ratios.push(median(shares));
    const of = (value: (line: Line) => number): string => spread(ofContest.map(value), 1);
    return [
      name,
      of(({ alone_ms }) => alone_ms.p50),
      of(({ alone_ms }) => alone_ms.p95),
      of(({ beside_ms }) => beside_ms.p50),
      of(({ beside_ms }) => beside_ms.p95),
      spread(shares, 2),
    ];
  });
  const headings = ['quiet tenant, ms', 'alone p50', 'alone p95', 'beside p50', 'beside p95', `p95 ratio (≤ ${MOST})`];
  console.log(`\n${columns(headings, rows)}`);
  return ratios.every((ratio) => ratio <= MOST);
}

/** Creates a tenant for a contest, with its configs. */
async function tenant(deployment: Deployment, contest: Contest, role: 'quiet' | 'hostile'): Promise<HttpClient> {
  const tenantId = `${role}-${contest.name.replaceAll(' ', '-')}`;
  const { secret } = await deployment.api.apiKeys.create({
    tenant_id: tenantId,
    user_id: role,
    role: 'operator',
    name: 'bench',
  });
  if (secret === undefined) throw new Error('a new key has no secret');
  const { url } = deployment.platform;
  const api = new BatutaClient({ url, apiKey: secret, retry: { attempts: 1 } });
  for (const each of contest.configs(role)) await api.configs.create(each as never);
  return new HttpClient(url, secret);
}

async function measure(
  contest: Contest,
  round: number,
  quiet: HttpClient,
  hostile: HttpClient,
  executions: number,
): Promise<Line> {
  const alone = await timesOf(quiet, contest, executions);
  let attacking = true;
  let answers = 0;
  const attack = Array.from({ length: HOSTILE_AT_ONCE }, async (_, place) => {
    for (let n = place + round * 100_000; attacking; n += HOSTILE_AT_ONCE) {
      await Promise.all([contest.hostile(hostile, n), delay(HOSTILE_EVERY_MS)]);
      answers += 1;
    }
  });
  await delay(SETTLE_MS);
  answers = 0;
  const beside = await timesOf(quiet, contest, executions);
  const answered = answers;
  attacking = false;
  // Running requests end before the quiet tenant is measured alone again.
  await Promise.all(attack);
  const p95 = (times: readonly number[]): number =>
    quantile(
      times.toSorted((a, b) => a - b),
      0.95,
    );
  const shown = (times: number[]): { p50: number; p95: number } => {
    const { p50, p95: most } = quantiles(times);
    return { p50, p95: most };
  };
  return {
    work: 'fair',
    contest: contest.name,
    round,
    alone_ms: shown(alone),
    beside_ms: shown(beside),
    p95_ratio: Number((p95(beside) / p95(alone)).toFixed(2)),
    hostile_answers: answered,
  };
}

/**
 * The time in milliseconds of each execution of the quiet tenant, from the request to its result, one after the other.
 */
async function timesOf(
  quiet: HttpClient,
  { quiet: { config: name, input } }: Contest,
  count: number,
): Promise<number[]> {
  const times: number[] = [];
  for (let n = 0; n < count; n += 1) {
    const began = performance.now();
    const answer = await quiet.send('POST', `${EXECUTE}/${name}?wait=60s`, { input: input(n) });
    times.push(performance.now() - began);
    requireCompleted(answer);
  }
  return times;
}

function requireCompleted({ status, body }: HttpAnswer): void {
  if (status === 200 && (body as { status?: string }).status === 'completed') return;
  throw new Error(`the quiet tenant's execution was not completed: ${status} ${JSON.stringify(body)}`);
}
