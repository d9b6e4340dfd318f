import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';

/** The contents of /etc/hosts (hosts(5)), and the search list of /etc/resolv.conf (resolv.conf(5)). */
interface SystemNames {
  /** Addresses by name, in lower case. */
  readonly hosts: ReadonlyMap<string, readonly string[]>;
  readonly search: readonly string[];
  /** A name with at least this many dots is tried unchanged before it is tried with the search list. */
  readonly ndots: number;
}

export interface SystemFiles {
  readonly hosts: string;
  readonly resolvConf: string;
}

export const SYSTEM_FILES: SystemFiles = { hosts: '/etc/hosts', resolvConf: '/etc/resolv.conf' };
const MOST_NDOTS = 15;
const REREAD_MS = 5_000;

export function parseHosts(text: string): ReadonlyMap<string, readonly string[]> {
  const hosts = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const [address = '', ...names] = withoutComment(line).split(/\s+/).filter(Boolean);
    if (isIP(address) === 0) continue;
    for (const name of names) {
      const key = name.toLowerCase();
      hosts.set(key, [...(hosts.get(key) ?? []), address]);
    }
  }
  return hosts;
}

export function parseResolvConf(text: string): Pick<SystemNames, 'search' | 'ndots'> {
  let search: readonly string[] = [];
  let ndots = 1;
  for (const line of text.split('\n')) {
    const [keyword, ...values] = withoutComment(line).split(/\s+/).filter(Boolean);
    // The last of several `search` and `domain` lines counts.
    if (keyword === 'search') {
      search = values.map(domain).filter(Boolean);
    } else if (keyword === 'domain') {
      search = values.slice(0, 1).map(domain).filter(Boolean);
    } else if (keyword === 'options') {
      for (const value of values) {
        const dots = /^ndots:(\d+)$/.exec(value)?.[1];
        if (dots !== undefined) ndots = Math.min(Number(dots), MOST_NDOTS);
      }
    }
  }
  return { search, ndots };
}

function withoutComment(line: string): string {
  return line.replace(/[#;].*$/, '');
}

function domain(text: string): string {
  return text.replace(/^\.+|\.+$/g, '').toLowerCase();
}

/** The names to query in DNS, in turn, for a host that a user names. A name that ends in a dot is complete. */
export function candidates(name: string, { search, ndots }: Pick<SystemNames, 'search' | 'ndots'>): string[] {
  if (name.endsWith('.')) return [name.slice(0, -1)];
  const searched = search.map((suffix) => `${name}.${suffix}`);
  const dots = name.split('.').length - 1;
  return dots >= ndots ? [name, ...searched] : [...searched, name];
}

/**
 * Reads the system's files, and reads them again in the background while they are used. A lookup never waits for the
 * disk.
 */
export class SystemNamesReader {
  readonly #files: SystemFiles;
  readonly #onChange: () => void;
  #read: { readonly names: SystemNames; readonly resolvConf: string };
  #readAt = performance.now();
  #isReading = false;

  constructor(
    files: SystemFiles = SYSTEM_FILES,
    /** Called when the name servers may have changed. */
    onChange: () => void = () => undefined,
  ) {
    this.#files = files;
    this.#onChange = onChange;
    this.#read = this.#parsed(readOr(files.hosts), readOr(files.resolvConf));
  }

  get names(): SystemNames {
    if (performance.now() - this.#readAt >= REREAD_MS && !this.#isReading) void this.refresh();
    return this.#read.names;
  }

  async refresh(): Promise<void> {
    this.#isReading = true;
    try {
      const text = (file: string): Promise<string> => readFile(file, 'utf8').catch(() => '');
      const [hosts, resolvConf] = await Promise.all([text(this.#files.hosts), text(this.#files.resolvConf)]);
      const hasChanged = resolvConf !== this.#read.resolvConf;
      this.#read = this.#parsed(hosts, resolvConf);
      if (hasChanged) this.#onChange();
    } finally {
      this.#readAt = performance.now();
      this.#isReading = false;
    }
  }

  #parsed(hosts: string, resolvConf: string): { names: SystemNames; resolvConf: string } {
    return { names: { hosts: parseHosts(hosts), ...parseResolvConf(resolvConf) }, resolvConf };
  }
}

function readOr(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
