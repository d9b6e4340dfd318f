import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { subjects } from '@batuta/contracts';
import { connectNats, ensurePoolConsumers, ensureStepsStream } from '@batuta/messaging';
import { createLogger } from '@batuta/observability';
import { eventually, startTestNats } from '@batuta/testing';
import type { TestNats } from '@batuta/testing';
import { parse } from 'yaml';
import { read } from '../../tools/deploy/places.js';

interface Consumer {
  readonly name: string;
  readonly num_pending: number;
  readonly num_ack_pending: number;
}

interface Monitoring {
  readonly account_details?: readonly {
    readonly name: string;
    readonly stream_detail?: readonly { readonly name: string; readonly consumer_detail?: readonly Consumer[] }[];
  }[];
}

const { spec } = parse(read('deploy/k8s/autoscaling/step-runner.yaml')) as {
  spec: { triggers: { metadata: { account: string; stream: string; consumer: string } }[] };
};

describe('the autoscaler of a runner pool', () => {
  let nats: TestNats;
  const logger = createLogger({ service: 'test', level: 'silent' });

  beforeAll(async () => {
    nats = await startTestNats();
  }, 120_000);

  afterAll(async () => {
    await nats?.close();
  });

  /** What KEDA's nats-jetstream scaler reads: https://github.com/kedacore/keda/blob/main/pkg/scalers/nats_jetstream_scaler.go */
  const lags = async (): Promise<Record<string, number>> => {
    const found: Record<string, number> = {};
    for (const { metadata } of spec.triggers) {
      const response = await fetch(
        `http://127.0.0.1:${nats.monitorPort}/jsz?acc=${metadata.account}&consumers=true&config=true`,
      );
      const { account_details: accounts } = (await response.json()) as Monitoring;
      const stream = accounts
        ?.find(({ name }) => name === metadata.account)
        ?.stream_detail?.find(({ name }) => name === metadata.stream);
      const consumer = stream?.consumer_detail?.find(({ name }) => name === metadata.consumer);
      if (consumer === undefined) throw new Error(`the monitoring shows no consumer ${metadata.consumer}`);
      found[metadata.consumer] = consumer.num_pending + consumer.num_ack_pending;
    }
    return found;
  };

  it('finds the consumers that runners make and the tasks that wait in them', async () => {
    const connection = await connectNats({ url: nats.url, name: 'test', logger });
    try {
      await ensureStepsStream(connection, { logger });
      await ensurePoolConsumers(connection, 'default', { logger });
      expect(await lags()).toEqual({ 'default-high': 0, 'default-normal': 0, 'default-low': 0 });
      for (let index = 0; index < 3; index += 1) {
        connection.publish(subjects.step('default', 'normal', 'echo', 'execution', `step_${index}`), '{}');
      }
      connection.publish(subjects.step('default', 'low', 'echo', 'execution', 'step_3'), '{}');
      connection.publish(subjects.step('translators', 'high', 'translate', 'execution', 'step_4'), '{}');
      await eventually(
        async () => expect(await lags()).toEqual({ 'default-high': 0, 'default-normal': 3, 'default-low': 1 }),
        { describe: 'the monitoring counts the tasks' },
      );
    } finally {
      await connection.close();
    }
  }, 120_000);
});
