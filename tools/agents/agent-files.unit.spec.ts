import { describe, expect, it } from '@jest/globals';
import { BUILT_IN_AGENT_DESCRIPTIONS, BUILT_IN_AGENTS } from '@batuta/contracts';
import { Sandbox } from '@batuta/sandbox';
import { builtInAgents } from '@batuta/step-runner';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { agentFiles } from './agent-files.mjs';

const root = join(import.meta.dirname, '../..');

describe('what is written of the built-in agents', () => {
  it('matches their definitions: run `npm run agents` if it does not', async () => {
    for (const [path, text] of Object.entries(await agentFiles(builtInAgents, Sandbox))) {
      expect([path, readFileSync(join(root, path), 'utf8')]).toEqual([path, text]);
    }
  });

  it('covers agents that have one file each, with their name', () => {
    const fileOf = (name: string): string => `services/step-runner/src/agents/${name.replaceAll('_', '-')}.ts`;
    expect(BUILT_IN_AGENTS.map(fileOf).filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  it('describes the purpose of each agent and of each parameter', () => {
    const silent = BUILT_IN_AGENT_DESCRIPTIONS.flatMap(({ name, description, inputSchema = {} }) => [
      ...(description === '' ? [name] : []),
      ...Object.entries((inputSchema['properties'] ?? {}) as Record<string, { description?: string }>)
        .filter(([, schema]) => schema.description === undefined)
        .map(([parameter]) => `${name}: ${parameter}`),
    ]);
    expect(silent).toEqual([]);
  });
});
