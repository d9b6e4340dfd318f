import { setTimeout as delay } from 'node:timers/promises';
import { operations } from '@batuta/contracts';
import type { ResolveSecretsReply, ResolveSecretsRequest } from '@batuta/contracts';
import { HiddenValues } from '@batuta/observability';
import { UnavailableError } from '@batuta/messaging';
import type { ControlClient } from '@batuta/messaging';

/** The secrets that one attempt, or one delivery, works with. */
export interface ResolvedSecrets {
  readonly values: ReadonlyMap<string, string>;
  /** Takes the values out of what is told about it. */
  readonly hidden: HiddenValues;
}

/** What is referred to is no secret of the tenant, or no more. */
export class SecretMissingError extends Error {
  override readonly name = 'SecretMissingError';

  constructor(readonly names: readonly string[]) {
    const which = names.map((name) => `"${name}"`).join(', ');
    super(`There is no secret ${which}. An admin makes it with PUT /api/v1/secrets/${names[0] ?? ''}.`);
  }
}

/** What needs secrets. */
export type SecretUser = Pick<ResolveSecretsRequest, 'tenantId' | 'executionId' | 'stepId' | 'callbackId'>;

/** Where the values of secrets come from. The one port for all that uses some. */
export interface SecretSource {
  /**
   * The values of a tenant's secrets. Waits until they can be told or the signal fires.
   * @throws SecretMissingError when there is no such secret.
   */
  resolve(user: SecretUser, names: readonly string[], signal: AbortSignal): Promise<ResolvedSecrets>;
}

export interface SecretSourceOptions {
  readonly control: ControlClient;
  /** Milliseconds that a value is kept, which is how long a change or a deletion may go unnoticed. Default 5,000. */
  readonly keptMs?: number;
  /** Sets of secrets that are kept. */
  readonly most?: number;
}

interface Kept {
  readonly resolved: ResolvedSecrets;
  readonly until: number;
}

const ANSWER_MS = 2_000;
const PAUSE_MS = 250;

/** Asks the config service, and keeps what it told for a few seconds, in memory only. */
export function secretSource({ control, keptMs = 5_000, most = 500 }: SecretSourceOptions): SecretSource {
  const kept = new Map<string, Kept>();
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
      if (found !== undefined && now < found.until) return found.resolved;
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
      kept.set(key, { resolved, until: now + keptMs });
      return resolved;
    },
  };
}
