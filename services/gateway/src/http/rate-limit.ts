import { TENANT_LIMIT_NAMES } from '@batuta/contracts';
import type { JsonObject, TenantLimitName } from '@batuta/contracts';

/** What is left after something was admitted. */
export interface Admitted {
  readonly startsPerSecond: number;
  readonly startsLeft: number;
}

/** What each limit counts, in the words of the draft; those of time have a window instead. */
const UNITS: Readonly<Partial<Record<TenantLimitName, string>>> = {
  unfinished_executions: 'concurrent-requests',
  websockets: 'concurrent-requests',
  execution_bytes: 'content-bytes',
  document_bytes: 'content-bytes',
};

const STARTS = 'starts_per_second' satisfies TenantLimitName;

/** Headers that say how much is left (draft-ietf-httpapi-ratelimit-headers, 10). `left` and seconds until there is more. */
function rateLimitHeaders(name: TenantLimitName, most: number, left: number, seconds: number | undefined) {
  const unit = UNITS[name];
  // Both numbers are integers there: less than one a second is one in several.
  const rate = most >= 1 ? `q=${Math.floor(most)};w=1` : `q=1;w=${Math.ceil(1 / most)}`;
  const policy = unit === undefined ? rate : `q=${most};qu="${unit}"`;
  return {
    'ratelimit-policy': `"${name}";${policy}`,
    ratelimit: `"${name}";r=${left}${seconds === undefined ? '' : `;t=${seconds}`}`,
  };
}

/** Headers of a refusal with `limit_reached`, by its details. */
export function limitReachedHeaders(details: JsonObject | undefined): Readonly<Record<string, string>> {
  const { limit, most, retry_after_ms: retryMs } = details ?? {};
  const name = TENANT_LIMIT_NAMES.find((known) => known === limit);
  if (name === undefined || typeof most !== 'number') return {};
  const seconds = typeof retryMs === 'number' ? Math.max(1, Math.ceil(retryMs / 1_000)) : undefined;
  return {
    ...rateLimitHeaders(name, most, 0, seconds),
    ...(seconds === undefined ? {} : { 'retry-after': String(seconds) }),
  };
}

/** Headers of an answer to what was let through; none where starts have no limit. */
export function admittedHeaders({ startsPerSecond, startsLeft }: Admitted): Readonly<Record<string, string>> {
  if (startsPerSecond === 0) return {};
  return rateLimitHeaders(STARTS, startsPerSecond, startsLeft, Math.max(1, Math.ceil(1 / startsPerSecond)));
}
