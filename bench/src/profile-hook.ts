import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector';
import { join } from 'node:path';

// Loaded into every process of the platform with --import. The first SIGUSR2 starts a CPU profile. The next one ends
// and writes it, so that it covers only the measured round.
const directory = process.env['BENCH_PROFILE_DIRECTORY'] ?? '.';
const INTERVAL_US = 500;
let session: Session | undefined;

function begin(): void {
  session = new Session();
  session.connect();
  session.post('Profiler.enable');
  session.post('Profiler.setSamplingInterval', { interval: INTERVAL_US });
  session.post('Profiler.start');
}

function end(running: Session): void {
  session = undefined;
  running.post('Profiler.stop', (error, result) => {
    if (error === null) writeFileSync(join(directory, `${process.pid}.cpuprofile`), JSON.stringify(result.profile));
    else console.error(error);
    running.disconnect();
  });
}

process.on('SIGUSR2', () => {
  if (session === undefined) begin();
  else end(session);
});
