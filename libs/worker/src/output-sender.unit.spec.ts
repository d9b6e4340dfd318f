import { describe, expect, it } from '@jest/globals';
import type { AttemptOutput, OutputPart, Task } from '@batuta/contracts';
import { serveLocally, textOf } from '@batuta/messaging';
import type { NatsConnection } from '@nats-io/nats-core';
import { jsonLogger } from './logger.js';
import { OutputSender } from './output-sender.js';

const SECRET = 'sk_live_0123456789abcdef';
const hide = (text: string): string => text.replaceAll(SECRET, '***');
const hidden = { text: hide, stream: () => ({ push: hide, end: () => '' }) };

/** A connection on which all is answered in this process. */
const connection = {
  info: { server_id: 'local' },
  isClosed: () => false,
  closed: () => new Promise<void>(() => undefined),
  subscribe: () => undefined,
  status: () => ({ [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => undefined) }) }),
} as unknown as NatsConnection;

const task = { executionId: 'e', stepId: 's', attempt: 1, partition: 3, agent: 'a', input: null } as unknown as Task;

describe('what is sent while an attempt runs', () => {
  it('holds no secret in its kind, its id or its name, also where the limit of their length cuts one', async () => {
    const sent: OutputPart[] = [];
    const stop = serveLocally(connection, 'batuta.execution.3.output', ({ payload, reply }) => {
      const { from, parts } = JSON.parse(textOf(payload)) as AttemptOutput;
      sent.push(...parts);
      reply?.(JSON.stringify({ wanted: true, next: from + parts.length }));
    });
    const sender = new OutputSender(
      connection,
      task,
      jsonLogger(() => undefined),
      () => hidden,
    );
    sender.say('one', { kind: 'tool_call', id: `call ${SECRET}`, name: `look_up ${SECRET}` });
    sender.say('two', { id: 'x'.repeat(190) + SECRET, name: 'y'.repeat(190) + SECRET });
    sender.say('three', { kind: SECRET });
    sender.say('four', { kind: 'tool_call', id: 'call_1', name: 'look_up' });
    await sender.finish(5_000);
    stop();
    expect(sent).toEqual([
      { kind: 'tool_call', id: 'call ***', name: 'look_up ***', text: 'one' },
      { kind: 'text', id: `${'x'.repeat(190)}***`, name: `${'y'.repeat(190)}***`, text: 'two' },
      { kind: 'hidden', text: 'three' },
      { kind: 'tool_call', id: 'call_1', name: 'look_up', text: 'four' },
    ]);
  });
});
