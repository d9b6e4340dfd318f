import { describe, expect, it, jest } from '@jest/globals';
import { operations } from '@batuta/contracts';
import { UnavailableError } from '@batuta/messaging';
import type { ControlClient } from '@batuta/messaging';
import { createLogger } from '@batuta/observability';
import type { NatsConnection } from '@nats-io/nats-core';
import { Backend } from './backend.js';

/** The answers to successive requests: a value, an error, or silence until the request's own timeout. */
function backendWith(answers: readonly (string | Error)[]): { backend: Backend; asked: string[] } {
  const asked: string[] = [];
  const control = {
    request: (pattern: string, _data: unknown, options?: { timeoutMs?: number }) => {
      const answer = answers[asked.length] ?? 'silence';
      asked.push(pattern);
      if (answer instanceof Error) return Promise.reject(answer);
      if (answer !== 'silence') return Promise.resolve(answer);
      return new Promise((_, reject) => {
        setTimeout(() => reject(new UnavailableError(`${pattern} was not answered`)), options?.timeoutMs);
      });
    },
    close: () => Promise.resolve(),
  } as ControlClient;
  const backend = new Backend({
    nats: {} as NatsConnection,
    control,
    logger: createLogger({ service: 'test', level: 'silent' }),
    queryTimeoutMs: 5_000,
    commandDeadlineMs: 5_000,
  });
  return { backend, asked };
}

describe('asking a service behind the gateway', () => {
  it('asks a read again when the replica that got it is frozen, and takes the first answer', async () => {
    jest.useFakeTimers();
    try {
      const { backend, asked } = backendWith(['silence', 'silence', 'here']);
      const answer = backend.ask(operations.executions.get.subject, {});
      await jest.advanceTimersByTimeAsync(1_500);
      await expect(answer).resolves.toBe('here');
      await jest.advanceTimersByTimeAsync(10_000);
      expect(asked).toHaveLength(3);
    } finally {
      jest.useRealTimers();
    }
  });

  it.each([
    operations.executions.list.subject,
    operations.executions.approvals.subject,
    operations.deliveries.deliveries.subject,
  ])('asks for a list only once (%s), because repeats would make a slow query slower', async (pattern) => {
    jest.useFakeTimers();
    try {
      const { backend, asked } = backendWith([]);
      const answer = backend.ask(pattern, {}).catch((error: unknown) => error);
      await jest.advanceTimersByTimeAsync(5_000);
      await answer;
      expect(asked).toHaveLength(1);
    } finally {
      jest.useRealTimers();
    }
  });

  it('gives up on a read at its limit and says that the service does not answer', async () => {
    jest.useFakeTimers();
    try {
      const { backend, asked } = backendWith([]);
      const answer = backend.ask(operations.executions.get.subject, {}).catch((error: unknown) => error);
      await jest.advanceTimersByTimeAsync(5_000);
      expect(await answer).toMatchObject({ code: 'unavailable' });
      expect(asked).toHaveLength(5);
    } finally {
      jest.useRealTimers();
    }
  });

  it.each([
    [operations.configs.create.subject, 'config'],
    [operations.agents.put.subject, 'config'],
    [operations.executions.get.subject, 'execution'],
    [operations.callbacks.create.subject, 'notifications'],
    [operations.notifications.list.subject, 'notifications'],
  ])('names the service that did not answer %s', async (pattern, service) => {
    const { backend } = backendWith([new UnavailableError('no answer')]);
    await expect(backend.ask(pattern, {}, 500)).rejects.toMatchObject({
      code: 'unavailable',
      detail: `The ${service} service does not answer right now; try again.`,
    });
  });

  it('never repeats a request that changes something', async () => {
    jest.useFakeTimers();
    try {
      const { backend, asked } = backendWith(['silence', 'late']);
      const answer = backend.ask(operations.configs.create.subject, {}).catch((error: unknown) => error);
      await jest.advanceTimersByTimeAsync(5_000);
      expect(await answer).toMatchObject({ code: 'unavailable' });
      expect(asked).toHaveLength(1);
    } finally {
      jest.useRealTimers();
    }
  });
});
