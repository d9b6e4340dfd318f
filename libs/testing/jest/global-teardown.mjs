import { rm } from 'node:fs/promises';

export default async function stopTestPostgres() {
  const started = globalThis.batutaTestPostgres;
  if (started === undefined) return;
  await started.server.stop();
  await rm(started.server.dataDir, { recursive: true, force: true });
  await rm(started.home, { recursive: true, force: true });
}
