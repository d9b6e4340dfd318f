import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@batuta/testing';
import { ROOT } from '../support/command.js';
import { processesNaming } from '../support/processes.js';
import { Terminal } from '../support/terminal.js';
import type { TerminalOptions } from '../support/terminal.js';

const COLOUR = '\u001B[';

describe("the README's commands in a terminal", () => {
  let dir: string;
  const opened: Terminal[] = [];
  const type = (line: string, options: Partial<TerminalOptions> = {}): Terminal => {
    const terminal = new Terminal(line, {
      cwd: ROOT,
      ...options,
      env: { HOME: dir, BATUTA_DATA_DIR: join(dir, '.batuta'), ...options.env },
    });
    opened.push(terminal);
    return terminal;
  };
  const nothingRuns = (): Promise<void> =>
    eventually(
      () => {
        const left = processesNaming(dir);
        if (left.length > 0) throw new Error(`processes ${left.join(', ')}`);
      },
      { timeoutMs: 60_000, describe: 'no process of the platform is left' },
    );

  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'batuta-terminal-'));
  });

  afterAll(async () => {
    for (const { child } of opened) child.kill('SIGKILL');
    await nothingRuns();
    rmSync(dir, { recursive: true, force: true });
  }, 90_000);

  it('npm run demo shows the report and ends by itself', async () => {
    const demo = type('npm run demo');
    expect({ code: await demo.exited(), shown: demo.shown }).toMatchObject({
      code: 0,
      shown: expect.stringContaining('● execution completed'),
    });
    expect(demo.shown).toContain('# State of this Batuta platform');
    await nothingRuns();
  }, 180_000);

  it('npm start runs until Ctrl-C, which ends all of it', async () => {
    const start = type('npm start -- --port 0');
    await start.says(/Batuta is ready at http/);
    start.controlC();
    await start.says(/Stopped\./);
    await start.exited();
    expect(start.shown).toMatch(/SIGINT: stopping …\n\s+Stopped\./);
    await nothingRuns();
  }, 180_000);

  it('colours its logs, and does not when NO_COLOR is set', async () => {
    for (const { env, coloured } of [
      { env: {}, coloured: true },
      { env: { NO_COLOR: '1' }, coloured: false },
    ]) {
      const start = type('npm start -- --port 0', { env });
      await start.says(/Batuta is ready at http/);
      start.controlC();
      await start.exited();
      expect(start.shown).toMatch(/INFO: config: config service started/);
      expect(start.output.includes(COLOUR)).toBe(coloured);
    }
  }, 180_000);
});
