// A process whose event loop does one of these, to see how it ends: node … watched-process.ts stand|rest|go
import { startWatchdog } from '../src/watchdog.js';

const [what = '', ms = '0'] = process.argv.slice(2);
startWatchdog('watched');
process.stdout.write('watched\n');
switch (what) {
  case 'stand':
    // Blocks the event loop without using the CPU, which the tests share.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(ms));
    process.stdout.write('went on\n');
    break;
  case 'go':
    setTimeout(() => process.stdout.write('went on\n'), Number(ms));
    break;
  default:
    throw new Error(`unknown: ${what}`);
}
