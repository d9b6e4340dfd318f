import { describe, expect, it } from '@jest/globals';
import type { JsonObject } from '@batuta/contracts';
import { defineAgent } from '@batuta/worker';
import type { Agent, PlatformContext } from '@batuta/worker';
import { testContext } from '../../test/test-context.js';
import { generalHandlerAgent } from './general-handler.js';
import { logAnalyzerAgent } from './log-analyzer.js';
import { troubleshootHandlerAgent } from './troubleshoot-handler.js';

const PASSAGE = { source: 'runbook.md', title: 'Runbook', text: 'Restart the pool.', first_line: 3, last_line: 4 };

/** An agent that gives the same to everybody, and what it was asked. */
function stub(name: string, given: JsonObject): { agent: Agent<PlatformContext>; asked: JsonObject[] } {
  const asked: JsonObject[] = [];
  const agent = defineAgent(name, { description: name }, (input: unknown) => {
    asked.push(input as JsonObject);
    return given;
  }) as unknown as Agent<PlatformContext>;
  return { agent, asked };
}

const run = async (agent: Agent<PlatformContext>, input: JsonObject): Promise<JsonObject> =>
  (await agent.run(input, testContext({ attempt: 1 }))) as JsonObject;
const model = () =>
  stub('ask_model', { text: 'It works.', model: { name: 'writer' }, _tokens: { input: 9, output: 2 }, _cost: 0.5 });
const knowledge = (...passages: JsonObject[]) => stub('rag_handler', { passages });

describe('general_handler', () => {
  it('answers with passages and says that no model is named', async () => {
    const search = knowledge(PASSAGE);
    const agent = generalHandlerAgent({ askModel: model().agent, knowledge: search.agent });
    expect(await run(agent, { message: 'How do I restart?', limit: 2 })).toEqual({
      answer: 'Restart the pool. [runbook.md]',
      by: 'knowledge',
      note: 'No model is named: these are passages of the knowledge base.',
      sources: [{ source: 'runbook.md', title: 'Runbook', first_line: 3, last_line: 4 }],
    });
    expect(search.asked).toEqual([{ query: 'How do I restart?', limit: 2 }]);
    const empty = generalHandlerAgent({ askModel: model().agent, knowledge: knowledge().agent });
    expect(await run(empty, { message: 'Hm' })).toMatchObject({ answer: '', by: 'nothing' });
  });

  it('asks the model once, with the thread and the passages, and reports what that cost', async () => {
    const asked = model();
    const agent = generalHandlerAgent({ askModel: asked.agent, knowledge: knowledge(PASSAGE).agent });
    const messages = [{ role: 'user', content: 'Hi' }];
    const answer = await run(agent, { message: 'Restart?', model: 'writer', messages, instructions: 'Be brief.' });
    expect(answer).toMatchObject({
      answer: 'It works.',
      by: 'model',
      model: { name: 'writer' },
      _tokens: { input: 9, output: 2 },
      _cost: 0.5,
      sources: [{ source: 'runbook.md' }],
    });
    expect(asked.asked).toMatchObject([
      {
        model: 'writer',
        messages: [
          { role: 'system', content: expect.stringMatching(/Be brief\.$/) },
          { role: 'user', content: 'Hi' },
          { role: 'user', content: 'Restart?\n\nPassages: [{"source":"runbook.md","text":"Restart the pool."}]' },
        ],
      },
    ]);
  });

  it('searches nothing when it is told not to, and needs a message', async () => {
    const search = knowledge(PASSAGE);
    const agent = generalHandlerAgent({ askModel: model().agent, knowledge: search.agent });
    expect(await run(agent, { message: 'Hi', knowledge: false })).toMatchObject({ by: 'nothing', sources: [] });
    expect(search.asked).toEqual([]);
    await expect(run(agent, {})).rejects.toMatchObject({ code: 'input_invalid' });
  });
});

describe('troubleshoot_handler', () => {
  const STATUS = {
    services: [
      { name: 'shop', url: 'https://shop.example', status: 'down', code: 503, error: null },
      { name: 'mail', url: 'https://mail.example', status: 'up', code: 200, error: null },
    ],
    jobs: [
      { name: 'nightly', status: 'failed', execution_id: 'e-1', failure: { code: 'timeout', message: 'too slow' } },
      { name: 'hourly', status: 'completed', execution_id: 'e-2', failure: null },
    ],
  };
  const LOG = [
    '2026-01-01T10:00:00Z INFO started',
    '2026-01-01T10:00:01Z ERROR pool exhausted after 7 tries',
    '2026-01-01T10:00:02Z ERROR pool exhausted after 9 tries',
  ].join('\n');
  const make = () => {
    const status = stub('status_handler', STATUS);
    const search = knowledge(PASSAGE);
    const asked = model();
    const logs = logAnalyzerAgent([]) as unknown as Agent<PlatformContext>;
    const agents = { askModel: asked.agent, knowledge: search.agent, status: status.agent, logs };
    return { agent: troubleshootHandlerAgent(agents), status, search, asked };
  };

  it('says causes with evidence and recommendations with sources, by rules', async () => {
    const { agent, search, asked } = make();
    const found = await run(agent, {
      message: 'The shop is slow',
      services: [{ url: 'x' }],
      job_name: 'nightly',
      logs: LOG,
    });
    expect(found).toMatchObject({
      by: 'rules',
      note: 'No model is named: the causes follow from rules.',
      looked_at: ['status', 'logs', 'knowledge'],
      causes: [
        { cause: 'the service shop is down', evidence: [{ source: 'https://shop.example', detail: 'HTTP 503' }] },
        { cause: 'the job nightly has failed (timeout)', evidence: [{ source: 'execution e-1', detail: 'too slow' }] },
        { cause: expect.stringContaining('pool exhausted'), evidence: [{ source: 'text, lines 2 to 3' }] },
      ],
      recommendations: [
        { text: 'Bring the service shop back first.', source: 'https://shop.example' },
        { text: 'Restart the pool.', source: 'runbook.md' },
      ],
    });
    expect(found['analysis']).toContain('the service shop is down; the job nightly has failed');
    expect(search.asked[0]?.['query']).toContain('The shop is slow');
    expect(search.asked[0]?.['query']).toContain('pool exhausted');
    expect(asked.asked).toEqual([]);
  });

  it('has the model explain the same findings, once', async () => {
    const { agent, asked } = make();
    const found = await run(agent, { logs: LOG, model: 'writer' });
    expect(found).toMatchObject({ analysis: 'It works.', by: 'model', looked_at: ['logs', 'knowledge'], _cost: 0.5 });
    expect(found['causes']).toHaveLength(1);
    expect(asked.asked).toHaveLength(1);
    expect(JSON.stringify(asked.asked[0])).toContain('pool exhausted');
  });

  it('finds nothing where nothing is, and needs something to look at', async () => {
    const { agent, status } = make();
    expect(await run(agent, { message: 'Hm' })).toMatchObject({
      analysis: 'No cause was found in: knowledge.',
      causes: [],
      looked_at: ['knowledge'],
    });
    expect(status.asked).toEqual([]);
    await expect(run(agent, {})).rejects.toMatchObject({ code: 'input_invalid' });
  });
});
