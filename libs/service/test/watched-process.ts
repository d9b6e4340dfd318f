// Shows what becomes of a process whose event loop does one of these: node … watched-process.ts stand|rest|go
import { startWatchdog } from '../src/watchdog.js';

const [what = '', ms = '0'] = process.argv.slice(2);
startWatchdog('watched');
process.stdout.write('watched\n');
switch (what) {
  case 'stand':
    // A blocked event loop without load on the machine that the tests share.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(ms));
    process.stdout.write('went on\n');
    break;
  case 'go':
    setTimeout(() => process.stdout.write('went on\n'), Number(ms));
    break;
  default:
    throw new Error(`unknown: ${what}`);
}
