import { describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { allowedFields } from './log-fields.js';

describe('the fields of log lines', () => {
  it('are those on the list; of other fields only the names are logged', () => {
    const fields = { execution: 'e1', stepId: 's1', attempt: 2, output: 'hunter2', reason: { input: 'hunter2' } };
    expect(allowedFields(fields)).toEqual({
      execution_id: 'e1',
      step_id: 's1',
      attempt: 2,
      dropped_fields: ['output', 'reason'],
    });
  });

  it('have a limited length', () => {
    const { reason, channels } = allowedFields({ reason: 'x'.repeat(10_000), channels: ['a', { secret: 'hunter2' }] });
    expect((reason as string).length).toBeLessThan(600);
    expect(channels).toEqual(['a', '…']);
  });

  it('are written by their own serialiser for errors', () => {
    const lines: string[] = [];
    const logger = pino({ formatters: { log: allowedFields } }, { write: (line: string) => lines.push(line) });
    logger.warn({ err: new Error('broken'), payload: 'hunter2' }, 'it failed');
    logger.warn(new Error('bare'));
    logger.info('only text');
    expect(lines.map((line) => JSON.parse(line) as { err?: { message: string } })).toMatchObject([
      { err: { message: 'broken' }, dropped_fields: ['payload'], msg: 'it failed' },
      { err: { message: 'bare' } },
      { msg: 'only text' },
    ]);
    expect(lines.join('')).not.toContain('hunter2');
  });
});
