import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { subjects } from '@batuta/contracts';
import type { LifecycleNotice } from '@batuta/contracts';
import { connectNats } from '@batuta/messaging';
import { createLogger } from '@batuta/observability';
import { eventually, startTestNats } from '@batuta/testing';
import type { TestNats } from '@batuta/testing';
import type { NatsConnection } from '@nats-io/transport-node';
import { newCounters } from '../src/partitions/ports/counters.js';
import { NatsBus } from '../src/partitions/bus/nats-bus.js';
import { executionId } from './fixtures.js';

const logger = createLogger({ service: 'test', level: 'error' });

let server: TestNats;
let nats: NatsConnection;
let bus: NatsBus;
let heard: { subject: string; notice: LifecycleNotice }[];

beforeAll(async () => {
  server = await startTestNats();
  nats = await connectNats({ url: server.url, name: 'test', logger });
  bus = new NatsBus({ connection: nats, counters: newCounters(), logger, direct: false });
  heard = [];
  nats.subscribe(subjects.allLifecycle, {
    callback: (_, message) => {
      heard.push({ subject: message.subject, notice: message.json<LifecycleNotice>() });
    },
  });
  await nats.flush();
});

afterAll(async () => {
  bus?.close();
  await nats?.close();
  await server?.close();
});

describe('lifecycle notices', () => {
  const notice = (tenantId: string, type: string, position: number): LifecycleNotice => ({
    executionId: executionId(),
    tenantId,
    type,
    partition: position % 3,
    position,
  });

  it('of one tenant and type that come together go in one message, in their order', async () => {
    const sent = [
      notice('a', 'ExecutionStarted', 1),
      notice('a', 'ExecutionCompleted', 2),
      notice('b', 'ExecutionStarted', 3),
      notice('a', 'ExecutionStarted', 4),
      notice('a', 'ExecutionStarted', 5),
    ] as const;
    for (const one of sent) bus.publishLifecycle(one);
    await bus.flush();
    await eventually(() => heard.length >= 3, { describe: 'the notices are there' });
    expect(heard).toEqual([
      { subject: subjects.lifecycle('a', 'ExecutionStarted'), notice: { ...sent[0], others: [sent[3], sent[4]] } },
      { subject: subjects.lifecycle('a', 'ExecutionCompleted'), notice: sent[1] },
      { subject: subjects.lifecycle('b', 'ExecutionStarted'), notice: sent[2] },
    ]);
  });

  it('are all sent when they are very many, by themselves', async () => {
    heard.length = 0;
    const sent = Array.from({ length: 1_234 }, (_, index) => notice('a', 'ExecutionStarted', index));
    for (const one of sent) bus.publishLifecycle(one);
    await eventually(() => heard.length >= 3, { describe: 'the notices are there' });
    expect(heard.flatMap(({ notice: { others = [], ...first } }) => [first, ...others])).toEqual(sent);
  });
});
