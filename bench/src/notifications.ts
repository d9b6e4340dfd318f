import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Deployment } from './deployment.js';
import type { BatutaClient, CallbackBody, OrchestrationDefinition } from '@batuta/client';
import type { InboxLoad, InboxResult, InboxTarget } from './inbox-process.js';
import { call } from './ipc.js';
import { cpuSeconds, mapValues, median, quantiles, rounded } from './measure.js';
import { columns } from './table.js';

const PROGRAM = fileURLToPath(new URL('./inbox-process.js', import.meta.url));
const USERS = 100;
const PER_SECOND = 100;
const WARM_UP_SECONDS = 10;
const INBOX_SECONDS = 20;
const EMAIL_SECONDS = 10;
const FALLBACK_MS = 2_000;
/** Limits of the 95th percentile in milliseconds. Emails count from the end of the fallback's time. */
const LIMIT_MS = { inbox: 100, email: 1_000 };

interface Spread {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

function spread(values: readonly number[]): Spread {
  return { ...quantiles([...values]), max: rounded(Math.max(...values), 2) };
}

/** Creates a config of one no-op step whose end its user is notified of, and returns its name. */
async function told(api: BatutaClient, name: string, fallback: NonNullable<CallbackBody['fallback']>): Promise<string> {
  const body: OrchestrationDefinition = {
    name,
    strategy: 'sequential',
    steps: [{ id: 'only', name: 'Only', agent: 'echo' }],
  };
  const { id } = await api.configs.create(body);
  await api.callbacks.create({ config_id: id, type: 'websocket', events: ['completed'], fallback });
  return name;
}

async function keysOf(api: BatutaClient): Promise<string[]> {
  const keys: string[] = [];
  for (let user = 0; user < USERS; user += 1) {
    const { secret = '' } = await api.apiKeys.create({ user_id: `bench-${user}`, role: 'operator' });
    keys.push(secret);
  }
  return keys;
}

/**
 * Measures the inbox: 100 users with one WebSocket each and 100 executions per second with one notification each. The
 * value is the milliseconds from the completed event's time in the log to the arrival. First all clients acknowledge.
 * Then some do not, and an email is delivered to an SMTP server; its value is the milliseconds after the end of the
 * fallback's time, which counts from the event. `onEnd` gets functions that stop what was started. The last one started
 * must be stopped first.
 */
export async function runNotifications(
  layout: string,
  rounds: number,
  print: (line: object) => void,
  onEnd: (stop: () => Promise<void>) => void,
): Promise<void> {
  const users = fork(PROGRAM, [], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  onEnd(() => {
    users.kill();
    return Promise.resolve();
  });
  const port = await call<number>(users, 'mailbox');
  const deployment = await Deployment.start({
    layout,
    env: {
      BATUTA_NOTIFICATIONS_SMTP_URL: `smtp://127.0.0.1:${port}`,
      BATUTA_NOTIFICATIONS_SMTP_FROM: 'batuta@example.org',
      BATUTA_NOTIFICATIONS_SMTP_REQUIRE_TLS: 'false',
    },
  });
  onEnd(() => deployment.remove());
  const { api, platform } = deployment;
  const read = await told(api, 'read', []);
  const email = {
    type: 'email' as const,
    after_ms: FALLBACK_MS,
    to: ['team@example.org'],
    callback_body_template: '{{ execution.id }}\n{{ event.at }}\n',
  };
  const unread = await told(api, 'unread', [email]);
  await call(users, 'connect', { url: platform.url, keys: await keysOf(api) } satisfies InboxTarget);
  const run = (config: string, seconds: number, acknowledge: boolean): Promise<InboxResult> =>
    call(users, 'run', {
      config,
      executions: seconds * PER_SECOND,
      perSecond: PER_SECOND,
      acknowledge,
    } satisfies InboxLoad);
  await run(read, WARM_UP_SECONDS, true);
  await run(unread, 1, false);
  const inbox: Spread[] = [];
  const emails: Spread[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    const before = cpuSeconds(deployment.pids);
    const acknowledged = await run(read, INBOX_SECONDS, true);
    const after = cpuSeconds(deployment.pids);
    const left = await run(unread, EMAIL_SECONDS, false);
    const inboxMs = spread(acknowledged.inboxMs);
    const emailMs = spread(left.emailMs.map((ms) => ms - FALLBACK_MS));
    inbox.push(inboxMs);
    emails.push(emailMs);
    print({
      peer: 'batuta',
      work: 'notifications',
      round,
      clients: USERS,
      notifications: acknowledged.inboxMs.length,
      per_second: rounded(acknowledged.inboxMs.length / acknowledged.startSeconds, 1),
      inbox_ms: inboxMs,
      emails: left.emailMs.length,
      emails_per_second: rounded(left.emailMs.length / left.startSeconds, 1),
      fallback_ms: FALLBACK_MS,
      email_after_fallback_ms: emailMs,
      inbox_before_email_ms: spread(left.inboxMs),
      repeats: acknowledged.repeats + left.repeats,
      cpu_s: mapValues(after, (seconds, name) => rounded(seconds - (before[name] ?? 0), 2)),
      settings: { layout },
    });
  }
  console.log(`\n${tableOf(inbox, emails)}`);
}

/** Medians over the rounds, with the lowest and highest round in parentheses. */
function tableOf(inbox: readonly Spread[], emails: readonly Spread[]): string {
  const row = (what: string, spreads: readonly Spread[], limit: number): string[] => [
    what,
    ...(['p50', 'p95', 'p99', 'max'] as const).map((name) => {
      const values = spreads.map((one) => one[name]);
      const [middle, low, high] = [median(values), Math.min(...values), Math.max(...values)];
      return `${middle.toFixed(0)} (${low.toFixed(0)}–${high.toFixed(0)})`;
    }),
    `${limit}`,
  ];
  return columns(
    ['ms', 'p50', 'p95', 'p99', 'max', 'p95 at most'],
    [
      row('event committed → WebSocket client', inbox, LIMIT_MS.inbox),
      row('end of the fallback time → SMTP', emails, LIMIT_MS.email),
    ],
  );
}
