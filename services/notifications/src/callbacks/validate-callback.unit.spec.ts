import { afterAll, describe, expect, it } from '@jest/globals';
import type { CallbackType } from '@batuta/contracts';
import { Sandbox } from '@batuta/sandbox';
import { Templates } from '../templates/templates.js';
import { validateCallback } from './validate-callback.js';

const sandbox = new Sandbox({ threads: 1 });
const templates = new Templates(sandbox);
afterAll(() => sandbox.close());
const mistakesOf = async (body: unknown, unavailable: CallbackType[] = []): Promise<string[]> => {
  const checked = await validateCallback(body, {
    tenantId: 'default',
    templates,
    unavailable: new Set(unavailable),
    knownSecrets: (names) =>
      Promise.resolve({
        known: new Set(names.filter((name) => name === 'HOOK')),
        meant: new Map(names.filter((name) => name === 'HOK').map((name) => [name, 'HOOK'])),
      }),
  });
  return 'violations' in checked ? checked.violations.map(({ path, code }) => `${path} ${code}`) : [];
};

const webhook = (more: object = {}) => ({
  config_id: 'c',
  type: 'webhook',
  events: ['completed'],
  callback_url: 'https://example.org/x',
  ...more,
});
const email = (more: object = {}) => ({
  config_id: 'c',
  type: 'email',
  events: ['failed'],
  to: ['a@example.org'],
  ...more,
});
const inbox = (to: string): object => ({ config_id: 'c', type: 'websocket', events: ['failed'], to });

describe('a callback', () => {
  it.each([
    ['webhook', webhook()],
    [
      'webhook of an execution with everything',
      {
        execution_id: 'e',
        type: 'webhook',
        events: ['started', 'step_failed'],
        callback_url: 'https://example.org/x',
        callback_method: 'PUT',
        callback_headers: { 'x-a': 'b' },
        callback_body_template: '{{ event.data | json }}',
        max_retries: 3,
        fallback: [{ type: 'email', after_ms: 1000, to: 'a@example.org' }],
      },
    ],
    ['email', email({ subject_template: '{{ event.name }}', html_template: '<p>{{ execution.id }}</p>' })],
    ['SMS', { config_id: 'c', type: 'sms', events: ['failed'], to: '+4915112345678' }],
    [
      'webhook with null in what may be left out',
      webhook({ execution_id: null, callback_method: null, callback_headers: null, max_retries: null, fallback: null }),
    ],
    ['inbox of the user who started it', { config_id: 'c', type: 'websocket', events: ['failed'] }],
  ])('may be a %s', async (_, body) => {
    expect(await mistakesOf(body)).toEqual([]);
  });

  it.each([
    ['nothing', undefined, [' wrong_type']],
    ['a list', [], [' wrong_type']],
    ['both owners', webhook({ execution_id: 'e' }), [' contradiction']],
    ['no owner', webhook({ config_id: undefined }), [' required']],
    ['no event', webhook({ events: [] }), ['/events too_few']],
    ['an unknown event', webhook({ events: ['completed', 'exploded'] }), ['/events/1 not_allowed']],
    ['another type', webhook({ type: 'pigeon' }), ['/type not_allowed']],
    ['a field of another type', webhook({ to: 'x' }), ['/to unknown_field']],
    ['a time outside of a fallback', webhook({ after_ms: 5 }), ['/after_ms unknown_field']],
    ['another protocol', webhook({ callback_url: 'file:///etc/passwd' }), ['/callback_url bad_format']],
    ['credentials in the URL', webhook({ callback_url: 'https://u:p@example.org' }), ['/callback_url bad_format']],
    ['another method', webhook({ callback_method: 'GET' }), ['/callback_method not_allowed']],
    [
      'a forged signature',
      webhook({ callback_headers: { 'Webhook-Signature': 'v1,x' } }),
      ['/callback_headers/Webhook-Signature not_allowed'],
    ],
    [
      'a smuggled request',
      webhook({ callback_headers: { 'Transfer-Encoding': 'chunked' } }),
      ['/callback_headers/Transfer-Encoding not_allowed'],
    ],
    [
      'a header with a line break',
      webhook({ callback_headers: { a: 'b\r\nc: d', 'x y': 'z' } }),
      ['/callback_headers/a bad_format', '/callback_headers/x y bad_format'],
    ],
    [
      'a header that looks like an encrypted one',
      webhook({ callback_headers: { a: 'enc1.0123456789abcdef.AA' } }),
      ['/callback_headers/a not_allowed'],
    ],
    ['too many retries', webhook({ max_retries: 51 }), ['/max_retries out_of_range']],
    [
      'an unclosed template',
      webhook({ callback_body_template: '{{ event.name' }),
      ['/callback_body_template bad_template'],
    ],
    [
      'an unknown filter',
      webhook({ callback_body_template: '{{ 1 | nope }}' }),
      ['/callback_body_template bad_template'],
    ],
    [
      'a template that includes files',
      webhook({ callback_body_template: '{% include "/etc/passwd" %}' }),
      ['/callback_body_template bad_template'],
    ],
    [
      'a template that never ends',
      webhook({ callback_body_template: '{% for i in (1..100000000) %}x{% endfor %}' }),
      ['/callback_body_template bad_template'],
    ],
    [
      'a template with a NUL',
      webhook({ callback_body_template: 'a\0' }),
      ['/callback_body_template invalid_character'],
    ],
    ['a recipient with a header', email({ to: ['a@example.org\nBcc: b@example.org'] }), ['/to/0 bad_format']],
    ['several recipients in one', email({ to: ['a@example.org, b@example.org'] }), ['/to/0 bad_format']],
    ['no recipient', email({ to: [] }), ['/to too_few']],
    ['a subject with a NUL', email({ subject_template: 'a\0b' }), ['/subject_template invalid_character']],
    ['a text for a number', webhook({ max_retries: '3' }), ['/max_retries wrong_type']],
    ['a user that programs take for something else', inbox('__proto__'), ['/to/0 reserved_name']],
    ['a user with a mark of direction', inbox('ada\u202e'), ['/to/0 invalid_character']],
    ['a user in another normal form', inbox('Zoe\u0308'), ['/to/0 bad_format']],
    ['no phone number', { config_id: 'c', type: 'sms', events: ['failed'], to: '0151' }, ['/to/0 bad_format']],
    [
      'a fallback without its time',
      webhook({ fallback: [{ type: 'sms', to: '+4915112345678' }] }),
      ['/fallback/0/after_ms required'],
    ],
    [
      'mistakes everywhere, all of them',
      { type: 'email', events: ['x'], fallback: [{ type: 'webhook', after_ms: 1 }, 7] },
      [
        ' required',
        '/events/0 not_allowed',
        '/to required',
        '/fallback/0/callback_url required',
        '/fallback/1 wrong_type',
      ],
    ],
  ])('may not have %s', async (_, body, mistakes) => {
    expect(await mistakesOf(body)).toEqual(mistakes);
  });

  it('may have a subject whose template takes several lines', async () => {
    expect(await mistakesOf(email({ subject_template: '{% if true %}\n\ta{% endif %}\n' }))).toEqual([]);
  });

  it('may not use a channel that is not configured on the platform', async () => {
    expect(await mistakesOf(email(), ['email'])).toEqual(['/type not_available']);
  });
});
