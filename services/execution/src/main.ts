import 'reflect-metadata';
import { runService } from '@batuta/service';
import { loadExecutionSettings } from './settings.js';
import { startExecution } from './start-execution.js';

await runService({ name: 'execution', load: loadExecutionSettings, start: startExecution });
