import 'reflect-metadata';
import { runOnce } from '@batuta/service';
import { Secret } from '@batuta/settings';
import { migrateAsOwner } from './database/data-source.js';

// Every start does this too. An upgrade runs it first, so that a failing migration stops the upgrade before any process
// does.
await runOnce({
  name: 'config-migrate',
  run: async ({ databaseUrl, logger }) => {
    await migrateAsOwner(new Secret(databaseUrl));
    logger.info('the schema config is up to date');
  },
});
