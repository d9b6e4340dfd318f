import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { freePort } from '@batuta/local-stack';
import { eventually } from '@batuta/testing';
import { BatutaCommand, ROOT } from '../support/command.js';
import { LocalPlatform } from '../support/local-platform.js';
import { processesNaming } from '../support/processes.js';

const GREETING = {
  name: 'greeting',
  strategy: 'sequential',
  steps: [
    { id: 'hello', name: 'Say hello', agent: 'echo', output_key: 'hello' },
    { id: 'gate', name: 'May it go?', dependencies: ['hello'], approval: { message: 'Send\nit\u001B[2J?' } },
  ],
};

describe('executions on the command line', () => {
  let platform: LocalPlatform;
  const opened: BatutaCommand[] = [];
  const batuta = (...args: string[]): BatutaCommand => {
    const command = new BatutaCommand(args, platform.dir);
    opened.push(command);
    return command;
  };
  const said = async (args: readonly string[], code = 0): Promise<string> => {
    const command = batuta(...args);
    expect({ code: await command.exited(), output: command.output }).toMatchObject({ code });
    return command.output;
  };
  const file = (name: string, value: object): string => {
    const path = join(platform.dir, name);
    writeFileSync(path, JSON.stringify(value));
    return path;
  };
  const executed = async (): Promise<string> => {
    const started = JSON.parse(await said(['execute', 'greeting', '--input', '{"who": "world"}'])) as object;
    return (started as { execution_id: string }).execution_id;
  };
  const asked = (id: string): Promise<void> =>
    eventually(
      async () => {
        expect(await said(['approvals', 'list'])).toMatch(
          new RegExp(`^${id} {2}gate {2}greeting {2}Send it \\[2J\\?$`, 'm'),
        );
      },
      { timeoutMs: 120_000 },
    );

  beforeAll(async () => {
    platform = await LocalPlatform.start({ BATUTA_LAYOUT: 'gateway|config,notifications|execution|step-runner' });
  });

  afterAll(async () => {
    for (const { child } of opened) child.kill('SIGKILL');
    await platform.stop();
  });

  it('saves a config and its next version, and shows mistakes with their places', async () => {
    expect(await said(['configs', 'list'])).toBe('there are no configs\n');
    expect(await said(['schedules', 'list'])).toBe('there are no schedules\n');
    expect(await said(['approvals', 'list'])).toBe('no approval waits for a decision\n');
    const config = file('greeting.json', GREETING);
    expect(JSON.parse(await said(['configs', 'save', config]))).toMatchObject({ name: 'greeting', version: 1 });
    const changed = file('greeting.json', { ...GREETING, description: 'Greets' });
    expect(JSON.parse(await said(['configs', 'save', changed]))).toMatchObject({ name: 'greeting', version: 2 });
    expect(await said(['configs', 'list'])).toMatch(/^[\da-f-]{36} {2}greeting {2}version 2 {2}2 steps\n$/);
    expect(JSON.parse(await said(['configs', 'show', 'greeting']))).toMatchObject({ description: 'Greets' });
    const [step] = GREETING.steps;
    const wrong = file('wrong.json', { ...GREETING, name: 'wrong', steps: [{ ...step, agent: 7 }] });
    expect(await said(['configs', 'save', wrong], 1)).toMatch(/\n {2}\/steps\/0\/agent: /);
  });

  it('watches an execution over a crash of the gateway, while a person approves its step', async () => {
    const id = await executed();
    const watch = batuta('watch', id);
    await watch.says(/ {2}ApprovalRequested {2}gate {2}message: Send it \[2J\?/);
    const gateway = processesNaming('standalone/dist/group.js').filter(
      (pid) =>
        readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('gateway') &&
        readFileSync(`/proc/${pid}/environ`, 'utf8').includes(platform.dir),
    );
    expect(gateway).toHaveLength(1);
    process.kill(gateway[0] ?? 0, 'SIGKILL');
    await watch.says(/The connection to the platform is lost\. Trying again/);
    await eventually(
      async () => {
        expect((await fetch(`${platform.url}/health/ready`)).status).toBe(200);
      },
      { timeoutMs: 120_000, describe: 'the gateway is ready again' },
    );
    await asked(id);
    const decided = await said(['approve', id, 'gate', '--comment', 'fine', '--data', '{"copies": 2}']);
    expect(JSON.parse(decided)).toMatchObject({ execution_id: id });
    expect({ code: await watch.exited(), output: watch.output }).toMatchObject({ code: 0 });
    expect(watch.output.match(/ {2}ExecutionStarted/g)).toHaveLength(1);
    expect(watch.output).toMatch(/ {2}ApprovalDecided {2}gate {2}approved: true, by: \S+, comment: fine\n/);
    expect(watch.output).toMatch(/ {2}ExecutionCompleted\n$/);
    expect(JSON.parse(await said(['executions', 'result', id]))).toMatchObject({
      status: 'completed',
      output: { data: { copies: 2 } },
    });
  });

  it('ends with 1 when an execution is rejected or cancelled, and lists executions by what became of them', async () => {
    const rejected = await executed();
    await asked(rejected);
    await said(['reject', rejected, 'gate', '--comment', 'not today']);
    expect(await said(['watch', rejected], 1)).toMatch(/ {2}ExecutionFailed/);

    const waiting = batuta('execute', 'greeting', '--input', `@${file('input.json', { who: 'file' })}`, '--wait');
    await waiting.says(/^execution [\da-f-]{36}\n/);
    const id = /[\da-f-]{36}/.exec(waiting.output)?.[0] ?? '';
    await asked(id);
    const paused = await said(['executions', 'pause', id]);
    expect(JSON.parse(paused)).toMatchObject({ status: 'paused' });
    expect(JSON.parse(await said(['executions', 'resume', id]))).toMatchObject({ status: 'running' });
    await said(['executions', 'cancel', id, '--reason', 'twice']);
    expect(await waiting.exited()).toBe(1);
    expect(waiting.output).toContain('"status": "cancelled"');
    expect(JSON.parse(await said(['executions', 'show', id]))).toMatchObject({ cancel_reason: 'twice' });
    await eventually(
      async () => {
        const list = ['executions', 'list', '--config', 'greeting', '--status', 'failed', 'cancelled'];
        expect((await said(list)).match(/^\S+ {2}\w+/gm)).toEqual([`${id}  cancelled`, `${rejected}  failed`]);
      },
      { timeoutMs: 120_000 },
    );
    expect(JSON.parse(await said(['executions', 'retry', id]))).toMatchObject({ status: 'running' });
    expect(await said(['executions', 'list', '--session', 'none'])).toBe('there are no such executions\n');
  });

  it('ends without a stack when its reader has ended, and says how to start a platform that does not answer', async () => {
    // The status of the first program that did not end with 0.
    const line = `"${process.execPath}" "${ROOT}cli/dist/main.js" executions list | true; echo $?`;
    const { stdout, stderr } = spawnSync(
      'bash',
      ['--norc', '-o', 'pipefail', '-c', `for i in 1 2 3; do ${line}; done`],
      {
        encoding: 'utf8',
        env: { PATH: process.env['PATH'], BATUTA_DATA_DIR: platform.dir },
      },
    );
    expect({ stdout, stderr }).toEqual({ stdout: '141\n141\n141\n', stderr: '' });
    const port = await freePort();
    const gone = new BatutaCommand(['tasks', 'list'], platform.dir, {
      BATUTA_URL: `http://127.0.0.1:${port}`,
      BATUTA_API_KEY: 'none',
    });
    opened.push(gone);
    expect(await gone.exited()).toBe(1);
    expect(gone.output).toMatch(/no answer: .*ECONNREFUSED 127\.0\.0\.1:\d+\n.*`npm start`/);
  });
});
