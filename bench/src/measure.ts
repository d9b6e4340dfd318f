import { readdirSync, readFileSync } from 'node:fs';

/** USER_HZ, the unit of /proc/<pid>/stat on every Linux architecture. */
const TICKS_PER_SECOND = 100;
const MEBIBYTE = 1024 * 1024;

interface ProcessTimes {
  readonly parent: number;
  readonly cpuSeconds: number;
}

/** The parent and CPU time (user and system, including ended children) of every process, from /proc; see proc(5). */
function readProcesses(): Map<number, ProcessTimes> {
  const processes = new Map<number, ProcessTimes>();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const stat = readIfThere(`/proc/${entry}/stat`);
    if (stat === undefined) continue;
    // The name in parentheses may contain blanks. After it come state, ppid and so on.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const ticks = [11, 12, 13, 14].reduce((sum, field) => sum + Number(fields[field]), 0);
    processes.set(Number(entry), { parent: Number(fields[1]), cpuSeconds: ticks / TICKS_PER_SECOND });
  }
  return processes;
}

/** A process may end between the listing of the directory and the reading of its file. */
function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

function treeOf(root: number, processes: ReadonlyMap<number, ProcessTimes>): number[] {
  const tree = processes.has(root) ? [root] : [];
  for (const member of tree) {
    for (const [pid, { parent }] of processes) if (parent === member) tree.push(pid);
  }
  return tree;
}

/** CPU seconds of each named process and its children since their start. */
export function cpuSeconds(roots: Readonly<Record<string, number>>): Record<string, number> {
  const processes = readProcesses();
  return mapValues(roots, (pid) =>
    treeOf(pid, processes).reduce((sum, one) => sum + (processes.get(one)?.cpuSeconds ?? 0), 0),
  );
}

/** Peak resident memory in MiB of each named process and its children (VmHWM; shared memory of a tree counts once). */
export function peakMemory(roots: Readonly<Record<string, number>>): Record<string, number> {
  const processes = readProcesses();
  return mapValues(roots, (root) => {
    let own = 0;
    let shared = 0;
    for (const pid of treeOf(root, processes)) {
      const status = readIfThere(`/proc/${pid}/status`);
      if (status === undefined) continue;
      const bytes = (field: string): number =>
        Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1] ?? 0) * 1024;
      own += bytes('VmHWM') - bytes('RssShmem');
      shared = Math.max(shared, bytes('RssShmem'));
    }
    return rounded((own + shared) / MEBIBYTE, 1);
  });
}

/** The value at `share` (0–1) of sorted numbers, nearest rank. */
export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

export interface Quantiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

/** Quantiles of milliseconds, with two decimal places. */
export function quantiles(values: number[]): Quantiles {
  const sorted = values.toSorted((a, b) => a - b);
  return {
    p50: rounded(quantile(sorted, 0.5), 2),
    p95: rounded(quantile(sorted, 0.95), 2),
    p99: rounded(quantile(sorted, 0.99), 2),
  };
}

/** The middle value, or the mean of the two middle values. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  if (sorted.length === 0) return Number.NaN;
  return Number.isInteger(middle)
    ? ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2
    : (sorted[Math.floor(middle)] ?? 0);
}

export function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

export function mapValues<A, B>(
  record: Readonly<Record<string, A>>,
  change: (value: A, key: string) => B,
): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value, key)]));
}

/** Groups values by key. Keys and values keep their order of appearance. */
export function groupBy<T>(values: readonly T[], key: (value: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const value of values) {
    const group = groups.get(key(value));
    if (group === undefined) groups.set(key(value), [value]);
    else group.push(value);
  }
  return groups;
}
