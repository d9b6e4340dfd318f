import 'reflect-metadata';
import { runService } from '@batuta/service';
import { loadExecutionSettings } from './settings.js';
import { startExecution } from './start-execution.js';

export function main(): Promise<void> {
  return runService({ name: 'execution', load: loadExecutionSettings, start: startExecution });
}
