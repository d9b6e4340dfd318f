import { failed, ok } from './finding.js';
import type { Finding } from './finding.js';

/** Long enough for a busy service. A service that stands still must not delay the other checks. */
const ANSWER_MS = 10_000;

/** The state of a service. */
export interface ServiceSeen {
  readonly name: string;
  readonly finding: Finding;
  /** In Prometheus' text format. Undefined when the service did not answer. */
  readonly metrics?: string;
}

const RUNBOOK_OF: Readonly<Record<string, string>> = { postgres: 'BatutaPostgresDown', nats: 'BatutaNatsDown' };

/** Requests a service's readiness and metrics. Never rejects. */
export async function seeService(name: string, url: string): Promise<ServiceSeen> {
  const about = `service ${name}`;
  try {
    const [ready, metrics] = await Promise.all(
      ['/health/ready', '/metrics'].map((path) => fetch(`${url}${path}`, { signal: AbortSignal.timeout(ANSWER_MS) })),
    );
    const text = metrics?.ok === true ? { metrics: await metrics.text() } : {};
    const checks = checksOf(await ready?.json());
    const wrong = Object.entries(checks).filter(([, result]) => result !== 'ok');
    if (ready?.ok === true) return { name, finding: ok(about, `It is ready at ${url}.`), ...text };
    const why = wrong.map(([check, result]) => `${check}: ${result}`).join('; ');
    const runbook = RUNBOOK_OF[wrong[0]?.[0] ?? ''];
    return { name, finding: failed(about, `It is not ready (${why || `status ${ready?.status}`}).`, runbook), ...text };
  } catch (error) {
    const { name: kind, cause } = error as Error;
    const why =
      kind === 'TimeoutError' ? `no answer within ${ANSWER_MS / 1_000} s` : ((cause ?? error) as Error).message;
    return { name, finding: failed(about, `It does not answer at ${url} (${why}).`, 'BatutaServiceDown') };
  }
}

function checksOf(body: unknown): Record<string, string> {
  if (typeof body !== 'object' || body === null || !('checks' in body)) return {};
  const { checks } = body;
  return typeof checks === 'object' && checks !== null ? (checks as Record<string, string>) : {};
}
