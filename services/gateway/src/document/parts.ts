import { agentsPart } from '../agents/agents.openapi.js';
import { apiKeysPart } from '../api-keys/api-keys.openapi.js';
import { auditPart } from '../audit/audit.openapi.js';
import { callbacksPart } from '../callbacks/callbacks.openapi.js';
import { configsPart } from '../configs/configs.openapi.js';
import { eventsPart } from '../executions/events.openapi.js';
import { executionsPart } from '../executions/executions.openapi.js';
import { fieldsPart } from '../executions/fields.openapi.js';
import { integrityPart } from '../executions/integrity.openapi.js';
import { stepsPart } from '../executions/steps.openapi.js';
import { knowledgePart } from '../knowledge/knowledge.openapi.js';
import { mcpServersPart } from '../mcp-servers/mcp-servers.openapi.js';
import { modelsPart } from '../models/models.openapi.js';
import { notificationsPart } from '../notifications/notifications.openapi.js';
import { commonPart } from '../openapi/common.openapi.js';
import type { OpenApiPart, PathParameter } from '../openapi/openapi-part.js';
import { operationsPart } from '../operations/operations.openapi.js';
import { poolsPart } from '../pools/pools.openapi.js';
import { pausesPart } from '../pauses/pauses.openapi.js';
import { retentionPoliciesPart } from '../retention-policies/retention-policies.openapi.js';
import { schedulesPart } from '../schedules/schedules.openapi.js';
import { secretsPart } from '../secrets/secrets.openapi.js';
import { streamsPart } from '../streams/streams.openapi.js';
import { tenantsPart } from '../tenants/tenants.openapi.js';
import { workPart } from '../work/work.openapi.js';

/** The parts of the document. The common part comes last, because its path parameters match every path. */
export const PARTS: readonly OpenApiPart[] = [
  configsPart,
  executionsPart,
  stepsPart,
  eventsPart,
  integrityPart,
  fieldsPart,
  streamsPart,
  schedulesPart,
  workPart,
  agentsPart,
  poolsPart,
  modelsPart,
  mcpServersPart,
  secretsPart,
  pausesPart,
  retentionPoliciesPart,
  knowledgePart,
  apiKeysPart,
  auditPart,
  tenantsPart,
  callbacksPart,
  notificationsPart,
  operationsPart,
  commonPart,
];

/** One table of the tables of all parts. @throws TypeError when two parts have the same entry. */
export function merged<T>(tables: readonly Readonly<Record<string, T>>[]): Readonly<Record<string, T>> {
  const all: Record<string, T> = {};
  for (const [name, value] of tables.flatMap((table) => Object.entries(table))) {
    if (Object.hasOwn(all, name)) throw new TypeError(`Two parts of the API's document have ${name}`);
    all[name] = value;
  }
  return all;
}

export const WORDS = merged(PARTS.map(({ words = {} }) => words));
export const NULLABLE: ReadonlySet<string> = new Set(PARTS.flatMap(({ nullable = [] }) => nullable));
export const ALWAYS_THERE = merged(PARTS.map(({ always = {} }) => always));
export const FIELD_RULES = merged(PARTS.map(({ rules = {} }) => rules));
export const FIELD_DESCRIPTIONS = merged(PARTS.map(({ says = {} }) => says));

const PARAMETERS = PARTS.flatMap(({ parameters = [] }) => parameters);

/** A path parameter, by its path and name. The first match counts. A test refuses a parameter without an entry. */
export const pathParameter = (path: string, name: string): PathParameter | undefined =>
  PARAMETERS.find(([pattern, parameter]) => parameter === name && pattern.test(path))?.[2];
