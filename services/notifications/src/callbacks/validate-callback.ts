import {
  CALLBACK_SCHEMA,
  CALLBACK_TYPES,
  CHANNEL_TYPE_SCHEMA,
  channelSchema,
  mentionsSecret,
  pointerToken,
  secretMistake,
  secretNames,
} from '@batuta/contracts';
import type { CallbackEvent, CallbackType, DocumentSchema, Violation } from '@batuta/contracts';
import { documentCheck, guardJson, isRecord, Report } from '@batuta/documents';
import type { DocumentCheck } from '@batuta/documents';
import { SecretCipher } from '@batuta/service';
import { CHANNELS } from '../channels/index.js';
import type { ChannelKind } from '../channels/kind.js';
import type { NotificationsSettings } from '../settings.js';
import { sampleMessage, valuesOf } from '../templates/message.js';
import type { TemplateKind, Templates } from '../templates/templates.js';
import type { ChannelDefinition } from './channel-definition.js';

interface ValidCallback {
  readonly configId: string | undefined;
  readonly executionId: string | undefined;
  readonly events: CallbackEvent[];
  readonly channel: ChannelDefinition;
  readonly fallback: ChannelDefinition[];
}

interface ValidationContext {
  readonly tenantId: string;
  readonly templates: Templates;
  /** Which of the given names are secrets of the tenant, and which existing name is similar to an unknown one. */
  knownSecrets(
    names: readonly string[],
  ): Promise<{ readonly known: ReadonlySet<string>; readonly meant: ReadonlyMap<string, string> }>;
  /** Channels that are not configured on this platform. */
  readonly unavailable: ReadonlySet<CallbackType>;
}

const { fallback: FALLBACK, ...ABOUT } = CALLBACK_SCHEMA['properties'] as Readonly<Record<string, DocumentSchema>>;
const checkCallback = documentCheck({ ...CALLBACK_SCHEMA, properties: ABOUT });
const checkFallback = documentCheck(FALLBACK ?? {});
const checkType = documentCheck(CHANNEL_TYPE_SCHEMA);
const channelChecks = (isFallback: boolean): ReadonlyMap<CallbackType, DocumentCheck> =>
  new Map(CALLBACK_TYPES.map((type) => [type, documentCheck(channelSchema(type, { isFallback }))]));
const checksOfOwn = channelChecks(false);
const checksOfFallback = channelChecks(true);

/** An optional field that is null is the same as one that is left out. */
const withoutNulls = (fields: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));

/** A template whose form is valid and that the sandbox has not tested yet. */
interface UntriedTemplate {
  readonly path: string;
  readonly source: string;
  readonly as: TemplateKind;
}

/**
 * Checks a callback as the user sent it, and reports every mistake with its path. Rejects with a `SandboxBusyError`
 * when the sandbox has no capacity to test its templates.
 */
export async function validateCallback(
  body: unknown,
  context: ValidationContext,
): Promise<{ readonly valid: ValidCallback } | { readonly violations: Violation[] }> {
  const report = new Report();
  const add: Add = (path, code, message) => report.add(path, code, message);
  if (!isRecord(body)) {
    add('', 'wrong_type', 'must be an object');
    return { violations: report.violations };
  }
  guardJson(body, report);
  const { config_id: configId, execution_id: executionId, events, fallback = [], ...own } = withoutNulls(body);
  if ((configId === undefined) === (executionId === undefined)) {
    const code = configId === undefined ? 'required' : 'contradiction';
    add('', code, 'exactly one of config_id and execution_id is required');
  }
  const about = { config_id: configId, execution_id: executionId, events };
  checkCallback(Object.fromEntries(Object.entries(about).filter(([, value]) => value !== undefined)), '', report);
  const untried: UntriedTemplate[] = [];
  const channel = checkChannel(own, '', checksOfOwn, context, report, untried);
  const before = report.total;
  checkFallback(fallback, '/fallback', report);
  const fallbacks: ChannelDefinition[] = [];
  // Of a list that is too long the entries are not looked at.
  for (const [index, entry] of (report.total === before ? (fallback as unknown[]) : []).entries()) {
    const path = `/fallback/${index}`;
    if (!isRecord(entry)) {
      add(path, 'wrong_type', 'must be an object');
      continue;
    }
    const checked = checkChannel(withoutNulls(entry), path, checksOfFallback, context, report, untried);
    if (checked !== undefined) fallbacks.push(checked);
  }
  await checkSecrets(body, context, add);
  const known = report.total === 0 ? [...new Set(events as CallbackEvent[])] : undefined;
  for (const template of untried) await tryTemplate(template, known ?? ['completed'], context, add);
  if (known === undefined || channel === undefined || report.total > 0) return { violations: report.violations };
  return {
    valid: {
      configId: configId as string | undefined,
      executionId: executionId as string | undefined,
      events: known,
      channel,
      fallback: fallbacks,
    },
  };
}

