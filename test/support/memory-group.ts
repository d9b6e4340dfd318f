import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually } from '@batuta/testing';
import { parseAllDocuments } from 'yaml';

const CGROUPS = '/sys/fs/cgroup/memory';
const BASE = fileURLToPath(new URL('../../deploy/k8s/base/', import.meta.url));
const UNITS: Readonly<Record<string, number>> = { Ki: 1024, Mi: 1024 ** 2, Gi: 1024 ** 3 };

interface Manifest {
  readonly kind?: string;
  readonly spec?: {
    readonly template?: {
      readonly spec?: {
        readonly containers?: readonly {
          readonly name: string;
          readonly env?: readonly { readonly name: string; readonly value?: string }[];
          readonly resources?: { readonly limits?: { readonly memory?: string } };
        }[];
      };
    };
  };
}

/**
 * The settings of a service's Deployment for its container: the memory limit in bytes, and the environment that is
 * written there.
 */
export interface ContainerSettings {
  readonly memoryLimit: number;
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Reads them from `deploy/k8s/base/<service>.yaml`. Throws when there is no container of that name with a memory limit.
 */
export function containerSettings(service: string): ContainerSettings {
  const documents = parseAllDocuments(readFileSync(join(BASE, `${service}.yaml`), 'utf8'));
  const containers = documents
    .map((document) => document.toJS() as Manifest)
    .flatMap(({ spec }) => spec?.template?.spec?.containers ?? []);
  const container = containers.find(({ name }) => name === service);
  const [, count, unit] = /^(\d+)(Ki|Mi|Gi)$/.exec(container?.resources?.limits?.memory ?? '') ?? [];
  const bytes = Number(count) * (UNITS[unit ?? ''] ?? Number.NaN);
  if (!(bytes > 0)) throw new Error(`${service} has no memory limit in ${BASE}${service}.yaml`);
  const env = (container?.env ?? []).flatMap(({ name, value }) =>
    value === undefined ? [] : [[name, value] as const],
  );
  return { memoryLimit: bytes, env: Object.fromEntries(env) };
}

/** Environment variables of the image that control how the C library manages memory (Dockerfile). */
export function imageMemoryEnvironment(): Record<string, string> {
  const dockerfile = readFileSync(fileURLToPath(new URL('../../Dockerfile', import.meta.url)), 'utf8');
  return Object.fromEntries(
    [...dockerfile.matchAll(/\b(MALLOC_\w+|NODE_OPTIONS)=(\S+)/g)].map(([, name, value]) => [name, value]),
  );
}

/**
 * A control group of the kernel (cgroup v1) with a memory limit. When its processes need more, the kernel kills one of
 * them, as in a container.
 */
export class MemoryGroup {
  readonly #directory: string;

  private constructor(
    readonly name: string,
    readonly limit: number,
    directory: string,
  ) {
    this.#directory = directory;
  }

  /** Whether this user can create such groups here. */
  static get possible(): boolean {
    try {
      accessSync(CGROUPS, constants.W_OK);
      return existsSync(join(CGROUPS, 'memory.limit_in_bytes'));
    } catch {
      return false;
    }
  }

  /** `limit`: bytes. Throws when this user cannot create groups. */
  static make(name: string, limit: number): MemoryGroup {
    const directory = join(CGROUPS, `batuta-${process.pid}-${name}`);
    mkdirSync(directory);
    const group = new MemoryGroup(name, limit, directory);
    writeFileSync(join(directory, 'memory.limit_in_bytes'), String(limit));
    return group;
  }

  /** The file to which the id of a process is written to put the process, and all that it starts, into the group. */
  get members(): string {
    return join(this.#directory, 'cgroup.procs');
  }

  /** Bytes in use that cannot be released: memory of the processes, without cached files. */
  get used(): number {
    return this.#figure('memory.stat', 'total_rss');
  }

  /** Number of processes that the kernel has killed because of memory. */
  get kills(): number {
    return this.#figure('memory.oom_control', 'oom_kill');
  }

  /** Removes the group when its processes have ended. */
  async remove(): Promise<void> {
    await eventually(() => readFileSync(this.members, 'utf8') === '', { describe: `the group ${this.name} is empty` });
    rmdirSync(this.#directory);
  }

  #figure(file: string, name: string): number {
    const text = readFileSync(join(this.#directory, file), 'utf8');
    const [, value] = new RegExp(`^${name} (\\d+)$`, 'm').exec(text) ?? [];
    if (value === undefined) throw new Error(`${file} of ${this.#directory} has no ${name}`);
    return Number(value);
  }
}
