import { runService } from '@batuta/service';
import { loadStepRunnerSettings } from './settings.js';
import { startStepRunner } from './start-step-runner.js';

export function main(): Promise<void> {
  return runService({ name: 'step-runner', load: loadStepRunnerSettings, start: startStepRunner });
}