type Add = (path: string, code: string, message: string) => void;

/**
 * The places that may refer to secrets: headers, and the URL after scheme and host, so that the called host is always
 * visible.
 */
const REFERRING = /^(?:\/fallback\/\d+)?\/(?:callback_url|callback_headers\/[^/]+)$/;

/** Reports references to secrets that do not exist, or in places where secrets are not resolved. */
async function checkSecrets(body: unknown, context: ValidationContext, add: Add): Promise<void> {
  const uses: { readonly path: string; readonly names: readonly string[] }[] = [];
  const pending: [string, unknown][] = [['', body]];
  for (let entry = pending.pop(); entry !== undefined; entry = pending.pop()) {
    const [path, value] = entry;
    if (typeof value === 'object' && value !== null) {
      for (const [key, item] of Object.entries(value)) {
        const child = `${path}/${pointerToken(key.slice(0, 100))}`;
        if (mentionsSecret(key)) add(child, 'secret_not_allowed', 'the name of a field cannot refer to a secret');
        pending.push([child, item]);
      }
    }
    if (typeof value !== 'string' || !mentionsSecret(value)) continue;
    const mistake = REFERRING.test(path)
      ? secretMistake(value)
      : 'only callback_url and callback_headers may refer to secrets';
    if (mistake === undefined) uses.push({ path, names: secretNames(value) });
    else add(path, 'secret_not_allowed', mistake);
  }
  if (uses.length === 0) return;
  const { known, meant } = await context.knownSecrets([...new Set(uses.flatMap(({ names }) => names))]);
  for (const { path, names } of uses) {
    for (const name of names.filter((each) => !known.has(each))) {
      const near = meant.get(name);
      const hint = near === undefined ? `; make it with PUT /api/v1/secrets/${name}` : `; did you mean "${near}"?`;
      add(path, 'unknown_secret', `there is no secret "${name}"${hint}`);
    }
  }
}

/** Renders a template over a sample of each event that the callback asks for, and reports its first mistake. */
async function tryTemplate(
  { path, source, as }: UntriedTemplate,
  events: readonly CallbackEvent[],
  { templates, tenantId }: ValidationContext,
  add: Add,
): Promise<void> {
  for (const event of events) {
    const problem = await templates.problem(source, as, valuesOf(sampleMessage(event)), tenantId);
    if (problem !== undefined) return add(path, 'bad_template', problem);
  }
}

/** Checks one channel. Gives it as it is kept, or undefined when something in it is wrong. */
function checkChannel(
  given: Readonly<Record<string, unknown>>,
  path: string,
  checks: ReadonlyMap<CallbackType, DocumentCheck>,
  context: ValidationContext,
  report: Report,
  untried: UntriedTemplate[],
): ChannelDefinition | undefined {
  const before = report.total;
  checkType(given, path, report);
  if (report.total > before) return undefined;
  const type = given['type'] as CallbackType;
  const kind: ChannelKind<NotificationsSettings> = CHANNELS[type];
  if (context.unavailable.has(type)) {
    report.add(`${path}/type`, 'not_available', `${type} is not set up on this platform: ask its operator`);
  }
  // One recipient may stand alone.
  const value = typeof given['to'] === 'string' ? { ...given, to: [given['to']] } : given;
  checks.get(type)?.(value, path, report);
  for (const [name, text] of Object.entries(isRecord(given['callback_headers']) ? given['callback_headers'] : {})) {
    if (typeof text === 'string' && SecretCipher.isSealed(text)) {
      const at = `${path}/callback_headers/${pointerToken(name.slice(0, 100))}`;
      report.add(at, 'not_allowed', 'looks like a value that the platform has encrypted');
    }
  }
  const wrong = new Set(report.violations.map((violation) => violation.path));
  for (const [name, as] of Object.entries(kind.templates)) {
    const source = value[name];
    const at = `${path}/${name}`;
    if (typeof source === 'string' && !wrong.has(at)) untried.push({ path: at, source, as });
  }
  if (report.total > before) return undefined;
  const definition = value as unknown as ChannelDefinition;
  return kind.kept?.(definition) ?? definition;
}
