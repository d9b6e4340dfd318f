import type { JsonObject, OrchestrationDefinition, Violation } from '@batuta/contracts';
import type { EntityManager } from 'typeorm';
import { invalid, refuse, RefusedError } from '../access/refusals.js';
import type { Refused } from '../access/refusals.js';
import type { ConfigEntity } from './config.entity.js';

/** The field of a config's metadata that says what the platform keeps it for. */
const MARK = 'batuta';

interface Mark {
  readonly kept_for?: string;
  readonly after?: readonly { readonly process: string }[];
}

function markOf(metadata: object | undefined): Mark | undefined {
  const mark = (metadata as JsonObject | undefined)?.[MARK];
  return typeof mark === 'object' && mark !== null ? (mark as Mark) : undefined;
}

/** A config that is kept for something is changed there; undefined when it may be changed here. */
export function keptMistake({ metadata }: Pick<ConfigEntity, 'metadata'>, keptFor = ''): Refused | undefined {
  const kept = markOf(metadata)?.kept_for ?? '';
  if (kept === keptFor || kept === '') return undefined;
  return refuse('conflict', `The platform keeps this config for a ${kept}: change that.`);
}

/** Names that begin so are looked up for workflows, processes, tasks and agents made of models. */
const RESERVED = ['workflow:', 'process:', 'task:', 'agent/'] as const;

/** Only the platform marks configs, and names them as it finds them. */
export function markMistake(
  { name, metadata }: { readonly name: string; readonly metadata?: object | undefined },
  keptFor = '',
): Refused | undefined {
  const mistakes: Violation[] = [];
  const isMarked = Object.hasOwn(metadata ?? {}, MARK);
  if (isMarked && (keptFor === '' || markOf(metadata)?.kept_for !== keptFor)) {
    const message = 'is kept by the platform: leave it out';
    mistakes.push({ path: `/metadata/${MARK}`, code: 'reserved_name', message });
  }
  const prefix = RESERVED.find((each) => name.startsWith(each));
  if (prefix !== undefined && prefix !== `${keptFor}:`) {
    const message = `must not begin with "${prefix}", which the platform keeps for its own configs`;
    mistakes.push({ path: '/name', code: 'reserved_name', message });
  }
  return mistakes.length === 0 ? undefined : invalid('The config', mistakes);
}

const PREFIX = 'process:';
/** Processes of the tenant with what each waits for; $1: tenant. */
const WAITS = `SELECT substr(c.name, ${PREFIX.length + 1}) AS name, d->>'process' AS process
  FROM config.orchestration_configs c
  LEFT JOIN LATERAL jsonb_array_elements(c.metadata->'batuta'->'after') AS d ON true
  WHERE c.tenant_id = $1 AND c.deleted_at IS NULL AND c.metadata->'batuta'->>'kept_for' = 'process'`;
/** One change of a tenant's processes at a time: two that make a circle together would not see each other. */
const ONE_AT_A_TIME = `SELECT pg_advisory_xact_lock(hashtextextended('processes of ' || $1, 0))`;

async function waitsOf(manager: EntityManager, tenantId: string): Promise<ReadonlyMap<string, readonly string[]>> {
  await manager.query(ONE_AT_A_TIME, [tenantId]);
  const rows = await manager.query<{ name: string; process: string | null }[]>(WAITS, [tenantId]);
  const waits = new Map<string, string[]>();
  for (const { name, process } of rows) {
    const known = waits.get(name) ?? [];
    if (process !== null) known.push(process);
    waits.set(name, known);
  }
  return waits;
}

/**
 * After a process was written: it waits for processes that are there, and none of them for it.
 * @throws RefusedError with the place of each that is not so.
 */
export async function requireOrder(
  manager: EntityManager,
  tenantId: string,
  { name, metadata }: OrchestrationDefinition,
): Promise<void> {
  const mark = markOf(metadata);
  if (mark?.kept_for !== 'process') return;
  const own = name.slice(PREFIX.length);
  const waits = await waitsOf(manager, tenantId);
  const mistakes = (mark.after ?? []).flatMap(({ process }, index): readonly Violation[] => {
    const path = `/after/${index}/process`;
    if (!waits.has(process)) {
      return [{ path, code: 'unknown_dependency', message: `there is no process "${process}"` }];
    }
    const way = wayBetween(waits, process, own);
    if (way === undefined) return [];
    const message = `would wait for each other: ${[own, ...way].join(' → ')}`;
    return [{ path, code: 'cycle', message }];
  });
  if (mistakes.length > 0) throw new RefusedError(invalid('The process', mistakes));
}

/** The processes from one to another that each waits for the next; undefined when there is no such way. */
function wayBetween(
  waits: ReadonlyMap<string, readonly string[]>,
  from: string,
  to: string,
): readonly string[] | undefined {
  const before = new Map<string, string>();
  const open = [from];
  for (let name = open.shift(); name !== undefined; name = open.shift()) {
    if (name === to) {
      const way = [name];
      for (let last = before.get(name); last !== undefined && name !== from; last = before.get(last)) {
        way.unshift(last);
        if (last === from) break;
      }
      return way;
    }
    for (const next of waits.get(name) ?? []) {
      if (before.has(next) || next === from) continue;
      before.set(next, name);
      open.push(next);
    }
  }
  return undefined;
}

/**
 * After a process was deleted, or renamed: no other one waits for it.
 * @throws RefusedError `conflict`, which names one that does.
 */
export async function requireFree(
  manager: EntityManager,
  tenantId: string,
  { name, metadata }: Pick<ConfigEntity, 'name' | 'metadata'>,
  next?: OrchestrationDefinition,
): Promise<void> {
  if (markOf(metadata)?.kept_for !== 'process' || next?.name === name) return;
  const gone = name.slice(PREFIX.length);
  for (const [other, processes] of await waitsOf(manager, tenantId)) {
    if (!processes.includes(gone)) continue;
    throw new RefusedError(refuse('conflict', `Process "${other}" waits for "${gone}": change that one first.`));
  }
}
