import { migrateEventStore } from '@batuta/event-store';
import { runOnce } from '@batuta/service';

// Every start does the same; an upgrade runs it first, so that a schema that cannot change stops it before any process does.
await runOnce({
  name: 'execution-migrate',
  run: async ({ databaseUrl, logger }) => {
    await migrateEventStore(databaseUrl);
    logger.info('the schema execution is up to date');
  },
});
