import { describe, expect, it } from '@jest/globals';
import type { JsonValue } from '@batuta/contracts';
import { TerminalError } from './agent.js';
import type { AgentContext } from './agent.js';
import { defineAgent } from './define-agent.js';

const context = {} as AgentContext;

describe('an agent with a schema of its input', () => {
  const seen: unknown[] = [];
  const agent = defineAgent(
    'translate',
    {
      description: 'Translates',
      input: {
        type: 'object',
        required: ['text', 'to'],
        properties: {
          text: { type: 'string', minLength: 2, maxLength: 5 },
          to: { enum: ['en', 'pt'] },
          words: {
            type: 'array',
            maxItems: 2,
            items: { type: 'object', required: ['from'], properties: { from: { type: 'string' } } },
          },
          formal: { type: 'boolean' },
          tries: { type: 'integer', minimum: 1, maximum: 9 },
          share: { type: 'number', minimum: 0 },
          note: { type: ['string', 'null'] },
        },
      },
      output: { type: 'object', required: ['text'], properties: { text: { type: 'string' } } },
    },
    (input, _context, whole) => {
      // The types follow from the schema.
      const language: 'en' | 'pt' = input.to;
      const tries: number | undefined = input.tries;
      seen.push([input, whole]);
      return { text: `${input.text} in ${language}, ${tries ?? 1}` };
    },
  );
  const run = async (input: JsonValue): Promise<unknown> => agent.run(input, context);
  const refusalOf = async (input: JsonValue): Promise<string> => {
    const error: unknown = await run(input).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(TerminalError);
    expect(error).toMatchObject({ code: 'input_invalid' });
    return (error as Error).message;
  };
  const whole = { text: 'olá', to: 'en' };

  it('runs with a valid input', async () => {
    expect(await run({ ...whole, more: [1] })).toEqual({ text: 'olá in en, 1' });
  });

  it.each([
    [{ to: 'en' }, 'The input\'s "text" is missing.'],
    [{ ...whole, text: 7 }, 'The input\'s "text" must be a text.'],
    [{ ...whole, text: 'x' }, 'The input\'s "text" must have at least 2 characters.'],
    [{ ...whole, text: 'longer' }, 'The input\'s "text" must have at most 5 characters.'],
    [{ ...whole, to: 'xx' }, 'The input\'s "to" must be one of en, pt.'],
    [{ ...whole, tries: 0 }, 'The input\'s "tries" must be a whole number from 1 to 9.'],
    [{ ...whole, tries: 1.5 }, 'The input\'s "tries" must be a whole number from 1 to 9.'],
    [{ ...whole, share: -1 }, 'The input\'s "share" must be a number of at least 0.'],
    [{ ...whole, formal: 'yes' }, 'The input\'s "formal" must be true or false.'],
    [{ ...whole, words: {} }, 'The input\'s "words" must be a list.'],
    [{ ...whole, words: [{ from: 'a' }, {}] }, 'The input\'s "words[1].from" is missing.'],
    [{ ...whole, words: [{}, {}, {}] }, 'The input\'s "words" may hold at most 2.'],
    ['olá', 'The input must be an object.'],
    [null, 'The input\'s "text" is missing.'],
  ])('refuses %j and says why', async (input, message) => {
    expect(await refusalOf(input)).toBe(message);
  });

  it('names the parameter for machines', async () => {
    await expect(run({ ...whole, words: [{}] })).rejects.toMatchObject({ details: { parameter: 'words' } });
  });

  it('treats a null field as absent where the schema does not allow null, and also gives the unchanged input', async () => {
    const input = { ...whole, tries: null, note: null, words: [{ from: 'a', to: null }], other: null };
    await run(input);
    const { tries: _, ...left } = input;
    expect(seen.at(-1)).toEqual([left, input]);
    expect(await refusalOf({ ...whole, text: null })).toBe('The input\'s "text" is missing.');
  });

  it('does not copy an input when nothing is removed', async () => {
    await run(whole);
    expect((seen.at(-1) as unknown[])[0]).toBe(whole);
  });

  it('describes itself', () => {
    expect(agent).toMatchObject({
      name: 'translate',
      version: '1',
      description: 'Translates',
      input: { type: 'object' },
    });
  });

  it('refuses a name that the platform does not accept', () => {
    expect(() => defineAgent('two words', { description: '' }, () => null)).toThrow(
      '"two words" is no name of an agent',
    );
  });
});
