import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');

/**
 * services/services.json: the services of the platform in the order in which texts name them, the order in which they
 * stop, and those that run in a process of their own on a machine with enough cores.
 */
export const { services, stopOrder, ownProcess } = JSON.parse(
  readFileSync(join(root, 'services/services.json'), 'utf8'),
);

/** `StepRunner` of `step-runner`. */
export const pascal = (name) => name.replaceAll(/(?:^|-)(\w)/g, (_, letter) => letter.toUpperCase());

/** `BATUTA_STEP_RUNNER_HTTP_PORT` of `step-runner`. */
export const portVariable = (name) => `BATUTA_${name.toUpperCase().replaceAll('-', '_')}_HTTP_PORT`;

/** The packages in a folder of the repository. */
export const packagesIn = (folder) =>
  readdirSync(join(root, folder), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && readdirSync(join(root, folder, entry.name)).includes('package.json'))
    .map(({ name }) => name);
