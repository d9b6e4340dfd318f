import 'reflect-metadata';
import { runService } from '@batuta/service';
import { loadConfigSettings } from './settings.js';
import { startConfig } from './start-config.js';

await runService({ name: 'config', load: loadConfigSettings, start: startConfig });
