import { list, objectOf, RULE, HINT, text, whole, word } from './config-schema/schema.js';
import type { DocumentSchema, ValueMistake } from './config-schema/schema.js';
import { nameSchema } from './config-schema/texts.js';
import type { EventType } from './events.js';
import { secretNames, withSecrets } from './secrets.js';
import { pointerToken } from './unknown-field.js';

/** The event of the log for each event that a callback can subscribe to. */
export const CALLBACK_EVENTS = {
  started: 'ExecutionStarted',
  completed: 'ExecutionCompleted',
  failed: 'ExecutionFailed',
  cancelled: 'ExecutionCancelled',
  paused: 'ExecutionPaused',
  step_failed: 'StepFailed',
  approval_requested: 'ApprovalRequested',
  budget_exceeded: 'BudgetExceeded',
} as const satisfies Record<string, EventType>;
export type CallbackEvent = keyof typeof CALLBACK_EVENTS;

/** Bytes of a template's source. */
export const MAX_TEMPLATE_BYTES = 64 * 1024;
const WEEK_MS = 7 * 24 * 3600 * 1000;
const MAX_FALLBACKS = 5;
const MAX_RECIPIENTS = 20;
const MAX_HEADERS = 30;

export const EMAIL_ADDRESS =
  /^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/;
const PHONE_NUMBER = /^\+[1-9]\d{6,14}$/;
/** The sender sets them itself. Another value would forge a signature, or two servers would read one request differently. */
const OWN_HEADERS =
  /^(webhook-.*|host|content-length|transfer-encoding|connection|upgrade|expect|te|trailer|keep-alive|proxy-.*)$/i;
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/;
const HEADER_VALUE = /^[\t\x20-\x7e]{0,2000}$/;
/** Stands in for a secret while a URL is checked: no URL changes a text of this form. */
const STAND_IN = 'x0secret0x';

const bytes = new TextEncoder();

const template = (description: string): DocumentSchema => ({
  ...text(description, 0, MAX_TEMPLATE_BYTES),
  [RULE]: (value) => {
    if (bytes.encode(value as string).length <= MAX_TEMPLATE_BYTES) return undefined;
    return { code: 'too_long', message: `must have at most ${MAX_TEMPLATE_BYTES} bytes` };
  },
});

/** A list of recipients, or one of them as a text. */
const recipients = (description: string, max: number, item: DocumentSchema): DocumentSchema => ({
  ...list(description, item, { min: 1, max }),
  [HINT]: 'give a list, or one text',
});

const formed = (description: string, pattern: RegExp, what: string): DocumentSchema => ({
  description,
  type: 'string',
  pattern: pattern.source,
  [RULE]: (value) =>
    (value as string).length <= 255 && pattern.test(value as string)
      ? undefined
      : { code: 'bad_format', message: `must be ${what}` },
});

function urlMistake(value: string): ValueMistake | undefined {
  const refers = secretNames(value).length > 0;
  const tried = refers ? withSecrets(value, new Map(secretNames(value).map((name) => [name, STAND_IN]))) : value;
  const parsed = URL.canParse(tried) ? new URL(tried) : undefined;
  if (parsed === undefined || !['http:', 'https:'].includes(parsed.protocol)) {
    return { code: 'bad_format', message: 'must be an http or https URL' };
  }
  if (parsed.username !== '' || parsed.password !== '') {
    return { code: 'bad_format', message: 'must not hold credentials: send them in callback_headers' };
  }
  if (!refers) return undefined;
  if (parsed.origin.toLowerCase().includes(STAND_IN) || !value.toLowerCase().startsWith(`${parsed.origin}/`)) {
    const message = 'may refer to secrets only after its host, in the path and the query';
    return { code: 'secret_not_allowed', message };
  }
  return undefined;
}

function headerMistakes(value: unknown): ValueMistake[] {
  const entries = Object.entries(value as Record<string, unknown>);
  // Too many are refused as a whole, and a value that is no text is a mistake of its own.
  if (entries.length > MAX_HEADERS) return [];
  return entries.flatMap(([name, content]) => {
    const path = `/${pointerToken(name.slice(0, 100))}`;
    if (!HEADER_NAME.test(name)) return [{ path, code: 'bad_format', message: 'is not the name of a header' }];
    if (OWN_HEADERS.test(name)) {
      return [{ path, code: 'not_allowed', message: `the header ${name} is set by the platform` }];
    }
    if (typeof content !== 'string' || HEADER_VALUE.test(content)) return [];
    return [{ path, code: 'bad_format', message: 'must be one line of at most 2000 visible ASCII characters' }];
  });
}

interface ChannelFields {
  readonly fields: Readonly<Record<string, DocumentSchema>>;
  readonly required: readonly string[];
}

