import 'reflect-metadata';
import { createLogger } from '@batuta/observability';
import { loadConfigSettings } from './settings.js';
import { startConfig } from './start-config.js';

const settings = loadConfigSettings();
const logger = createLogger({ service: 'config', level: settings.logLevel });
const service = await startConfig({ settings, logger });

let stopping = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (stopping) return;
    stopping = true;
    logger.info({ signal }, 'config service stops');
    service.close().then(
      () => process.exit(0),
      (error: unknown) => {
        logger.error({ err: error }, 'config service did not stop cleanly');
        process.exit(1);
      },
    );
  });
}
