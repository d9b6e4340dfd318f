import 'reflect-metadata';
import { runService } from '@batuta/service';
import { loadNotificationsSettings } from './settings.js';
import { startNotifications } from './start-notifications.js';

export function main(): Promise<void> {
  return runService({ name: 'notifications', load: loadNotificationsSettings, start: startNotifications });
}
