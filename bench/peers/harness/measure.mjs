import { readdirSync, readFileSync } from 'node:fs';

const TICKS_PER_SECOND = 100; // USER_HZ, the unit of /proc/<pid>/stat on every Linux architecture
const MEBI = 1024 * 1024;

/**
 * Every process's parent and CPU time.
 *
 * @returns {Map<number, { parent: number, cpu_s: number }>}
 */
function readProcesses() {
  const processes = new Map();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    let stat;
    try {
      stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
    } catch {
      continue; // ended meanwhile
    }
    // proc(5): the name in parentheses may contain blanks. After it come state, ppid and so on.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // utime, stime, and also cutime, cstime: the time of children that have ended, so that every backend is counted.
    const ticks = [11, 12, 13, 14].reduce((sum, field) => sum + Number(fields[field]), 0);
    processes.set(Number(entry), { parent: Number(fields[1]), cpu_s: ticks / TICKS_PER_SECOND });
  }
  return processes;
}

/** The process and all its descendants, the process first; empty when it has ended. @param {number} root */
export function treePids(root) {
  return treeOf(root, readProcesses());
}

/** @param {number} root @param {Map<number, { parent: number }>} processes */
function treeOf(root, processes) {
  const tree = processes.has(root) ? [root] : [];
  for (let i = 0; i < tree.length; i++) {
    for (const [pid, { parent }] of processes) if (parent === tree[i]) tree.push(pid);
  }
  return tree;
}

/**
 * CPU seconds that each named process and its children have used since they started.
 *
 * @param {Record<string, number>} roots name → pid
 * @returns {Record<string, number>}
 */
export function cpuSeconds(roots) {
  const processes = readProcesses();
  return mapValues(roots, (pid) =>
    treeOf(pid, processes).reduce((sum, one) => sum + (processes.get(one)?.cpu_s ?? 0), 0),
  );
}

/**
 * Peak resident memory in MiB of each named process and its children (VmHWM; memory that a tree shares counts once).
 *
 * @param {Record<string, number>} roots name → pid
 * @returns {Record<string, number>}
 */
export function peakMemory(roots) {
  const processes = readProcesses();
  return mapValues(roots, (root) => {
    let own = 0;
    let shared = 0;
    for (const pid of treeOf(root, processes)) {
      let status;
      try {
        status = readFileSync(`/proc/${pid}/status`, 'utf8');
      } catch {
        continue; // ended meanwhile
      }
      const bytes = (/** @type {string} */ field) =>
        Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1] ?? 0) * 1024;
      own += bytes('VmHWM') - bytes('RssShmem');
      shared = Math.max(shared, bytes('RssShmem'));
    }
    return round((own + shared) / MEBI, 1);
  });
}

/** The value at `quantile` (0–1) of sorted numbers, nearest rank. @param {number[]} sorted @param {number} quantile */
export function quantile(sorted, quantile) {
  return sorted[Math.max(0, Math.ceil(sorted.length * quantile) - 1)] ?? Number.NaN;
}

/** @param {number} value @param {number} digits */
export function round(value, digits) {
  return Number(value.toFixed(digits));
}

/**
 * @template A, B
 * @param {Record<string, A>} record @param {(value: A, key: string) => B} change
 * @returns {Record<string, B>}
 */
export function mapValues(record, change) {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value, key)]));
}
