// Reads `.batuta/run.json`, which describes the platform that runs here. This is plain JavaScript, so that the launcher
// (cli/bin/batuta.mjs) can read it before anything is built.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Whether a process with this id exists. */
function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/**
 * The run file if the platform that wrote it is still alive, otherwise undefined. Also undefined for a user who may not
 * read it: another user's platform.
 */
export function readRunFile(dataDir) {
  let text;
  try {
    text = readFileSync(join(dataDir, 'run.json'), 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes(error.code)) return undefined;
    throw error;
  }
  const run = JSON.parse(text);
  return isAlive(run.pid) ? run : undefined;
}

/** The message for a user that starts a second platform. */
export function alreadyRuns(run) {
  return (
    `A platform is running already: ${run.url} (process ${run.pid}, key in ${run.api_key_file}). ` +
    `Stop it with Ctrl-C where it runs, or kill ${run.pid}.`
  );
}
