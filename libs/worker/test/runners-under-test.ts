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

/** Set-up for the tests of one `describe`: they share a server, and each test has its own engine, gate and runners. */
export class RunnersUnderTest {
  readonly #optionsOf: (gate: Gate) => Partial<RunnerOptions>;
  #nats: TestNats | undefined;
  #engine: FakeEngine | undefined;
  #gate = new Gate();
  #runners: Runner[] = [];
  #connections: NatsConnection[] = [];

  /** @param optionsOf the options of these tests' runners, in addition to those that every runner needs. */
  constructor(optionsOf: (gate: Gate) => Partial<RunnerOptions>) {
    this.#optionsOf = optionsOf;
  }

  get nats(): TestNats {
    return started(this.#nats);
  }

  get engine(): FakeEngine {
    return started(this.#engine);
  }

  get gate(): Gate {
    return this.#gate;
  }

  /** The runners' connections, in the order of their starts. */
  get connections(): readonly NatsConnection[] {
    return this.#connections;
  }

  /** Starts a runner with its own connection. The first one is `worker-1`. */
  async start(options: Partial<RunnerOptions> = {}): Promise<Runner> {
    const nc = await connectNats({ url: this.nats.url, name: 'runner', logger });
    this.#connections.push(nc);
    const runner = new Runner({
      nc,
      logger,
      pools: ['default'],
      // Like the platform's own runner, which may create the stream.
      streamReplicas: 1,
      slots: 50,
      workerId: `worker-${this.#connections.length}`,
      ackWaitMs: 2_000,
      workingMs: 700,
      recheckMs: 10_000,
      graceMs: 20,
      maxAbandoned: 100,
      agents: [echoAgent, this.#gate],
      ...this.#optionsOf(this.#gate),
      ...options,
    });
    await runner.start();
    this.#runners.push(runner);
    return runner;
  }

  /** Registers the hooks of the enclosing `describe`. */
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
