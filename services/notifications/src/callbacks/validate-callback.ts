import {
  CALLBACK_EVENTS,
  CALLBACK_TYPES,
  mentionsSecret,
  nameMistake,
  pointerToken,
  secretMistake,
  secretNames,
  unknownField,
  withSecrets,
} from '@batuta/contracts';
import type { CallbackEvent, CallbackType, Violation } from '@batuta/contracts';
import { sampleMessage, valuesOf } from '../templates/message.js';
import { MAX_TEMPLATE_BYTES } from '../templates/templates.js';
import type { TemplateKind, Templates } from '../templates/templates.js';
import type { ChannelDefinition } from './channel-definition.js';
import { SecretCipher } from '@batuta/service';

export interface ValidCallback {
  readonly configId: string | undefined;
  readonly executionId: string | undefined;
  readonly events: CallbackEvent[];
  readonly channel: ChannelDefinition;
  readonly fallback: ChannelDefinition[];
}

export interface ValidationContext {
  readonly tenantId: string;
  readonly templates: Templates;
  /** Which of the given names are secrets of the tenant, and which existing name is similar to an unknown one. */
  knownSecrets(
    names: readonly string[],
  ): Promise<{ readonly known: ReadonlySet<string>; readonly meant: ReadonlyMap<string, string> }>;
  /** Channels that are not configured on this platform. */
  readonly unavailable: ReadonlySet<CallbackType>;
}

const METHODS = ['POST', 'PUT', 'PATCH'];
const MAX_FALLBACKS = 5;
const MAX_RECIPIENTS = 20;
const WEEK_MS = 7 * 24 * 3600 * 1000;
/**
 * Headers that the sender sets itself. A user's value could forge parts of the signature, or make two servers read one
 * request differently.
 */
const OWN_HEADERS =
  /^(webhook-.*|host|content-length|transfer-encoding|connection|upgrade|expect|te|trailer|keep-alive|proxy-.*)$/i;
const TOKEN_CHARACTERS = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/;
const HEADER_VALUE = /^[\t\x20-\x7e]{0,2000}$/;
export const EMAIL_ADDRESS =
  /^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/;
