import { describe, expect, it } from '@jest/globals';
import { inspect } from 'node:util';
import { boolean, bytes, integer, list, milliseconds, oneOf, secret, text, url } from './fields.js';
import { loadSettings, SettingsError } from './load-settings.js';
import { natsServers } from './nats-url.js';

function errorOf(load: () => unknown): SettingsError {
  try {
    load();
  } catch (error) {
    if (error instanceof SettingsError) return error;
    throw error;
  }
  throw new Error('The settings were accepted.');
}

describe('loadSettings', () => {
  const schema = {
    name: text({ env: 'A_NAME', pattern: /^[a-z]+$/, default: 'batuta' }),
    key: secret({ env: 'A_KEY', minLength: 8 }),
    port: integer({ env: 'A_PORT', default: 3000, min: 0, max: 65535 }),
    lease: milliseconds({ env: 'A_LEASE', default: 10_000, min: 100 }),
    renew: milliseconds({ env: 'A_RENEW', default: 3000 }),
    limit: bytes({ env: 'A_LIMIT', default: 1024, max: 8 * 1024 ** 2 }),
    verbose: boolean({ env: 'A_VERBOSE', default: false }),
    database: url({ env: 'A_DATABASE', protocols: ['postgres', 'postgresql'], optional: true }),
    hosts: list({ env: 'A_HOSTS', default: [] }),
    level: oneOf(['debug', 'info'], { env: 'A_LEVEL', default: 'info' }),
  };

  it('converts every kind of field to its type', () => {
    const settings = loadSettings(schema, {
      A_NAME: ' conductor ',
      A_KEY: 'a-secret-key',
      A_PORT: '0',
      A_LEASE: '1.5s',
      A_RENEW: '250',
      A_LIMIT: '8MiB',
      A_VERBOSE: 'Yes',
      A_DATABASE: 'postgres://u:p@localhost/b',
      A_HOSTS: 'a.example, ,b.example',
      A_LEVEL: 'debug',
    });
    const level: 'debug' | 'info' = settings.level;
    const database: string | undefined = settings.database;
    expect({ ...settings, key: settings.key.reveal(), level, database }).toEqual({
      name: 'conductor',
      key: 'a-secret-key',
      port: 0,
      lease: 1500,
      renew: 250,
      limit: 8 * 1024 * 1024,
      verbose: true,
      database: 'postgres://u:p@localhost/b',
      hosts: ['a.example', 'b.example'],
      level: 'debug',
    });
  });

  it('uses the default for a missing or blank variable, and undefined for an optional one', () => {
    const settings = loadSettings(schema, { A_KEY: 'a-secret-key', A_PORT: '', A_LEVEL: '  ' });
    expect(settings.port).toBe(3000);
    expect(settings.level).toBe('info');
    expect(settings.database).toBeUndefined();
  });

  it('names all wrong variables and what was expected of them', () => {
    const error = errorOf(() =>
      loadSettings(schema, { A_NAME: 'N0', A_PORT: '70000', A_LEASE: '5 parsecs', A_LIMIT: '9MiB', A_LEVEL: 'loud' }),
    );
    expect(error.problems.map(({ variables }) => variables[0])).toEqual([
      'A_NAME',
      'A_KEY',
      'A_PORT',
      'A_LEASE',
      'A_LIMIT',
      'A_LEVEL',
    ]);
    expect(error.message).toContain('A_PORT must be a whole number from 0 to 65535');
    expect(error.message).toContain('A_KEY is required: a secret of at least 8 characters');
    expect(error.message).toContain('A_LEVEL must be one of debug, info');
  });

  it('never repeats a value in an error', () => {
    const marker = 'hunter2-Sensitive';
    const env = Object.fromEntries(Object.values(schema).map((field) => [field.env, marker]));
    const short = { ...env, A_KEY: 'hunter2' };
    const error = errorOf(() => loadSettings(schema, short));
    expect(error.problems).toHaveLength(9);
    expect(error.message + JSON.stringify(error)).not.toMatch(/hunter2/);
  });

  it.each(['1e3', '0x10', '1.5', 'NaN', '12abc', '9007199254740993'])('refuses %s as a whole number', (raw) => {
    expect(() => loadSettings({ port: integer({ env: 'P' }) }, { P: raw })).toThrow(SettingsError);
  });

  it.each(['constructor', 'toString', '5constructor'])('refuses the inherited name %s as boolean or unit', (raw) => {
    expect(() => loadSettings({ flag: boolean({ env: 'P' }) }, { P: raw })).toThrow(SettingsError);
    expect(() => loadSettings({ wait: milliseconds({ env: 'P' }) }, { P: raw })).toThrow(SettingsError);
  });

  it('gives the same result each time for a pattern with the global flag', () => {
    const flagged = { name: text({ env: 'N', pattern: /^a+$/g }) };
    expect([1, 2, 3].map(() => loadSettings(flagged, { N: 'aaa' }).name)).toEqual(['aaa', 'aaa', 'aaa']);
  });

  it('reports contradictions between settings that are correct individually', () => {
    const error = errorOf(() =>
      loadSettings(schema, { A_KEY: 'a-secret-key', A_LEASE: '1s', A_RENEW: '2s' }, ({ lease, renew }) =>
        renew < lease ? [] : [{ variables: ['A_RENEW', 'A_LEASE'], expected: 'must renew before the lease ends' }],
      ),
    );
    expect(error.message).toContain('A_RENEW, A_LEASE must renew before the lease ends');
  });

  it('freezes the settings and their lists', () => {
    const settings = loadSettings(schema, { A_KEY: 'a-secret-key', A_HOSTS: 'a' });
    expect(Object.isFrozen(settings)).toBe(true);
    expect(Object.isFrozen(settings.hosts)).toBe(true);
  });

  it('keeps a secret out of JSON, templates and inspection', () => {
    const { key } = loadSettings(schema, { A_KEY: 'a-secret-key' });
    expect([JSON.stringify({ key }), `${key.toString()}`, inspect({ key })].join()).not.toContain('a-secret-key');
  });
});

describe('natsServers', () => {
  it('removes the credentials from the URL', () => {
    expect(natsServers('nats://me:p%40ss@127.0.0.1:4333')).toEqual({
      servers: ['nats://127.0.0.1:4333'],
      user: 'me',
      pass: 'p@ss',
    });
    expect(natsServers('nats://tok@host:4222')).toEqual({ servers: ['nats://host:4222'], token: 'tok' });
  });

  it('accepts several servers, and a host without a protocol', () => {
    expect(natsServers('one:4222, nats://two:4223').servers).toEqual(['nats://one:4222', 'nats://two:4223']);
  });

  it('refuses an invalid URL without repeating it', () => {
    expect(() => natsServers('nats://:secret@')).toThrow(/must look like/);
    expect(() => natsServers('')).toThrow(TypeError);
  });
});
