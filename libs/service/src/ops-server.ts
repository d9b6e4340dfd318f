import { startOpsServer } from '@batuta/observability';
import type { OpsServer, OpsServerOptions } from '@batuta/observability';
import type { Opened } from './opened.js';

/** The settings of a service's port for operators. */
interface OpsSettings {
  readonly httpPort: number;
  readonly httpHost: string;
  readonly opsToken?: { reveal(): string } | undefined;
}

/** Serves /health and /metrics of a service on the port that its settings name. Throws when the port is taken. */
export async function openOpsServer(
  { httpPort, httpHost, opsToken }: OpsSettings,
  options: Omit<OpsServerOptions, 'port' | 'host' | 'token'>,
  opened: Opened,
): Promise<OpsServer> {
  const ops = await startOpsServer({ ...options, port: httpPort, host: httpHost, token: opsToken?.reveal() });
  opened.push(() => ops.close());
  return ops;
}
