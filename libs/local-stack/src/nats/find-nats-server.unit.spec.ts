import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { silentLogger } from '../logger.js';
import { findNatsServer, installAdvice } from './find-nats-server.js';

let root: string;

beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'batuta-find-nats-'));
});
afterAll(async () => {
  await rm(root, { recursive: true, force: true });
});

async function folderWith(name: string, says: string): Promise<string> {
  const folder = path.join(root, name);
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, 'nats-server'), `#!/bin/sh\necho '${says}'\n`, { mode: 0o755 });
  return folder;
}
const never = (): Promise<boolean> => Promise.reject(new Error('It must not install anything.'));

describe('findNatsServer', () => {
  it('uses the named program, otherwise the first on PATH, otherwise one in a usual place', async () => {
    const named = await folderWith('named', 'nats-server: v2.12.1');
    const onPath = await folderWith('path', 'nats-server: v2.10.4');
    const usual = await folderWith('usual', 'nats-server: v2.9.10');
    const find = async (env: { PATH?: string; BATUTA_NATS_SERVER?: string }) =>
      (await findNatsServer(silentLogger, env, [usual], never)).version.join('.');
    const PATH = ['', path.join(root, 'absent'), onPath].join(path.delimiter);
    expect(await find({ PATH, BATUTA_NATS_SERVER: path.join(named, 'nats-server') })).toBe('2.12.1');
    expect(await find({ PATH, BATUTA_NATS_SERVER: ' ' })).toBe('2.10.4');
    expect(await find({ PATH: '' })).toBe('2.9.10');
  });

  it('installs when there is none, and looks again', async () => {
    const later = path.join(root, 'later');
    const install = async () => {
      await folderWith('later', 'nats-server: v2.9.10');
      return true;
    };
    expect((await findNatsServer(silentLogger, { PATH: later }, [], install)).file).toBe(
      path.join(later, 'nats-server'),
    );
  });

  it('says what to do when there is none and it cannot be installed', async () => {
    const found = findNatsServer(silentLogger, { PATH: root }, [], () => Promise.resolve(false));
    await expect(found).rejects.toThrow(/needs nats-server 2\.9 or newer.*Install it.*BATUTA_NATS_SERVER.*NATS_URL/);
  });

  it('refuses a named program that is missing, too old, or not nats-server', async () => {
    const find = (file: string) => findNatsServer(silentLogger, { BATUTA_NATS_SERVER: file }, [], never);
    await expect(find(path.join(root, 'absent'))).rejects.toThrow(/BATUTA_NATS_SERVER does not name a program/);
    const old = await folderWith('old', 'nats-server: v2.8.4');
    await expect(find(path.join(old, 'nats-server'))).rejects.toThrow(/is version 2\.8\.4; Batuta needs 2\.9 or newer/);
    const other = await folderWith('other', 'hello');
    await expect(find(path.join(other, 'nats-server'))).rejects.toThrow(/does not say which nats-server it is: hello/);
  });
});

describe('installAdvice', () => {
  it('names the command of the system', () => {
    expect(installAdvice('darwin', '')).toContain('brew install nats-server');
    expect(installAdvice('linux', 'ID=debian\n')).toContain('sudo apt-get install nats-server');
    expect(installAdvice('linux', 'ID=pop\nID_LIKE="ubuntu debian"\n')).toContain('sudo apt-get install nats-server');
    expect(installAdvice('linux', 'ID=fedora\n')).toContain('https://docs.nats.io');
  });
});
