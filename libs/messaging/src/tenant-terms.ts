import { subjects, operations } from '@batuta/contracts';
import type { ConfigChanged, TenantLimits, TenantTermsReply } from '@batuta/contracts';
import type { NatsConnection } from '@nats-io/nats-core';
import { onReconnect } from './connection.js';
import type { ControlClient } from './control.js';
import { UnavailableError } from './errors.js';
import { isNoResponders } from './request.js';

interface TenantTermsOptions {
  readonly connection: NatsConnection;
  readonly control: ControlClient;
  /** Called after each change, and once after the first answer. */
  readonly onChange?: () => void;
  /** Called when the config service did not answer. */
  readonly onFailure?: (error: unknown) => void;
  /** Milliseconds between requests while no notice of a change arrives. Default 10,000. */
  readonly everyMs?: number;
}

const ANSWER_MS = 2_000;
/** Pause between requests until the first answer. */
const AGAIN_MS = 500;

/**
 * The limits of all tenants, kept up to date: they are requested from the config service once, and again after each
 * change.
 */
export class TenantTerms {
  readonly #options: TenantTermsOptions;
  #defaults: TenantLimits | undefined;
  #tenants: ReadonlyMap<string, TenantLimits> = new Map();
  #asking: Promise<void> | undefined;
  #askAgain = false;
  #timer: NodeJS.Timeout | undefined;
  #answered = false;
  #closed = false;
  readonly #forget: readonly (() => void)[];

  constructor(options: TenantTermsOptions) {
    this.#options = options;
    const changed = options.connection.subscribe(subjects.configChanged, {
      callback: (error, message) => {
        if (error === null && message.json<ConfigChanged>().kind === 'tenant') this.#refresh();
      },
    });
    this.#forget = [() => changed.unsubscribe(), onReconnect(options.connection, () => this.#refresh())];
    this.#refresh();
  }

  /** The limits of a tenant. Undefined when it has none, or when nothing is known yet. */
  of(tenantId: string): TenantLimits | undefined {
    return this.#tenants.get(tenantId) ?? this.#defaults;
  }

  /** Whether the limits are known: the config service has answered, or it is a version that has no limits. */
  get known(): boolean {
    return this.#defaults !== undefined;
  }

  /** Resolves when the present request has succeeded or failed. */
  async asked(): Promise<void> {
    this.#refresh();
    await this.#asking;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const forget of this.#forget) forget();
  }

  #refresh(): void {
    if (this.#closed) return;
    if (this.#asking !== undefined) {
      this.#askAgain = true;
      return;
    }
    clearTimeout(this.#timer);
    this.#asking = this.#ask()
      .catch((error: unknown) => {
        // The previous version of the config service does not serve limits.
        if (error instanceof UnavailableError && isNoResponders(error.cause)) this.#defaults ??= {};
        if (!this.#closed) this.#options.onFailure?.(error);
      })
      .finally(() => {
        this.#asking = undefined;
        if (this.#closed) return;
        if (this.#askAgain) {
          this.#askAgain = false;
          this.#refresh();
          return;
        }
        this.#timer = setTimeout(() => this.#refresh(), this.#answered ? (this.#options.everyMs ?? 10_000) : AGAIN_MS);
        this.#timer.unref();
      });
  }

  async #ask(): Promise<void> {
    const { control, onChange } = this.#options;
    const options = { timeoutMs: ANSWER_MS };
    const { defaults, tenants } = await control.request<TenantTermsReply>(
      operations.tenants.terms.subject,
      {},
      options,
    );
    const before = JSON.stringify([this.#defaults, [...this.#tenants]]);
    this.#answered = true;
    this.#defaults = defaults;
    this.#tenants = new Map(Object.entries(tenants));
    if (JSON.stringify([this.#defaults, [...this.#tenants]]) !== before) onChange?.();
  }
}
