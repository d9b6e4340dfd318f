import { migrateEventStore } from '@batuta/event-store';
import { runOnce } from '@batuta/service';

// Every start does this too. An upgrade runs it first, so that a failing migration stops the upgrade before any process
// does.
await runOnce({
  name: 'execution-migrate',
  run: async ({ databaseUrl, logger }) => {
    await migrateEventStore(databaseUrl);
    logger.info('the schema execution is up to date');
  },
});
