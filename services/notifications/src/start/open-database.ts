import type { Logger } from '@batuta/observability';
import { tellUnsecured } from '@batuta/service';
import type { Opened } from '@batuta/service';
import { databaseUrlOf } from '@batuta/settings';
import {
  NotificationsRows,
  migrate,
  migrateAsOwner,
  notificationsDataSource,
  requestDriver,
} from '../database/data-source.js';
import { exposeOverdue } from '../deliveries/overdue.js';
import type { NotificationsSettings } from '../settings.js';

/** Connects to PostgreSQL, brings the schema up to date, and exposes how many deliveries are overdue. */
export async function openDatabase(
  settings: NotificationsSettings,
  logger: Logger,
  opened: Opened,
): Promise<NotificationsRows> {
  const dataSource = notificationsDataSource({
    databaseUrl: databaseUrlOf(settings, 'notifications'),
    connections: settings.databaseConnections,
    driver: requestDriver,
  });
  const rows = new NotificationsRows(dataSource);
  await dataSource.initialize();
  opened.push(async () => {
    if (dataSource.isInitialized) await dataSource.destroy();
  });
  if (settings.databaseOwnerUrl !== undefined) await migrateAsOwner(settings.databaseOwnerUrl);
  await migrate(rows.everybody);
  await tellUnsecured((sql) => rows.everybody.query(sql), 'notifications', logger);
  opened.push(exposeOverdue(rows.everybody));
  return rows;
}
