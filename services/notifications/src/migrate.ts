import 'reflect-metadata';
import { runOnce } from '@batuta/service';
import { Secret } from '@batuta/settings';
import { migrate, notificationsDataSource } from './database/data-source.js';

// Every start does the same; an upgrade runs it first, so that a schema that cannot change stops it before any process does.
await runOnce({
  name: 'notifications-migrate',
  run: async ({ databaseUrl, logger }) => {
    const dataSource = notificationsDataSource({ databaseUrl: new Secret(databaseUrl), connections: 2 });
    await dataSource.initialize();
    try {
      await migrate(dataSource);
    } finally {
      await dataSource.destroy();
    }
    logger.info('the schema notifications is up to date');
  },
});