const PHONE_NUMBER = /^\+[1-9]\d{6,14}$/;
/** PostgreSQL cannot store NUL, and half a surrogate pair is not valid text. */
const UNSTORABLE = /\0|[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/;

const FIELDS_OF: Readonly<Record<CallbackType, readonly string[]>> = {
  webhook: ['callback_url', 'callback_method', 'callback_headers', 'callback_body_template'],
  email: ['to', 'subject_template', 'callback_body_template', 'html_template'],
  sms: ['to', 'callback_body_template'],
  websocket: ['to', 'callback_body_template'],
};

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A null in an optional field means that the field is absent. */
const withoutNulls = (fields: Record<string, unknown>): Record<string, unknown> =>
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
  const violations: Violation[] = [];
  const untried: UntriedTemplate[] = [];
  const add = (path: string, code: string, message: string): void => {
    violations.push({ path, code, message });
  };
  if (!isRecord(body)) {
    add('', 'wrong_type', 'must be an object');
    return { violations };
  }
  const { config_id: configId, execution_id: executionId, events, fallback, ...own } = withoutNulls(body);
  for (const [name, value] of Object.entries({ config_id: configId, execution_id: executionId })) {
    if (value === undefined) continue;
    const mistake =
      typeof value === 'string' ? nameMistake(value, 255) : { code: 'wrong_type', message: 'must be a text: an id' };
    if (mistake !== undefined) add(`/${name}`, mistake.code, mistake.message);
  }
  if ((configId === undefined) === (executionId === undefined)) {
    const code = configId === undefined ? 'required' : 'contradiction';
    add('', code, 'exactly one of config_id and execution_id is required');
  }
  const names = checkEvents(events, add);
  const channel = checkChannel(own, '', false, context, add, untried);
  const fallbacks: ChannelDefinition[] = [];
  if (fallback !== undefined) {
    if (!Array.isArray(fallback)) add('/fallback', 'wrong_type', 'must be a list');
    else if (fallback.length > MAX_FALLBACKS) {
      add('/fallback', 'too_many', `has ${fallback.length} entries; at most ${MAX_FALLBACKS} are allowed`);
    } else {
      for (const [index, entry] of fallback.entries()) {
        if (isRecord(entry)) {
          fallbacks.push(checkChannel(withoutNulls(entry), `/fallback/${index}`, true, context, add, untried));
        } else {
          add(`/fallback/${index}`, 'wrong_type', 'must be an object');
        }
      }
    }
  }
  await checkSecrets(body, context, add);
  for (const template of untried) await tryTemplate(template, names, context, add);
  if (violations.length > 0) return { violations };
  return {
    valid: {
      configId: configId as string | undefined,
      executionId: executionId as string | undefined,
      events: names,
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

function checkEvents(events: unknown, add: Add): CallbackEvent[] {
  const known = Object.keys(CALLBACK_EVENTS);
  if (!Array.isArray(events) || events.length === 0) {
    const code = events === undefined ? 'required' : Array.isArray(events) ? 'too_few' : 'wrong_type';
    add('/events', code, `must be a list of at least one of ${known.join(', ')}`);
    return [];
  }
  if (events.length > 50) {
    add('/events', 'too_many', 'has more entries than there are events');
    return [];
  }
  const names = new Set<CallbackEvent>();
  for (const [index, event] of events.entries()) {
    if (typeof event === 'string' && known.includes(event)) names.add(event as CallbackEvent);
    else add(`/events/${index}`, 'not_allowed', `must be one of ${known.join(', ')}`);
  }
  return [...names];
}

/** Renders a template over a sample of each event that the callback asks for, and reports its first mistake. */
async function tryTemplate(
  { path, source, as }: UntriedTemplate,
  events: readonly CallbackEvent[],
  { templates, tenantId }: ValidationContext,
  add: Add,
): Promise<void> {
  for (const event of events.length === 0 ? (['completed'] as const) : events) {
    const problem = await templates.problem(source, as, valuesOf(sampleMessage(event)), tenantId);
    if (problem !== undefined) return add(path, 'bad_template', problem);
  }
}

function checkChannel(
  value: Record<string, unknown>,
  path: string,
  isFallback: boolean,
  context: ValidationContext,
  add: Add,
  untried: UntriedTemplate[],
): ChannelDefinition {
  const type = value['type'];
  if (typeof type !== 'string' || !(CALLBACK_TYPES as readonly string[]).includes(type)) {
    const code = type === undefined ? 'required' : typeof type === 'string' ? 'not_allowed' : 'wrong_type';
    add(`${path}/type`, code, `must be one of ${CALLBACK_TYPES.join(', ')}`);
    return { type: 'webhook' };
  }
  const kind = type as CallbackType;
  if (context.unavailable.has(kind)) {
    add(`${path}/type`, 'not_available', `${kind} is not set up on this platform: ask its operator`);
  }
  const allowed = ['type', 'max_retries', ...(isFallback ? ['after_ms'] : []), ...FIELDS_OF[kind]];
  for (const [name, field] of Object.entries(value)) {
    if (field !== undefined && !allowed.includes(name)) {
      const hint = `; known of a ${kind} callback are ${allowed.join(', ')}`;
      const { path: at, code, message } = unknownField(path, name.slice(0, 100), hint);
      add(at, code, message);
    }
  }
  const whole = (name: string, min: number, max: number): number | undefined => {
    const field = value[name];
    if (field === undefined) return undefined;
    const isWhole = typeof field === 'number' && Number.isInteger(field);
    if (isWhole && field >= min && field <= max) return field;
    add(`${path}/${name}`, isWhole ? 'out_of_range' : 'wrong_type', `must be a whole number from ${min} to ${max}`);
    return undefined;
  };
  const template = (name: string, as: TemplateKind): string | undefined => {
    const field = value[name];
    if (field === undefined) return undefined;
    if (typeof field !== 'string') {
      add(`${path}/${name}`, 'wrong_type', 'must be a text');
      return undefined;
    }
    if (UNSTORABLE.test(field)) {
      add(`${path}/${name}`, 'invalid_character', 'must hold no NUL character and no half of a surrogate pair');
      return undefined;
    }
    if (Buffer.byteLength(field) > MAX_TEMPLATE_BYTES) {
      add(`${path}/${name}`, 'too_long', `must have at most ${MAX_TEMPLATE_BYTES} bytes`);
      return undefined;
    }
    untried.push({ path: `${path}/${name}`, source: field, as });
    return field;
  };
  const afterMs = isFallback ? whole('after_ms', 1, WEEK_MS) : undefined;
  if (isFallback && value['after_ms'] === undefined) {
    add(`${path}/after_ms`, 'required', 'says how long the channel before has');
  }
  const bodyTemplate = template('callback_body_template', 'text');
  const maxRetries = whole('max_retries', 0, 50);
  const common = {
    type: kind,
    ...(bodyTemplate === undefined ? {} : { callback_body_template: bodyTemplate }),
    ...(maxRetries === undefined ? {} : { max_retries: maxRetries }),
    ...(afterMs === undefined ? {} : { after_ms: afterMs }),
  };
  switch (kind) {
    case 'webhook':
      return {
        ...common,
        callback_url: checkUrl(value['callback_url'], `${path}/callback_url`, add),
        callback_method: checkMethod(value['callback_method'], `${path}/callback_method`, add),
        callback_headers: checkHeaders(value['callback_headers'], `${path}/callback_headers`, add),
      };
    case 'email': {
      const subject = template('subject_template', 'text');
      const html = template('html_template', 'html');
      return {
        ...common,
        to: checkRecipients(value['to'], `${path}/to`, MAX_RECIPIENTS, EMAIL_ADDRESS, 'an email address', add),
        ...(subject === undefined ? {} : { subject_template: subject }),
        ...(html === undefined ? {} : { html_template: html }),
      };
    }
    case 'sms':
      return {
        ...common,
        to: checkRecipients(value['to'], `${path}/to`, 1, PHONE_NUMBER, 'a phone number such as +4915112345678', add),
      };
    case 'websocket':
      return value['to'] === undefined
        ? common
        : { ...common, to: checkRecipients(value['to'], `${path}/to`, 1, undefined, 'a user id', add) };
    default:
      return kind satisfies never;
  }
}

const STAND_IN = 'x0secret0x';

function checkUrl(value: unknown, path: string, add: Add): string {
  if (typeof value !== 'string') {
    add(path, value === undefined ? 'required' : 'wrong_type', 'must be an http or https URL');
    return '';
  }
  if (value.length > 2048) {
    add(path, 'too_long', `has ${value.length} characters; at most 2048 are allowed`);
    return '';
  }
  const refers = secretNames(value).length > 0;
  // The value that replaces a secret here has only characters that a URL keeps unchanged.
  const text = refers ? withSecrets(value, new Map(secretNames(value).map((name) => [name, STAND_IN]))) : value;
  const parsed = URL.canParse(text) ? new URL(text) : undefined;
  if (parsed === undefined || !['http:', 'https:'].includes(parsed.protocol)) {
    add(path, 'bad_format', 'must be an http or https URL');
    return '';
  }
  if (parsed.username !== '' || parsed.password !== '') {
    add(path, 'bad_format', 'must not hold credentials: send them in callback_headers');
  }
  if (!refers) return parsed.href;
  if (parsed.origin.toLowerCase().includes(STAND_IN) || !value.toLowerCase().startsWith(`${parsed.origin}/`)) {
    add(path, 'secret_not_allowed', 'may refer to secrets only after its host, in the path and the query');
  }
  return value;
}

function checkMethod(value: unknown, path: string, add: Add): string {
  if (value === undefined) return 'POST';
  if (typeof value === 'string' && METHODS.includes(value)) return value;
  add(path, typeof value === 'string' ? 'not_allowed' : 'wrong_type', `must be one of ${METHODS.join(', ')}`);
  return 'POST';
}

function checkHeaders(value: unknown, path: string, add: Add): Record<string, string> {
  if (value === undefined) return {};
  if (!isRecord(value)) {
    add(path, 'wrong_type', 'must be an object of texts');
    return {};
  }
  const entries = Object.entries(value);
  if (entries.length > 30) {
    add(path, 'too_many', `has ${entries.length} entries; at most 30 are allowed`);
    return {};
  }
  const headers: [string, string][] = [];
  for (const [name, text] of entries) {
    const at = `${path}/${pointerToken(name.slice(0, 100))}`;
    if (!TOKEN_CHARACTERS.test(name)) add(at, 'bad_format', 'is not the name of a header');
    else if (OWN_HEADERS.test(name)) add(at, 'not_allowed', `the header ${name} is set by the platform`);
    else if (typeof text !== 'string' || !HEADER_VALUE.test(text)) {
      add(at, 'bad_format', 'must be one line of at most 2000 visible ASCII characters');
    } else if (SecretCipher.isSealed(text)) {
      add(at, 'not_allowed', 'looks like a value that the platform has encrypted');
    } else headers.push([name.toLowerCase(), text]);
  }
  return Object.fromEntries(headers);
}

/** Checks a list of recipients. With `form` each must match it; without, they are user names. */
function checkRecipients(
  value: unknown,
  path: string,
  max: number,
  pattern: RegExp | undefined,
  what: string,
  add: Add,
): string[] {
  const list = typeof value === 'string' ? [value] : value;
  if (!Array.isArray(list) || list.length === 0) {
    const code = value === undefined ? 'required' : Array.isArray(list) ? 'too_few' : 'wrong_type';
    add(path, code, `must be a list with ${what}`);
    return [];
  }
  if (list.length > max) {
    add(path, 'too_many', `has ${list.length} entries; at most ${max} ${max === 1 ? 'is' : 'are'} allowed`);
    return [];
  }
  for (const [index, entry] of list.entries()) {
    if (typeof entry === 'string' && pattern === undefined) {
      const mistake = nameMistake(entry, 255);
      if (mistake !== undefined) add(`${path}/${index}`, mistake.code, mistake.message);
      continue;
    }
    const fits = typeof entry === 'string' && entry.length <= 255 && pattern?.test(entry) === true;
    if (!fits) add(`${path}/${index}`, 'bad_format', `must be ${what}`);
  }
  return list as string[];
}
