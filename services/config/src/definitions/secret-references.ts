import {
  BUILT_IN_AGENTS,
  expressionIn,
  mentionsSecret,
  secretMistake,
  secretNames,
  templateField,
  pointerToken,
} from '@batuta/contracts';
import { isRecord } from '@batuta/documents';
import type { Report } from '@batuta/documents';
import { textOf } from './outline.js';
import type { ValidationPorts } from './validation-ports.js';

interface Use {
  readonly path: string;
  readonly names: readonly string[];
  readonly agent: string;
}

const BUILT_IN: ReadonlySet<string> = new Set(BUILT_IN_AGENTS);
const WHERE = 'only texts in the input of a step or of its compensation may refer to secrets';

/**
 * Reports references to secrets that would not be resolved. References are resolved only in texts that a config itself
 * contains in an agent's input. Text from an execution's input or from another step is never a reference.
 */
export async function reportSecrets(
  document: Readonly<Record<string, unknown>>,
  ports: Pick<ValidationPorts, 'knownSecrets' | 'agentsWithSecrets'>,
  report: Report,
): Promise<void> {
  const uses: Use[] = [];
  const { steps, ...rest } = document;
  walk(rest, '', (path) => report.add(path, 'secret_not_allowed', WHERE));
  for (const [index, step] of Array.isArray(steps) ? steps.entries() : []) {
    if (!isRecord(step)) continue;
    const path = `/steps/${index}`;
    const { input, compensate, ...own } = step;
    walk(own, path, (at) => report.add(at, 'secret_not_allowed', WHERE));
    collect(input, `${path}/input`, textOf(step, 'agent'), uses, report);
    if (!isRecord(compensate)) continue;
    const { input: undo, ...beside } = compensate;
    walk(beside, `${path}/compensate`, (at) => report.add(at, 'secret_not_allowed', WHERE));
    collect(undo, `${path}/compensate/input`, textOf(compensate, 'agent'), uses, report);
  }
  if (uses.length === 0) return;
  if (document['is_global'] === true) {
    for (const { path } of uses) {
      report.add(path, 'secret_not_allowed', 'a global config, which other tenants run, refers to no secrets');
    }
    return;
  }
  const others = [...new Set(uses.map(({ agent }) => agent))].filter((agent) => !BUILT_IN.has(agent));
  const trusted = others.length === 0 ? new Set<string>() : await ports.agentsWithSecrets(others);
  const { known, meant } = await ports.knownSecrets([...new Set(uses.flatMap(({ names }) => names))]);
  for (const { path, names, agent } of uses) {
    if (!BUILT_IN.has(agent) && !trusted.has(agent)) {
      report.add(
        path,
        'secret_not_allowed',
        `"${agent}" is served by workers of your own, which get no secrets from the platform: give them theirs where they run`,
      );
    }
    for (const name of names) {
      if (known.has(name)) continue;
      const near = meant.get(name);
      const hint = near === undefined ? `; make it with PUT /api/v1/secrets/${name}` : `; did you mean "${near}"?`;
      report.add(path, 'unknown_secret', `there is no secret "${name}"${hint}`);
    }
  }
}

function collect(input: unknown, path: string, agent: string | undefined, uses: Use[], report: Report): void {
  const template = templateField(agent);
  walk(input, path, (at, text) => {
    if (text === undefined) {
      report.add(at, 'secret_not_allowed', 'a name of a field cannot refer to a secret, only its value');
    } else if (agent === undefined) {
      report.add(at, 'secret_not_allowed', WHERE);
    } else if (expressionIn(text) !== undefined) {
      report.add(at, 'secret_not_allowed', 'an expression cannot refer to a secret: write it as a text of its own');
    } else if (template !== undefined && at === `${path}/${template}`) {
      report.add(at, 'secret_not_allowed', 'a template cannot refer to a secret');
    } else {
      const mistake = secretMistake(text);
      if (mistake !== undefined) report.add(at, 'secret_not_allowed', mistake);
      else uses.push({ path: at, names: secretNames(text), agent });
    }
  });
}

/**
 * Calls `found` for each text that mentions a secret. For the name of a field that does, it calls it without a text.
 */
function walk(value: unknown, path: string, found: (path: string, text?: string) => void): void {
  const pending: [string, unknown][] = [[path, value]];
  for (let entry = pending.pop(); entry !== undefined; entry = pending.pop()) {
    const [at, current] = entry;
    if (typeof current === 'string') {
      if (mentionsSecret(current)) found(at, current);
    } else if (typeof current === 'object' && current !== null) {
      const children = Object.entries(current).map(([key, item]): [string, unknown] => {
        const child = `${at}/${pointerToken(key)}`;
        if (mentionsSecret(key)) found(child);
        return [child, item];
      });
      for (const child of children.toReversed()) pending.push(child);
    }
  }
}
