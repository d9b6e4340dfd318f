import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Mistake, mistakeOf } from './mistake.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'batuta-mistake-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const failing = (work: () => unknown): unknown => {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error('it did not fail');
};
const system = (code: string, details: object): Error => Object.assign(new Error(code), { code, ...details });

describe('mistakeOf', () => {
  it('returns the message of a mistake, even when it is the cause of another error', () => {
    expect(mistakeOf(new Mistake('Do this.'))).toBe('Do this.');
    expect(mistakeOf(new Error('outer', { cause: new Mistake('Do this.') }))).toBe('Do this.');
  });

  it('returns nothing for errors that need their stack', () => {
    for (const error of [
      new Error('a bug'),
      new TypeError('x is not a function'),
      'text',
      undefined,
      system('ENOENT', {}),
    ]) {
      expect(mistakeOf(error)).toBeUndefined();
    }
  });

  it('names the port that is taken', async () => {
    const [one, other] = [createServer(), createServer()];
    one.listen(0, '127.0.0.1');
    await once(one, 'listening');
    const { port } = one.address() as AddressInfo;
    other.listen(port, '127.0.0.1');
    const [error] = (await once(other, 'error')) as [Error];
    one.close();
    expect(mistakeOf(error)).toMatch(
      new RegExp(`^Port 127\\.0\\.0\\.1:${port} is taken by another program\\..*choose`),
    );
  });

  it('names the file that is in the way of a directory', () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    expect(mistakeOf(failing(() => mkdirSync(file)))).toContain(`A directory is needed at ${file}`);
    expect(mistakeOf(failing(() => mkdirSync(join(file, 'below'), { recursive: true })))).toContain(
      `A directory is needed at ${join(file, 'below')}`,
    );
  });

  it('tells where the disk is full, how much is free, and which path may not be written', () => {
    const path = join(folder, 'not', 'there', 'yet');
    expect(mistakeOf(system('ENOSPC', { syscall: 'write', path }))).toMatch(
      /^The disk is full: .*yet could not be written, \d+ MiB are free there\./,
    );
    expect(mistakeOf(system('EACCES', { syscall: 'mkdir', path: '/srv/x' }))).toContain(
      'may not make the directory /srv/x',
    );
    expect(mistakeOf(system('EROFS', { syscall: 'open', path: '/srv/x' }))).toContain('/srv/x is on a file system');
  });

  it('explains what PostgreSQL refuses', () => {
    const refusal = (code: string): string | undefined =>
      mistakeOf(Object.assign(new Error('no'), { code, severity: 'FATAL' }));
    expect(refusal('28P01')).toContain('refuses the login: no. Correct the user and password');
    expect(refusal('3D000')).toContain('Create that database');
    expect(refusal('42501')).toContain('must be the owner');
    expect(refusal('23505')).toBeUndefined();
  });
});
