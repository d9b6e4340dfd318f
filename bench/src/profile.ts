import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

interface SelfTime {
  readonly where: string;
  readonly ms: number;
  readonly share: number;
}

export interface ProfileSummary {
  /** Milliseconds in which the process was not idle. */
  readonly busyMs: number;
  readonly byFunction: readonly SelfTime[];
  readonly byPackage: readonly SelfTime[];
}

/** A process's own time by function and by package, largest first, without idle time. */
export function summarize(profile: CpuProfile): ProfileSummary {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const functions = new Map<string, number>();
  const packages = new Map<string, number>();
  let busy = 0;
  for (const [index, id] of profile.samples.entries()) {
    const us = profile.timeDeltas[index] ?? 0;
    const frame = nodes.get(id)?.callFrame;
    // `dispatch` is the inspector's own start of the profile.
    if (frame === undefined || ['(idle)', 'dispatch'].includes(frame.functionName)) continue;
    busy += us;
    const file = shortened(frame.url);
    const where = `${frame.functionName === '' ? '(anonymous)' : frame.functionName} ${file}${file === '' ? '' : `:${frame.lineNumber + 1}`}`;
    functions.set(where.trim(), (functions.get(where.trim()) ?? 0) + us);
    const owner = packageOf(frame.url, frame.functionName);
    packages.set(owner, (packages.get(owner) ?? 0) + us);
  }
  const sorted = (sums: Map<string, number>): SelfTime[] =>
    [...sums].map(([where, us]) => ({ where, ms: us / 1000, share: us / busy })).toSorted((a, b) => b.ms - a.ms);
  return { busyMs: busy / 1000, byFunction: sorted(functions), byPackage: sorted(packages) };
}

function shortened(url: string): string {
  return url.replace(/^.*\/node_modules\//, '').replace(/^file:\/\/.*\/(libs|services|bench)\//, '$1/');
}

function packageOf(url: string, functionName: string): string {
  if (functionName === '(garbage collector)') return '(garbage collector)';
  if (url === '') return '(native code)';
  if (url.startsWith('node:')) return url;
  const short = shortened(url).split('/');
  return short
    .slice(0, short[0]?.startsWith('@') === true || ['libs', 'services'].includes(short[0] ?? '') ? 2 : 1)
    .join('/');
}

/** Reads a profile when it has been written. Throws when it does not appear within 10 s. */
export async function readProfile(file: string): Promise<CpuProfile> {
  for (let left = 200; left > 0; left -= 1) {
    if (existsSync(file)) {
      try {
        return JSON.parse(readFileSync(file, 'utf8')) as CpuProfile;
      } catch {
        // It is not written completely yet.
      }
    }
    await delay(50);
  }
  throw new Error(`${file} was not written`);
}
