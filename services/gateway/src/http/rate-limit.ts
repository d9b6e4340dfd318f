import { TENANT_LIMIT_NAMES } from '@batuta/contracts';
import type { JsonObject, TenantLimitName } from '@batuta/contracts';

/** What remains of a limit after a request was accepted. */
export interface Admitted {
  readonly startsPerSecond: number;
  readonly startsLeft: number;
}

/** The unit of each limit, in the words of the draft. Limits of time have a window instead. */
const UNITS: Readonly<Partial<Record<TenantLimitName, string>>> = {
  unfinished_executions: 'concurrent-requests',
  websockets: 'concurrent-requests',
  execution_bytes: 'content-bytes',
  document_bytes: 'content-bytes',
};

const STARTS = 'starts_per_second' satisfies TenantLimitName;

/**
 * Headers that tell the remaining quota (draft-ietf-httpapi-ratelimit-headers, 10). `left` is the rest; then come the
 * seconds until there is more.
 */
function rateLimitHeaders(name: TenantLimitName, most: number, left: number, seconds: number | undefined) {
  const unit = UNITS[name];
  // Both numbers must be integers, so a rate below one a second becomes one in several seconds.
  const rate = most >= 1 ? `q=${Math.floor(most)};w=1` : `q=1;w=${Math.ceil(1 / most)}`;
  const policy = unit === undefined ? rate : `q=${most};qu="${unit}"`;
  return {
    'ratelimit-policy': `"${name}";${policy}`,
    ratelimit: `"${name}";r=${left}${seconds === undefined ? '' : `;t=${seconds}`}`,
  };
}

/** Headers of a refusal with `limit_reached`, from its details. */
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

/** Headers of an accepted request. None when starts have no limit. */
export function admittedHeaders({ startsPerSecond, startsLeft }: Admitted): Readonly<Record<string, string>> {
  if (startsPerSecond === 0) return {};
  return rateLimitHeaders(STARTS, startsPerSecond, startsLeft, Math.max(1, Math.ceil(1 / startsPerSecond)));
}
