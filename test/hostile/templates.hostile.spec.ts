import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { expectStatus } from '../support/api.js';
import type { Api } from '../support/api.js';
import { LocalPlatform } from '../support/local-platform.js';

const CONFIGS = '/api/v1/orchestrations/configs';
const EXECUTE = '/api/v1/orchestrations/execute';

interface Ended {
  readonly execution_id: string;
  readonly status: string;
  readonly output?: { readonly report: string };
  readonly failure?: { readonly code: string };
}

/** Each takes minutes of work with a few characters: filters with an expression, over lists of the input. */
const ENDLESS: Readonly<Record<string, string>> = {
  find_exp: `{% assign d='z>999' %}{% assign c='l|find_exp:"z",d' %}{% assign b='l|find_exp:"y",c' %}{% assign a='l|find_exp:"x",b' %}{{l|find_exp:"w",a}}`,
  has_exp: `{% assign d='z>999' %}{% assign c='l|has_exp:"z",d' %}{% assign b='l|has_exp:"y",c' %}{% assign a='l|has_exp:"x",b' %}{{l|has_exp:"w",a}}`,
  where_exp: `{% assign b='l|where_exp:"y","y>999"' %}{% assign a='l|where_exp:"x",b' %}{{l|where_exp:"w",a}}{{l|where_exp:"w",a}}{{l|where_exp:"w",a}}`,
  sort: `{% assign s = (1..500000) | join: "," | split: "," %}{% for i in (1..999) %}{% assign t = s | sort %}{% endfor %}`,
  loops:
    '{% for a in (1..99999) %}{% for b in (1..99999) %}{% for c in (1..99999) %}{% endfor %}{% endfor %}{% endfor %}',
};

describe('a template that never ends', () => {
  let platform: LocalPlatform;
  let hostile: Api;
  let quiet: Api;

  const save = async (api: Api, name: string, input: Record<string, unknown>, agent: string): Promise<void> => {
    const definition = { name, strategy: 'sequential', steps: [{ id: 'only', name: 'Only', agent, input }] };
    expectStatus(await api.post(CONFIGS, definition), 201);
  };

  beforeAll(async () => {
    platform = await LocalPlatform.start();
    hostile = await platform.user('mallory', 'operator');
    quiet = await platform.user('alice', 'operator');
    await save(quiet, 'quiet', { template: 'Hello {{ who }}!', who: '{% input.who %}' }, 'synthesizer');
    for (const [name, template] of Object.entries(ENDLESS)) {
      await save(hostile, name, { template, l: Array.from({ length: 300 }, (_, n) => n) }, 'synthesizer');
    }
  }, 300_000);

  afterAll(async () => {
    await platform?.stop();
  }, 300_000);

  it.each(Object.keys(ENDLESS))(
    'fails its own step with template_limit: %s',
    async (name) => {
      const ended = expectStatus(await hostile.post<Ended>(`${EXECUTE}/${name}?wait=60s`, { input: {} }), 200);
      expect(ended).toMatchObject({ status: 'failed', failure: { code: 'template_limit' } });
    },
    300_000,
  );

  it('does not delay others while many of them run', async () => {
    const attack = Promise.all(
      Object.keys(ENDLESS).map((name) => hostile.post<Ended>(`${EXECUTE}/${name}?wait=60s`, { input: {} })),
    );
    for (let round = 0; round < 5; round += 1) {
      // The limit is the platform's own for a request. A process that stands still would not answer at all.
      const ended = expectStatus(await quiet.post<Ended>(`${EXECUTE}/quiet?wait=60s`, { input: { who: 'you' } }), 200);
      expect(ended).toMatchObject({ status: 'completed', output: { report: 'Hello you!' } });
      expectStatus(await quiet.get('/health/ready'), 200);
    }
    for (const { body } of await attack) expect(body).toMatchObject({ status: 'failed' });
  }, 300_000);

  it('is refused when a callback with it is saved', async () => {
    const configs = expectStatus(
      await hostile.get<{ configs: readonly { id: string }[] }>(`${CONFIGS}?name=sort`),
      200,
    ).configs;
    const answer = await hostile.post<{ errors?: readonly { path: string; code: string }[] }>(
      '/api/v1/orchestrations/callbacks',
      {
        config_id: configs[0]?.id,
        type: 'webhook',
        events: ['completed'],
        callback_url: 'https://example.org/hook',
        callback_body_template: ENDLESS['loops'],
      },
    );
    expect(answer.status).toBe(400);
    expect(answer.body.errors).toMatchObject([{ path: '/callback_body_template', code: 'bad_template' }]);
  }, 300_000);
});
