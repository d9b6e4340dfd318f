import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { installNeeded, wholePath } from './needed-programs.mjs';

let path: string;
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'batuta-needed-'));
});
afterEach(() => rmSync(path, { recursive: true, force: true }));

const put = (...programs: string[]): void => {
  for (const program of programs) writeFileSync(join(path, program), '#!/bin/sh\n', { mode: 0o755 });
};

describe('the programs that the tests need', () => {
  it('are installed only when they are missing', () => {
    put('kubectl', 'promtool');
    const installed: (readonly string[])[] = [];
    const install = (packages: readonly string[]): void => {
      installed.push(packages);
      put('nats-server');
    };
    expect(installNeeded({ path, mayInstall: true, install })).toEqual([]);
    expect(installed).toEqual([['nats-server']]);
    expect(installNeeded({ path, mayInstall: true, install })).toEqual([]);
    expect(installed).toHaveLength(1);
  });

  it('are listed with the command that installs them when they could not be installed', () => {
    const missing = [
      { program: 'nats-server', advice: 'sudo apt-get install nats-server' },
      { program: 'kubectl', advice: 'sudo apt-get install kubernetes-client' },
      { program: 'promtool', advice: 'sudo apt-get install prometheus' },
    ];
    const never = (): never => {
      throw new Error('it must not install anything');
    };
    expect(installNeeded({ path, mayInstall: false, install: never })).toEqual(missing);
    expect(installNeeded({ path, mayInstall: true, install: () => false })).toEqual(missing);
  });

  it('are searched on the PATH and then in Debian’s directories for servers', () => {
    expect(wholePath('/one:/usr/sbin')).toBe('/one:/usr/sbin:/usr/local/sbin:/sbin');
  });
});
