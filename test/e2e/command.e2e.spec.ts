import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@batuta/testing';
import { Api, expectStatus } from '../support/api.js';
import { BatutaCommand } from '../support/command.js';
import { processesNaming } from '../support/processes.js';

interface RunFile {
  readonly url: string;
  readonly pid: number;
  readonly api_key_file: string;
  readonly services: Record<string, string>;
}

describe('the batuta command', () => {
  let dir: string;
  const opened: BatutaCommand[] = [];
  const keys = new Set<string>();
  const batuta = (args: readonly string[], env?: Record<string, string>): BatutaCommand => {
    const command = new BatutaCommand(args, dir, env);
    opened.push(command);
    return command;
  };
  const runFile = (): RunFile => JSON.parse(readFileSync(join(dir, 'run.json'), 'utf8')) as RunFile;
  const nothingRuns = (): Promise<void> =>
    eventually(
      () => {
        const left = processesNaming(dir);
        if (left.length > 0) {
          throw new Error(`processes ${left.join(', ')}`);
        }
      },
      { timeoutMs: 60_000, describe: 'no process of the platform is left' },
    );

  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'batuta-command-'));
  });

  afterAll(async () => {
    for (const { child } of opened) {
      child.kill('SIGKILL');
    }
    await nothingRuns();
    rmSync(dir, { recursive: true, force: true });
  }, 300_000);

  it('demo runs the incident orchestration on live data, shows each step, and leaves nothing running', async () => {
    const demo = batuta(['demo']);
    expect(await demo.exited()).toBe(0);
    const { output } = demo;
    const at = (text: string): number => {
      expect(output).toContain(text);
      return output.indexOf(text);
    };
    expect(at('▶ Collect Job Status')).toBeLessThan(at('✔ Collect Job Status'));
    expect(at('✔ Collect Job Status')).toBeLessThan(at('▶ Analyze Logs'));
    expect(at('✔ Analyze Logs')).toBeLessThan(at('▶ Synthesize Response'));
    expect(at('✔ Search Knowledge Base')).toBeLessThan(at('▶ Synthesize Response'));
    expect(at('● execution completed')).toBeLessThan(at('# State of this Batuta platform'));
    for (const service of ['gateway', 'config', 'execution', 'step-runner', 'notifications']) {
      expect(output).toMatch(new RegExp(`\\| ${service} \\| up \\| 200 \\| [\\d.]+ ms \\|`));
    }
    // The log that PostgreSQL has just written.
    expect(output).toMatch(/\| \d+ \| info \| .*database system is ready to accept connections/);
    expect(output).toMatch(/\.md, lines \d+–\d+/);
    for (const step of ['Collect Job Status', 'Analyze Logs', 'Search Knowledge Base', 'Synthesize Response']) {
      expect(output).toMatch(new RegExp(`${step}\\s+completed\\s+\\d+ ms`));
    }
    const execution = /executions\/([\da-f-]{36})\/events/.exec(output)?.[1];
    expect(execution).toBeDefined();
    keys.add(readFileSync(join(dir, 'notifications.key'), 'utf8'));
    await nothingRuns();
  }, 300_000);

  it('start keeps the platform running, refuses a second start, and ends everything on Ctrl-C', async () => {
    const start = batuta(['start', '--port', '0']);
    await start.says(/Batuta is ready at http/);
    const run = runFile();
    expect(run.pid).toBe(start.child.pid);
    // The key for signing secrets is created once and stays with the data.
    const key = readFileSync(join(dir, 'notifications.key'), 'utf8');
    expect(Buffer.from(key, 'base64')).toHaveLength(32);
    expect(statSync(join(dir, 'notifications.key')).mode & 0o777).toBe(0o600);
    expect(statSync(join(dir, 'secrets.key')).mode & 0o777).toBe(0o600);
    keys.add(key);
    expect(keys.size).toBe(1);
    expect(statSync(run.api_key_file).mode & 0o077).toBe(0);
    expect(statSync(join(dir, 'run.json')).mode & 0o077).toBe(0);
    expect((await fetch(`${run.url}/docs`)).status).toBe(200);
    const api = new Api(run.url, readFileSync(run.api_key_file, 'utf8').trim());
    // The demo's execution is still there, because a restart loses nothing.
    const list = expectStatus(
      await api.get<{ executions: { status: string }[] }>('/api/v1/orchestrations/executions'),
      200,
    );
    expect(list.executions.map(({ status }) => status)).toEqual(['completed']);

    const second = batuta(['start']);
    expect(await second.exited()).toBe(1);
    expect(second.output).toContain(`running already: ${run.url}`);

    const added = batuta(['knowledge', 'add', join(import.meta.dirname, '../../examples/incident/runbooks')]);
    expect(await added.exited()).toBe(0);
    expect(added.output).toMatch(/unchanged\s+checkpoints\.md/);
    const rebuilt = batuta(['rebuild']);
    expect(await rebuilt.exited()).toBe(0);
    expect(rebuilt.output).toContain('rebuilt 1 executions and 4 step runs');
    await doctorLooks(run);
    await pauses(api);

    start.child.kill('SIGINT');
    expect(await start.exited()).toBe(0);
    await nothingRuns();
    const gone = batuta(['knowledge', 'list']);
    expect(await gone.exited()).toBe(1);
    expect(gone.output).toContain('No platform is running here');
  }, 300_000);

  /** Holds an agent back by the command, sees why its step waits, and resumes it. */
  async function pauses(api: Api): Promise<void> {
    const said = async (args: readonly string[], code = 0): Promise<string> => {
      const command = batuta(args);
      expect(await command.exited()).toBe(code);
      return command.output;
    };
    expect(await said(['paused'])).toContain('nothing is paused');
    const paused = await said(['pause', 'agent', 'echo', '--reason', 'its server is down']);
    expect(paused).toMatch(/agent echo {2}paused by \S+ since \d{4}-\S+: its server is down\n/);
    expect(await said(['paused'])).toBe(paused);
    expect(await said(['pause', 'agent', 'nobody'], 1)).toContain('There is no agent "nobody".');
    expect(await said(['pause', 'runner', 'x'], 1)).toContain('Allowed choices are tenant, agent, pool');
    const agents = expectStatus(await api.get<{ agents: { name: string; paused?: object }[] }>('/api/v1/agents'), 200);
    expect(agents.agents.filter((agent) => agent.paused !== undefined).map(({ name }) => name)).toEqual(['echo']);
    const task = { task_id: 'held', task_data: { type: 'echo', say: 'hello' } };
    const { execution_id: id } = expectStatus(await api.post<{ execution_id: string }>('/api/v1/tasks', task), 202);
    interface View {
      readonly status: string;
      readonly steps: readonly { readonly queued?: { readonly paused?: object } }[];
    }
    const view = async (): Promise<View> =>
      expectStatus(await api.get<View>(`/api/v1/orchestrations/executions/${id}`), 200);
    await eventually(
      async () =>
        expect((await view()).steps[0]?.queued?.paused).toMatchObject({ kind: 'agent', reason: 'its server is down' }),
      { timeoutMs: 60_000 },
    );
    expect(await said(['resume', 'agent', 'echo'])).toContain('agent echo  resumed');
    await eventually(async () => expect((await view()).status).toBe('completed'), { timeoutMs: 60_000 });
    expect(await said(['resume', 'agent', 'echo'], 1)).toContain('The agent "echo" is not paused.');
    const entries = await said(['audit', 'list', '--action', 'pauses.begin']);
    expect(entries).toContain('pauses/agent/echo');
  }

  /** The doctor finds no problem here, names problems that exist, and does not reveal secrets. */
  async function doctorLooks(run: RunFile): Promise<void> {
    const bundle = join(dir, 'support.json.gz');
    const secret = 'a-token-of-somebody-else';
    const well = batuta(['doctor', '--bundle', bundle], { BATUTA_OPS_TOKEN: secret });
    const code = await well.exited();
    expect(`${well.output}exit code ${code}`).toMatch(/exit code 0$/);
    expect(well.output).toMatch(/, 0 failed, 0 unknown\n/);
    for (const service of Object.keys(run.services)) {
      expect(well.output).toMatch(new RegExp(`✔ service ${service} +It is`));
    }
    expect(statSync(bundle).mode & 0o077).toBe(0);
    const text = gunzipSync(readFileSync(bundle)).toString('utf8');
    const { services, logs } = JSON.parse(text) as Record<'services' | 'logs', Record<string, unknown>>;
    expect(Object.keys(services).toSorted()).toEqual(Object.keys(run.services).toSorted());
    expect(Object.keys(logs)).toContain('postgres.log');
    const files = ['admin.key', 'notifications.key', 'seal.key', 'secrets.key', 'postgres/password'];
    for (const folder of ['postgres/passwords', 'nats/creds']) {
      files.push(...readdirSync(join(dir, folder)).map((name) => join(folder, name)));
    }
    const secrets = files.flatMap((file) =>
      readFileSync(join(dir, file), 'utf8')
        .split(/\s+/)
        .filter((word) => word.length > 20 && /\w/.test(word)),
    );
    expect(secrets.length).toBeGreaterThan(10);
    expect([secret, ...secrets].filter((value) => text.includes(value))).toEqual([]);

    const ill = batuta(['doctor', '--service', 'execution=http://127.0.0.1:1'], {
      DATABASE_URL: `postgres://me:${secret}@127.0.0.1:1/none`,
    });
    expect(await ill.exited()).toBe(1);
    expect(ill.output).toMatch(/✘ service execution +It does not answer .*\n +docs\/runbooks\/BatutaServiceDown\.md/);
    expect(ill.output).toMatch(/✘ PostgreSQL +It cannot be asked: .*\n +docs\/runbooks\/BatutaPostgresDown\.md/);
    expect(ill.output).not.toContain(secret);
    const wrong = batuta(['doctor', '--service', 'execution']);
    expect(await wrong.exited()).toBe(1);
    expect(wrong.output).toMatch(/--service is a name and an address/);
  }

  it('start creates its data directory', async () => {
    const start = new BatutaCommand(['start', '--port', '0'], join(dir, 'of', 'its', 'own'));
    opened.push(start);
    await start.says(/Batuta is ready at http/);
    start.child.kill('SIGINT');
    expect(await start.exited()).toBe(0);
    await nothingRuns();
  }, 300_000);

  it('leaves nothing behind when it is killed, and starts again on the same data', async () => {
    const killed = batuta(['start', '--port', '0']);
    await killed.says(/Batuta is ready at http/);
    killed.child.kill('SIGKILL');
    await killed.exited();
    await nothingRuns();

    const again = batuta(['start', '--port', '0']);
    await again.says(/Batuta is ready at http/);
    again.child.kill('SIGTERM');
    expect(await again.exited()).toBe(0);
    await nothingRuns();
  }, 300_000);

  it('starts a service of the platform again when it crashes', async () => {
    const start = batuta(['start', '--port', '0'], {
      BATUTA_LAYOUT: 'gateway,config,notifications|execution|step-runner',
    });
    await start.says(/Batuta is ready at http/);
    const run = runFile();
    const victims = processesNaming('standalone/dist/group.js').filter((pid) =>
      readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('execution'),
    );
    const own = victims.filter((pid) => readFileSync(`/proc/${pid}/environ`, 'utf8').includes(dir));
    expect(own).toHaveLength(1);
    process.kill(own[0] ?? 0, 'SIGKILL');
    await start.says(/a process of the platform ended; starting it again/);
    await eventually(
      async () => {
        const response = await fetch(`${run.url}/health/ready`);
        if (response.status !== 200) {
          throw new Error(await response.text());
        }
      },
      { timeoutMs: 60_000, describe: 'the platform is ready again' },
    );
    start.child.kill('SIGINT');
    expect(await start.exited()).toBe(0);
    await nothingRuns();
  }, 300_000);

  it('names every wrong setting instead of starting', async () => {
    const wrong = batuta(['start'], { BATUTA_LAYOUT: 'gateway|engine' });
    expect(await wrong.exited()).toBe(1);
    expect(wrong.output).toContain('unknown service "engine"');
    const limit = batuta(['start', '--port', '0'], { BATUTA_EXECUTION_LEASE: 'soon' });
    expect(await limit.exited()).toBe(1);
    expect(limit.output).toContain('BATUTA_EXECUTION_LEASE');
    await nothingRuns();
  }, 300_000);
});
