import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { SMTPServer } from 'smtp-server';
import WebSocket from 'ws';
import { HttpClient } from './http-client.js';
import { answerCommands } from './ipc.js';

export interface InboxTarget {
  readonly url: string;
  /** An API key of each user. */
  readonly keys: readonly string[];
}

/** The users' actions in one run. */
export interface InboxLoad {
  readonly config: string;
  /** The executions are spread over the users. */
  readonly executions: number;
  readonly perSecond: number;
  /**
   * Whether users acknowledge what arrives. Otherwise an email must follow each notification, and the acknowledgement
   * comes after it.
   */
  readonly acknowledge: boolean;
}

/** Milliseconds from the event's time in the log, one value per execution. */
export interface InboxResult {
  /** The time that all starts took. It is longer than requested when the platform did not keep up. */
  readonly startSeconds: number;
  readonly inboxMs: readonly number[];
  readonly emailMs: readonly number[];
  /** Number of notifications that arrived more than once. */
  readonly repeats: number;
}

interface Notification {
  readonly type: string;
  readonly id: string;
  readonly execution_id: string;
  readonly content: { readonly timestamp: string };
  readonly ids?: readonly string[];
}

const LIMIT_MS = 60_000;
/** The body of the bench's emails: the execution's id and the event's time, one per line. */
const MAIL = /^([0-9a-f-]{36})\r?\n(\d{4}-[0-9T:.-]+Z)/m;

let target: InboxTarget | undefined;
let http: HttpClient | undefined;
const sockets: WebSocket[] = [];
/** Milliseconds by execution. Both are cleared before a run. */
const notified = new Map<string, number>();
const mailed = new Map<string, number>();
/** Notifications whose acknowledgement is not confirmed, with the socket on which they arrived. */
const open = new Map<string, WebSocket>();
let repeats = 0;
let acknowledging = true;
let failure: Error | undefined;

function hear(socket: WebSocket, text: string): void {
  const now = Date.now();
  const message = JSON.parse(text) as Notification;
  if (message.type === 'acked') {
    for (const id of message.ids ?? []) open.delete(id);
    return;
  }
  if (message.type !== 'notification') {
    failure ??= new Error(`an inbox said ${text}`);
    return;
  }
  if (notified.has(message.execution_id)) repeats += 1;
  else notified.set(message.execution_id, now - Date.parse(message.content.timestamp));
  open.set(message.id, socket);
  if (acknowledging) acknowledge(socket, message.id);
}

function acknowledge(socket: WebSocket, id: string): void {
  socket.send(JSON.stringify({ type: 'ack', ids: [id] }));
}

function connect(url: string, key: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, { headers: { authorization: `Bearer ${key}` }, perMessageDeflate: false });
    sockets.push(socket);
    socket.once('open', () => resolve());
    socket.once('error', reject);
    socket.on('message', (data: Buffer) => hear(socket, data.toString('utf8')));
    socket.once('close', (code) => {
      failure ??= new Error(`an inbox was closed with ${code}`);
    });
  });
}

/** A real SMTP server on loopback. A mail counts as delivered when its last byte has arrived. */
async function startMailbox(): Promise<number> {
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS', 'AUTH'],
    disableReverseLookup: true,
    onData(stream, _session, callback) {
      let source = '';
      stream.on('data', (chunk: Buffer) => {
        source += chunk.toString('utf8');
      });
      stream.once('end', () => {
        const now = Date.now();
        const [, id = '', at = ''] = MAIL.exec(source) ?? [];
        if (id === '') failure ??= new Error(`an email without the bench's body: ${source.slice(0, 2_000)}`);
        else if (mailed.has(id)) repeats += 1;
        else mailed.set(id, now - Date.parse(at));
        callback();
      });
    },
  });
  server.on('error', (error) => {
    failure ??= error;
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.server.address() as AddressInfo).port;
}

/** @throws Error when the condition does not hold within a minute, or something failed meanwhile. */
async function until(what: string, left: () => number): Promise<void> {
  const began = performance.now();
  while (left() > 0) {
    if (failure !== undefined) throw failure;
    if (performance.now() - began > LIMIT_MS) throw new Error(`${left()} ${what}`);
    await delay(20);
  }
}

/** Starts executions at a fixed rate, whether or not earlier starts have been answered. */
async function run({ config, executions, perSecond, acknowledge: read }: InboxLoad): Promise<InboxResult> {
  const [client, keys] = [http, target?.keys ?? []];
  if (client === undefined) throw new Error('not connected');
  notified.clear();
  mailed.clear();
  repeats = 0;
  acknowledging = read;
  const began = performance.now();
  const ids = await Promise.all(
    Array.from({ length: executions }, async (_, index) => {
      await delay((index * 1_000) / perSecond);
      const key = keys[index % keys.length] ?? '';
      const headers = { authorization: `Bearer ${key}` };
      const answer = await client.send('POST', `/api/v1/orchestrations/execute/${config}`, {}, headers);
      if (answer.status !== 202) throw new Error(`execute answered ${answer.status}: ${JSON.stringify(answer.body)}`);
      return (answer.body as { execution_id: string }).execution_id;
    }),
  );
  const startSeconds = (performance.now() - began) / 1_000;
  const missing = (arrived: ReadonlyMap<string, number>): number => ids.filter((id) => !arrived.has(id)).length;
  await until('notifications did not come', () => missing(notified));
  if (!read) {
    await until('emails did not come', () => missing(mailed));
    for (const [id, socket] of open) acknowledge(socket, id);
  }
  await until('acknowledgements were not confirmed', () => open.size);
  if (failure !== undefined) throw failure;
  return { startSeconds, inboxMs: [...notified.values()], emailMs: [...mailed.values()], repeats };
}

answerCommands({
  mailbox: startMailbox,
  connect: async (wanted: InboxTarget) => {
    target = wanted;
    http = new HttpClient(wanted.url, wanted.keys[0] ?? '');
    const url = `${wanted.url.replace(/^http/, 'ws')}/ws/notifications`;
    for (const key of wanted.keys) await connect(url, key);
    return sockets.length;
  },
  run,
});
