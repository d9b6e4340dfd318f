import { setTimeout as delay } from 'node:timers/promises';
import { RecentSet } from '@batuta/collections';
import { operations } from '@batuta/contracts';
import type { ResolveSecretsReply, ResolveSecretsRequest } from '@batuta/contracts';
import { HiddenValues } from '@batuta/observability';
import { UnavailableError } from '@batuta/messaging';
import type { ControlClient } from '@batuta/messaging';

/** The secrets of one attempt or one delivery. */
interface ResolvedSecrets {
  readonly values: ReadonlyMap<string, string>;
  /** Removes the values from texts about the attempt or delivery. */
  readonly hidden: HiddenValues;
}

/** The tenant has no secret of this name, or has deleted it. */
export class SecretMissingError extends Error {
  override readonly name = 'SecretMissingError';

  constructor(readonly names: readonly string[]) {
    const which = names.map((name) => `"${name}"`).join(', ');
    super(`There is no secret ${which}. An admin makes it with PUT /api/v1/secrets/${names[0] ?? ''}.`);
  }
}

/** The attempt or delivery that needs secrets. */
type SecretUser = Pick<ResolveSecretsRequest, 'tenantId' | 'executionId' | 'stepId' | 'agent' | 'callbackId'>;

/** The source of secret values. Everything that uses secrets gets them through this port. */
export interface SecretSource {
  /**
   * Returns the values of a tenant's secrets, after their use by this execution and step or callback was recorded. Waits
   * until the config service answers or the signal fires.
   * @throws SecretMissingError when there is no such secret.
   */
  resolve(user: SecretUser, names: readonly string[], signal: AbortSignal): Promise<ResolvedSecrets>;
}

interface SecretSourceOptions {
  readonly control: ControlClient;
  /** Milliseconds for which a value is cached. A change or a deletion may go unnoticed for this long. Default 5,000. */
  readonly keptMs?: number;
  /** Maximum number of cached sets of secrets. */
  readonly most?: number;
}

interface Kept {
  readonly resolved: ResolvedSecrets;
  readonly until: number;
}

const ANSWER_MS = 2_000;
/** Uses of a step that are recorded once, and how many such steps are known. */
const RECORDED_MS = 3_600_000;
const RECORDED_MOST = 20_000;
const PAUSE_MS = 250;

/**
 * Requests values from the config service, which records their use, and caches them for a few seconds, in memory only.
 * Each step of an execution asks at least once.
 */
export function secretSource({ control, keptMs = 5_000, most = 500 }: SecretSourceOptions): SecretSource {
  const kept = new Map<string, Kept>();
  const recorded = new RecentSet(RECORDED_MOST);
  const ask = async (user: SecretUser, names: readonly string[], signal: AbortSignal): Promise<ResolveSecretsReply> => {
    for (;;) {
      signal.throwIfAborted();
      try {
        const request: ResolveSecretsRequest = { ...user, names: [...names] };
        const options = { timeoutMs: ANSWER_MS };
        const reply = await control.request<ResolveSecretsReply>(operations.secrets.resolve.subject, request, options);
        if (reply.refused?.code !== 'unavailable') return reply;
      } catch (error) {
        if (!(error instanceof UnavailableError)) throw error;
      }
      await delay(PAUSE_MS, undefined, { signal });
    }
  };
  return {
    async resolve(user, names, signal) {
      const key = JSON.stringify([user.tenantId, ...names.toSorted()]);
      const now = performance.now();
      const found = kept.get(key);
      const { executionId = '', stepId = '', callbackId = '' } = user;
      const hour = Math.floor(Date.now() / RECORDED_MS);
      const use = JSON.stringify([executionId, stepId, callbackId, hour, key]);
      if (found !== undefined && now < found.until && recorded.has(use)) return found.resolved;
      kept.delete(key);
      const reply = await ask(user, names, signal);
      if (reply.refused !== undefined) throw new Error(`secrets were refused: ${reply.refused.message}`);
      const values = new Map(Object.entries(reply.values ?? {}));
      const missing = names.filter((name) => !values.has(name));
      if (missing.length > 0) {
        throw new SecretMissingError(missing);
      }
      const resolved = { values, hidden: new HiddenValues(values.values()) };
      const oldest = kept.size >= most ? kept.keys().next().value : undefined;
      if (oldest !== undefined) kept.delete(oldest);
      recorded.add(use);
      kept.set(key, { resolved, until: now + keptMs });
      return resolved;
    },
  };
}
