import { createLogger } from '@batuta/observability';
import type { PlatformContext } from '@batuta/worker';

/** A context for the tests of an agent. */
export function testContext(overrides: Partial<PlatformContext> = {}): PlatformContext {
  return {
    executionId: '0190b3e0-0000-7000-8000-000000000001',
    executionName: 'Nightly import',
    stepId: 'step_1',
    stepName: 'Step',
    tenantId: 'default',
    attempt: 1,
    idempotencyKey: '0190b3e0-0000-7000-8000-000000000001/step_1',
    traceparent: '',
    signal: new AbortController().signal,
    logger: createLogger({ service: 'test', level: 'silent' }),
    redact: (text) => text,
    useSecrets: () => Promise.reject(new Error('this test has no secrets')),
    beginCall: () => ({ traceparent: overrides.traceparent ?? '', end: () => undefined }),
    heartbeat: () => undefined,
    output: () => undefined,
    ...overrides,
  };
}
