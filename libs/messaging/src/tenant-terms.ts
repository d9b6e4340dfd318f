import { subjects, operations } from '@batuta/contracts';
import type { ConfigChanged, TenantLimits, TenantTermsReply } from '@batuta/contracts';
import type { NatsConnection } from '@nats-io/nats-core';
import { onReconnect } from './connection.js';
import type { ControlClient } from './control.js';
import { UnavailableError } from './errors.js';
import { isNoResponders } from './request.js';

export interface TenantTermsOptions {
  readonly connection: NatsConnection;
  readonly control: ControlClient;
  /** Called after each change, and once when the first answer has come. */
  readonly onChange?: () => void;
  /** Told of answers that did not come. */
  readonly onFailure?: (error: unknown) => void;
  /** How often they are asked for without a notice, milliseconds. Default 10,000. */
  readonly everyMs?: number;
}

const ANSWER_MS = 2_000;
/** While there was no answer yet. */
const AGAIN_MS = 500;

/** The limits of all tenants, kept up to date: they are asked of the config service once and then after each change. */
export class TenantTerms {
  #defaults: TenantLimits | undefined;
  #tenants: ReadonlyMap<string, TenantLimits> = new Map();
  #asking: Promise<void> | undefined;
  #askAgain = false;
  #timer: NodeJS.Timeout | undefined;
  #answered = false;
  #closed = false;
  readonly #forget: readonly (() => void)[];

  constructor(private readonly options: TenantTermsOptions) {
    const changed = options.connection.subscribe(subjects.configChanged, {
      callback: (error, message) => {
        if (error === null && message.json<ConfigChanged>().kind === 'tenant') this.#refresh();
      },
    });
    this.#forget = [() => changed.unsubscribe(), onReconnect(options.connection, () => this.#refresh())];
    this.#refresh();
  }

  /** What holds for a tenant; undefined when nothing limits it, or nothing is known yet. */
  of(tenantId: string): TenantLimits | undefined {
    return this.#tenants.get(tenantId) ?? this.#defaults;
  }

  /** Whether they were told once, or nobody is there who has any. */
  get known(): boolean {
    return this.#defaults !== undefined;
  }

  /** Resolves when the answer to the question that is under way has come, or has not. */
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
        // A config service of the version before knows no limits.
        if (error instanceof UnavailableError && isNoResponders(error.cause)) this.#defaults ??= {};
        if (!this.#closed) this.options.onFailure?.(error);
      })
      .finally(() => {
        this.#asking = undefined;
        if (this.#closed) return;
        if (this.#askAgain) {
          this.#askAgain = false;
          this.#refresh();
          return;
        }
        this.#timer = setTimeout(() => this.#refresh(), this.#answered ? (this.options.everyMs ?? 10_000) : AGAIN_MS);
        this.#timer.unref();
      });
  }

  async #ask(): Promise<void> {
    const { control, onChange } = this.options;
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
