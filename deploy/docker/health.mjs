// The container's health check: exits 0 when the service of this container says that it lives.
const service = (process.env.SERVICE ?? 'gateway').toUpperCase().replaceAll('-', '_');
const port = process.env[`BATUTA_${service}_HTTP_PORT`];
try {
  const response = await fetch(`http://127.0.0.1:${port}/health/live`, { signal: AbortSignal.timeout(2_500) });
  process.exit(response.ok ? 0 : 1);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
