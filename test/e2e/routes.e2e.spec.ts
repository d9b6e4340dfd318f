import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@batuta/testing';
import type { Api } from '../support/api.js';
import { expectStatus } from '../support/api.js';
import { Cluster } from '../support/cluster.js';
import { checkLog } from '../support/event-log.js';
import { ModelServer, systemOf, textOf } from '../support/model-server.js';
import { Orchestrations, outline, stepOf } from '../support/orchestration.js';

const PATIENT = { timeoutMs: 120_000 };
const QUESTION = 'You choose who handles a message';
type Document = { readonly name: string } & Record<string, unknown>;
const example = (name: string): Document =>
  JSON.parse(readFileSync(new URL(`../../examples/${name}.json`, import.meta.url), 'utf8')) as Document;

describe('routes, through the gateway', () => {
  const server = new ModelServer();
  let cluster: Cluster;
  let api: Api;
  let run: Orchestrations;
  const all: string[] = [];

  const ends = async (config: string, input: unknown) => {
    const id = await run.start(config, { input } as never);
    all.push(id);
    return run.ended(id);
  };
  /** The model answers a message that has a word, when it has answered `before` questions about it. */
  const chooses = (word: string, answer: object | string, before = 0): void =>
    server.on(
      (request) =>
        systemOf(request).includes(QUESTION) &&
        request.messages.some((message) => message.role === 'user' && textOf(message).includes(word)) &&
        request.messages.filter(({ role }) => role === 'assistant').length === before,
      typeof answer === 'string' ? answer : JSON.stringify(answer),
    );
  const asked = (word: string): number =>
    server.asked(QUESTION).filter(({ messages }) => messages.some((message) => textOf(message).includes(word))).length;
  const saveRoute = (name: string, route: Record<string, unknown>, step: Record<string, unknown> = {}) =>
    run.save({ name, strategy: 'sequential', steps: [{ id: 'r', name: 'Route', route, ...step }] });

  beforeAll(async () => {
    const url = await server.start();
    cluster = await Cluster.start({ env: { BATUTA_RUNNER_ALLOWED_ADDRESSES: '127.0.0.1' } });
    api = cluster.api();
    run = new Orchestrations(api);
    const scripted = { provider: 'openai_compatible', model: 'scripted', base_url: url };
    expectStatus(await api.call('PUT', '/api/v1/models/writer', scripted), 201);
    server.says('You count', 0, 'Seven.');
    const counter = { llm: { model: 'writer', system: 'You count.' }, description: 'Counts things' };
    // A machine that is busy takes long to start the sandbox that checks schemas.
    await eventually(async () => (await api.call('PUT', '/api/v1/agents/counter', counter)).status === 201, PATIENT);
  }, 300_000);

  afterAll(async () => {
    try {
      await checkLog(cluster.stack.databaseUrl, all);
    } finally {
      await cluster?.stop();
      await server.stop();
    }
  }, 300_000);

  it('ask the model of the example once, when no rule holds', async () => {
    chooses('parcel', { chosen: 'orders', confidence: 0.92, reason: 'An order on its way.' });
    await run.save(example('models/route'));
    const execution = await ends('example-route-by-model', { message: 'My parcel is late' });
    expect(execution).toMatchObject({ status: 'completed', output: { said: 'My parcel is late' } });
    expect(stepOf(execution, 'answer').route).toMatchObject({
      chosen: 'orders',
      chosen_id: 'answer:orders:1',
      by: 'model',
      confidence: 0.92,
      reason: 'An order on its way.',
      scores: [{ candidate: 'orders', score: 0.92 }],
      model: { name: 'writer', provider: 'openai_compatible' },
    });
    expect(asked('parcel')).toBe(1);
    const events = await run.events(all.at(-1) ?? '');
    expect(outline(events, 'RouteAsked')).toHaveLength(1);
    const [decided] = events.filter(({ type }) => type === 'RouteDecided');
    expect(decided?.data).toMatchObject({ step_id: 'answer', by: 'model', tokens: expect.any(Number) });
    const ruled = await ends('example-route-by-model', { message: 'A refund, please' });
    expect(stepOf(ruled, 'answer').route).toMatchObject({ chosen: 'billing', by: 'rules' });
    expect(asked('refund, please')).toBe(0);
  });

  it('let an agent that is made of a model work, and a config', async () => {
    await run.save({
      name: 'desk',
      strategy: 'sequential',
      steps: [{ id: 'a', name: 'A', agent: 'echo', input: { desk: '{% input.message %}' } }],
    });
    await saveRoute('workers', {
      candidates: [
        { name: 'counts', agent: 'counter', keywords: ['how many'] },
        { name: 'desk', config: 'desk' },
      ],
      fallback: 'desk',
    });
    expect(await ends('workers', { message: 'How many?' })).toMatchObject({ output: { text: 'Seven.' } });
    expect(await ends('workers', { message: 'Hello' })).toMatchObject({ output: { desk: 'Hello' } });
  });

  it('ask once more when the model names nobody, and fail with the scores when it is unsure', async () => {
    const candidates = [
      { name: 'left', agent: 'echo', description: 'Left' },
      { name: 'right', agent: 'echo', description: 'Right' },
    ];
    await saveRoute('unsure', { mode: 'model', model: 'writer', candidates, min_confidence: 0.7 });
    chooses('which way', { chosen: 'up', confidence: 1, reason: 'Up!' });
    chooses('which way', { chosen: 'right', confidence: 0.8, reason: 'It is.' }, 1);
    const mended = await ends('unsure', { message: 'which way' });
    expect(stepOf(mended, 'r').route).toMatchObject({ chosen: 'right', by: 'model' });
    expect(asked('which way')).toBe(2);
    chooses('perhaps', { chosen: 'left', confidence: 0.2, reason: 'A guess.' });
    expect(await ends('unsure', { message: 'perhaps' })).toMatchObject({
      status: 'failed',
      failure: {
        code: 'route_undecided',
        message: 'no candidate reaches min_confidence 0.7: left 0.2 (A guess.); the route has no fallback',
        details: { scores: [{ candidate: 'left', score: 0.2 }] },
      },
    });
    chooses('nonsense', 'I would rather not say.');
    chooses('nonsense', 'Really not.', 1);
    await saveRoute('saved', { mode: 'model', model: 'writer', candidates, fallback: 'left' });
    const saved = await ends('saved', { message: 'nonsense' });
    expect(stepOf(saved, 'r').route).toMatchObject({ chosen: 'left', by: 'fallback', confidence: 0 });
  });

  it('compare meanings in one call, and ask the model when none is similar enough', async () => {
    const candidates = [
      { name: 'orders', agent: 'echo', description: 'Orders', examples: ['Where is my parcel?'] },
      { name: 'money', agent: 'echo', description: 'Money', examples: ['I want my money back'] },
    ];
    const route = { mode: 'hybrid', embedding_model: 'writer', model: 'writer', min_confidence: 0.9, candidates };
    await saveRoute('meaning', route);
    // The server makes the same embedding of the same text, and of other texts others.
    const similar = await ends('meaning', { message: 'I want my money back' });
    expect(stepOf(similar, 'r').route).toMatchObject({
      chosen: 'money',
      by: 'semantic',
      confidence: 1,
      scores: [{ candidate: 'money', score: 1 }, { candidate: 'orders' }],
      model: { name: 'writer' },
    });
    chooses('A tent?', { chosen: 'orders', confidence: 0.95, reason: 'It buys.' });
    const other = await ends('meaning', { message: 'A tent?' });
    expect(stepOf(other, 'r').route).toMatchObject({ chosen: 'orders', by: 'model' });
    const events = await run.events(all.at(-1) ?? '');
    expect(events.filter(({ type }) => type === 'RouteAsked').map(({ data }) => data)).toMatchObject([
      { by: 'semantic', asked_id: 'r:semantic:0' },
      { by: 'model', asked_id: 'r:model:0' },
    ]);
  });
});
