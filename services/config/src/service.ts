import 'reflect-metadata';
import { runService } from '@batuta/service';
import { loadConfigSettings } from './settings.js';
import { startConfig } from './start-config.js';

export function main(): Promise<void> {
  return runService({ name: 'config', load: loadConfigSettings, start: startConfig });
}
