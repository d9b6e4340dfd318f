import { afterAll, afterEach, beforeAll, beforeEach } from '@jest/globals';
import { connectNats } from '@batuta/messaging';
import { startTestNats } from '@batuta/testing';
import type { TestNats } from '@batuta/testing';
import type { NatsConnection } from '@nats-io/nats-core';
import { jsonLogger, Runner } from '@batuta/worker';
import type { RunnerOptions } from '@batuta/worker';
import { FakeEngine } from '@batuta/conformance';
import { Gate } from './gate.js';
import { echoAgent } from './agents.js';

const logger = jsonLogger(() => undefined);

/** What the tests of one `describe` share: the server; and what each has for itself: engine, gate and runners. */
export class RunnersUnderTest {
  #nats: TestNats | undefined;
  #engine: FakeEngine | undefined;
  #gate = new Gate();
  #runners: Runner[] = [];
  #connections: NatsConnection[] = [];

  /** @param optionsOf what the runners of these tests have besides the options that any runner needs. */
  constructor(private readonly optionsOf: (gate: Gate) => Partial<RunnerOptions>) {}

  get nats(): TestNats {
    return started(this.#nats);
  }

  get engine(): FakeEngine {
    return started(this.#engine);
  }

  get gate(): Gate {
    return this.#gate;
  }

  /** Those of the runners, in the order of starting. */
  get connections(): readonly NatsConnection[] {
    return this.#connections;
  }

  /** Starts a runner with a connection of its own; the first is `worker-1`. */
  async start(options: Partial<RunnerOptions> = {}): Promise<Runner> {
    const nc = await connectNats({ url: this.nats.url, name: 'runner', logger });
    this.#connections.push(nc);
    const runner = new Runner({
      nc,
      logger,
      pools: ['default'],
      // As the platform's own runner, which may make the stream.
      streamReplicas: 1,
      slots: 50,
      workerId: `worker-${this.#connections.length}`,
      ackWaitMs: 2_000,
      workingMs: 700,
      recheckMs: 10_000,
      graceMs: 20,
      maxAbandoned: 100,
      agents: [echoAgent, this.#gate],
      ...this.optionsOf(this.#gate),
      ...options,
    });
    await runner.start();
    this.#runners.push(runner);
    return runner;
  }

  /** Sets the hooks of the `describe` that this is called in. */
  hook(): this {
    beforeAll(async () => {
      this.#nats = await startTestNats();
    });
    beforeEach(async () => {
      this.#gate = new Gate();
      this.#engine = await FakeEngine.start(this.nats.url);
      await this.#engine.manager.streams.purge('STEPS');
    });
    afterEach(async () => {
      this.#gate.open();
      await Promise.all(this.#runners.splice(0).map((runner) => runner.stop(0)));
      await Promise.all(this.#connections.splice(0).map((nc) => nc.close()));
      await this.#engine?.close();
    });
    afterAll(async () => {
      await this.#nats?.close();
    });
    return this;
  }
}

function started<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('this starts with the first test');
  return value;
}
