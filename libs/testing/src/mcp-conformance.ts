import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const SUITE = join(ROOT, 'node_modules/@modelcontextprotocol/conformance/dist/index.js');
const run = promisify(execFile);

interface Conformance {
  readonly exitCode: number;
  readonly output: string;
  /** The scenarios that ran. */
  readonly scenarios: readonly string[];
}

/**
 * Runs the conformance suite of the Model Context Protocol: `args` after `server` or `client`. `expected`: scenarios that
 * must fail; the suite refuses one that passes.
 */
export async function mcpConformance(
  side: 'server' | 'client',
  args: readonly string[],
  expected: readonly string[],
): Promise<Conformance> {
  const folder = await mkdtemp(join(tmpdir(), 'mcp-conformance-'));
  try {
    const baseline = join(folder, 'expected.yaml');
    await writeFile(baseline, JSON.stringify({ [side]: expected }));
    const results = join(folder, 'results');
    const { exitCode, output } = await suite([side, ...args, '--expected-failures', baseline, '-o', results]);
    const folders = await readdir(results, { recursive: true, withFileTypes: true });
    const checks = folders.filter((entry) => entry.isFile() && entry.name === 'checks.json');
    const scenarios = await Promise.all(
      checks.map(async ({ parentPath }) => {
        // A result without a check says nothing.
        const found = JSON.parse(await readFile(join(parentPath, 'checks.json'), 'utf8')) as unknown[];
        const name = parentPath.slice(results.length + 1).replace(/-\d{4}-\d\d-\d\dT.*$/, '');
        return found.length === 0 ? [] : [name.replace(/^server-(?=.)/, '')];
      }),
    );
    return { exitCode, output, scenarios: scenarios.flat().sort() };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Every scenario that the suite has for one side. */
export async function mcpScenarios(side: 'server' | 'client'): Promise<readonly string[]> {
  const { output } = await suite(['list', `--${side}`]);
  return [...output.matchAll(/^ {2}- (\S+)/gm)].map(([, name = '']) => name).sort();
}

async function suite(args: readonly string[]): Promise<{ exitCode: number; output: string }> {
  const shim = join(ROOT, 'tools/mcp-conformance/node-20.mjs');
  try {
    const { stdout, stderr } = await run(process.execPath, ['--import', shim, SUITE, ...args], {
      maxBuffer: 64 * 1024 * 1024,
    });
    return { exitCode: 0, output: stdout + stderr };
  } catch (error) {
    const { code, stdout = '', stderr = '' } = error as { code?: unknown; stdout?: string; stderr?: string };
    if (typeof code !== 'number') throw error;
    return { exitCode: code, output: stdout + stderr };
  }
}
