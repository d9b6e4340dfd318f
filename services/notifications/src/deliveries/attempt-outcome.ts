import type { CallbackType } from '@batuta/contracts';
import type { Outcome } from '../channels/channel.js';
import { CHANNELS } from '../channels/index.js';
import type { ChannelKind } from '../channels/kind.js';
import type { NotificationsSettings } from '../settings.js';
import type { ClaimedDelivery, DeliveryRules } from './delivery.js';

export type FinishResult = 'delivered' | 'sent' | 'retrying' | 'dead' | 'stale';

export interface Finished {
  readonly result: FinishResult;
  /** Whether another delivery may be sent now, because this one, or one recorded together with it, is finished. */
  readonly nextIsDue: boolean;
}

/** The outcome of an attempt, to be recorded. */
export interface Finish {
  readonly delivery: ClaimedDelivery;
  readonly outcome: Outcome;
  readonly durationMs: number;
}

function isConfirmed(type: CallbackType): boolean {
  const kind: ChannelKind<NotificationsSettings> = CHANNELS[type];
  return kind.isConfirmed ?? false;
}

/** Milliseconds to wait before retry `retry` (1 for the first): exponential backoff with full jitter, by AWS's
 * "Exponential Backoff And Jitter". */
export function backoffMs(retry: number, baseMs: number, maxMs: number, random: () => number = Math.random): number {
  return Math.round(random() * Math.min(maxMs, baseMs * 2 ** Math.min(retry - 1, 40)));
}

/** Whether the destination is gone for good. */
export const isGone = (outcome: Outcome): boolean => outcome.result === 'refused' && outcome.gone === true;

/** What the statement that records outcomes needs of one. */
export function finishRow({ delivery, outcome, durationMs }: Finish, rules: DeliveryRules) {
  const { retryBaseMs, retryMaxMs } = rules;
  const asked = outcome.result === 'failed' ? Math.min(outcome.retryAfterMs ?? 0, retryMaxMs) : 0;
  return {
    id: delivery.id,
    attempt: delivery.attempt,
    ms: durationMs,
    result: outcome.result,
    waits: isConfirmed(delivery.type) && outcome.result === 'sent',
    response_status: outcome.responseStatus ?? null,
    response_body: outcome.responseBody ?? null,
    error: 'error' in outcome ? outcome.error : null,
    retry_after_ms: Math.max(asked, backoffMs(delivery.retryCount + 1, retryBaseMs, retryMaxMs)),
  };
}

/** The result for an attempt, depending on the new state of its delivery. */
export function resultOf(outcome: Outcome, row: { readonly open: boolean } | undefined): FinishResult {
  if (row === undefined) return 'stale';
  if (row.open) return 'retrying';
  return outcome.result === 'delivered' || outcome.result === 'sent' ? outcome.result : 'dead';
}

/** How many attempts could not reach each destination; 0 when at least one reached it. */
export function failuresOf(finishes: readonly Finish[]): Map<string, number> {
  const failures = new Map<string, number>();
  const reached = new Set<string>();
  for (const { delivery, outcome } of finishes) {
    const { destination } = delivery;
    const failed = outcome.result === 'failed' && outcome.unreachable;
    if (!failed) reached.add(destination);
    failures.set(destination, reached.has(destination) ? 0 : (failures.get(destination) ?? 0) + 1);
  }
  return failures;
}
