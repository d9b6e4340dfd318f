// Stops the servers of a process that ended without stopping them itself, for example because it was killed.
//
// The parent has the other end of this process's standard input, and writes which servers run, one JSON line each:
// {"watch": {pid, signals: [[signal, wait in ms], …], remove: [directory, …]}} and {"forget": pid}. The pipe closes
// when the parent ends, however it ends. Then the watched servers are stopped, and their temporary directories are
// removed. This file is plain JavaScript, because Node runs it unchanged from the sources and from a build.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 20;
const watched = new Map();

// Only the parent's end counts. A terminal's Ctrl-C or a shutdown's SIGTERM reaches the parent too, which may still
// need its servers for a clean end.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});

/**
 * When the process with this id started, or undefined if there is none. Process ids are reused; the time distinguishes
 * the processes.
 */
function startOf(pid) {
  try {
    if (process.platform === 'linux') {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
    }
    const line = execFileSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim();
    return line === '' || line.startsWith('Z') ? undefined : line.slice(line.indexOf(' ')).trim();
  } catch {
    return undefined;
  }
}

async function stop({ pid, signals, remove, start }) {
  const runs = () => start !== undefined && startOf(pid) === start;
  for (const [signal, wait] of signals) {
    if (!runs()) break;
    try {
      process.kill(pid, signal);
    } catch {
      // The process ended in between. The next check confirms that.
    }
    const limit = performance.now() + wait;
    while (runs() && performance.now() < limit) await delay(POLL_MS);
  }
  await Promise.all(remove.map((directory) => rm(directory, { recursive: true, force: true, maxRetries: 5 })));
}

for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line);
  if (message.watch) watched.set(message.watch.pid, { ...message.watch, start: startOf(message.watch.pid) });
  if (message.forget) watched.delete(message.forget);
}
await Promise.all([...watched.values()].map(stop));
process.exit(0);
