import { runService } from '@batuta/service';
import { loadStepRunnerSettings } from './settings.js';
import { startStepRunner } from './start-step-runner.js';

await runService({ name: 'step-runner', load: loadStepRunnerSettings, start: startStepRunner });