/** The fields of each channel. A new channel starts here: its name becomes a `CallbackType`. */
const CHANNEL_FIELDS = {
  webhook: {
    fields: {
      callback_url: {
        ...text('Where to send the request: an http or https URL.', 0, 2048),
        format: 'uri',
        [RULE]: (value) => urlMistake(value as string),
      },
      callback_method: word('The method of the request.', ['POST', 'PUT', 'PATCH'], 'POST'),
      callback_headers: {
        description: 'Sent with each request. Values of headers that carry credentials are shown as `***`.',
        type: 'object',
        maxProperties: MAX_HEADERS,
        additionalProperties: { type: 'string' },
        [RULE]: headerMistakes,
      },
      callback_body_template: template('Liquid over `event` and `execution`: the body of the request.'),
    },
    required: ['callback_url'],
  },
  email: {
    fields: {
      to: recipients(
        'Email addresses.',
        MAX_RECIPIENTS,
        formed('An email address.', EMAIL_ADDRESS, 'an email address'),
      ),
      subject_template: template('Liquid: the subject, on one line.'),
      callback_body_template: template('Liquid: the text of the email.'),
      html_template: template('Liquid: the email as HTML. Values are escaped.'),
    },
    required: ['to'],
  },
  sms: {
    fields: {
      to: recipients(
        'One phone number, such as +4915112345678 (E.164).',
        1,
        formed('A phone number (E.164).', PHONE_NUMBER, 'a phone number such as +4915112345678'),
      ),
      callback_body_template: template('Liquid: the text of the message.'),
    },
    required: ['to'],
  },
  websocket: {
    fields: {
      to: recipients('One user id. Default: the user who started the execution.', 1, nameSchema(255)),
      callback_body_template: template('Liquid: the content of the notification, as JSON or text.'),
    },
    required: [],
  },
} as const satisfies Record<string, ChannelFields>;

export type CallbackType = keyof typeof CHANNEL_FIELDS;
export const CALLBACK_TYPES = Object.keys(CHANNEL_FIELDS) as CallbackType[];

/** The schema of one channel of a callback: the callback's own, or one of its fallbacks. */
export function channelSchema(type: CallbackType, { isFallback }: { readonly isFallback: boolean }): DocumentSchema {
  const { fields, required }: ChannelFields = CHANNEL_FIELDS[type];
  const afterMs = {
    ...whole('Milliseconds that the channel before it has.', 1, WEEK_MS),
    [HINT]: 'it says how many milliseconds the channel before has',
  };
  return objectOf<Record<string, unknown>>(
    `A ${type} channel.`,
    {
      type: word('The channel.', CALLBACK_TYPES),
      max_retries: whole('Attempts after the first.', 0, 50),
      ...(isFallback ? { after_ms: afterMs } : {}),
      ...fields,
    },
    ['type', ...(isFallback ? ['after_ms'] : []), ...required],
  );
}

/** Which channel it is. The rest of the channel is checked by the schema of that one. */
export const CHANNEL_TYPE_SCHEMA: DocumentSchema = {
  type: 'object',
  properties: { type: { ...word('The channel.', CALLBACK_TYPES), [HINT]: `one of ${CALLBACK_TYPES.join(', ')}` } },
  required: ['type'],
};

const eventNames = Object.keys(CALLBACK_EVENTS);

/** A callback without its own channel: what it is about, and the channels that take over. */
export const CALLBACK_SCHEMA: DocumentSchema = {
  description: 'Exactly one of `config_id` and `execution_id` is required.',
  type: 'object',
  properties: {
    config_id: { ...nameSchema(255), description: 'The config whose executions it is about.' },
    execution_id: { ...nameSchema(255), description: 'The execution that it is about.' },
    events: {
      ...list('What it tells.', word('An event.', eventNames), { min: 1, max: 50 }),
      [HINT]: `it lists at least one of ${eventNames.join(', ')}`,
    },
    fallback: list(
      'Channels that take over in turn when the one before has not succeeded in time.',
      {},
      { max: MAX_FALLBACKS },
    ),
  },
  required: ['events'],
};

/**
 * The fields of all channels together, as an object that may be any of them has them. Where channels describe a field differently, each
 * description stands behind the name of its channel.
 */
export function fieldsOfAllChannels({ isFallback }: { readonly isFallback: boolean }): Record<string, DocumentSchema> {
  const described = new Map<string, [CallbackType, DocumentSchema][]>();
  for (const type of CALLBACK_TYPES) {
    const properties = channelSchema(type, { isFallback })['properties'] as Record<string, DocumentSchema>;
    for (const [name, schema] of Object.entries(properties)) {
      described.set(name, [...(described.get(name) ?? []), [type, schema]]);
    }
  }
  return Object.fromEntries(
    [...described].map(([name, uses]) => {
      const descriptions = new Set(uses.map(([, schema]) => String(schema['description'])));
      const description =
        descriptions.size === 1
          ? [...descriptions].join('')
          : uses.map(([type, schema]) => `${type}: ${String(schema['description'])}`).join(' ');
      const [, first] = uses[0] as [CallbackType, DocumentSchema];
      if (first['type'] !== 'array') return [name, { ...first, description }];
      const item = { type: 'string' };
      return [name, { description, oneOf: [item, { type: 'array', minItems: 1, items: item }] }];
    }),
  );
}
