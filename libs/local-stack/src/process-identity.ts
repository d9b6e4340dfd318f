import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

let bootId: string | undefined;

/**
 * Names a live process so that nothing else, later or after a reboot, gets the same name: its id and when it started.
 * Undefined when no such process runs; a zombie counts as ended, because some containers never reap.
 */
export function processIdentity(pid: number): string | undefined {
  try {
    if (process.platform === 'linux') {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      // The second field is the command in parentheses and may hold spaces: proc(5), fields 3 (state) and 22 (start).
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
      bootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
      return `${pid}@${bootId}:${fields[19]}`;
    }
    const line = ps(pid, 'stat=,lstart=');
    return line === '' || line.startsWith('Z') ? undefined : `${pid}@${line.slice(line.indexOf(' ')).trim()}`;
  } catch {
    return undefined;
  }
}

/** The command line of a live process, its arguments separated by spaces; empty when no such process can be seen. */
export function commandLine(pid: number): string {
  try {
    return process.platform === 'linux'
      ? readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
      : ps(pid, 'command=');
  } catch {
    return '';
  }
}

function ps(pid: number, columns: string): string {
  return execFileSync('ps', ['-o', columns, '-p', String(pid)], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }).trim();
}
