import { describe, expect, it } from '@jest/globals';
import { isDatabaseOutage } from './database-outage.js';

const error = (message: string, more: object = {}): Error => Object.assign(new Error(message), more);

describe('an outage of the database', () => {
  it.each([
    error('terminating connection due to administrator command', { code: '57P01' }),
    error('the database system is starting up', { code: '57P03' }),
    error('sorry, too many clients already', { code: '53300' }),
    error('could not extend file: No space left on device', { code: '53100' }),
    error('connect ECONNREFUSED 127.0.0.1:5432', { code: 'ECONNREFUSED' }),
    new AggregateError([error('connect ECONNREFUSED ::1:5432', { code: 'ECONNREFUSED' })], ''),
    error('Connection terminated unexpectedly'),
    error('timeout exceeded when trying to connect'),
    // TypeORM wraps the driver's errors.
    error('QueryFailedError', { driverError: error('x', { code: '57P02' }) }),
  ])('is recognised in: %s', (one) => {
    expect(isDatabaseOutage(one)).toBe(true);
  });

  it.each([
    error('duplicate key value violates unique constraint', { code: '23505' }),
    error('syntax error', { code: '42601' }),
    error('QueryFailedError', { driverError: error('x', { code: '22P02' }) }),
    new TypeError('undefined is not a function'),
    'ECONNREFUSED',
    undefined,
  ])('is not recognised in: %s', (one) => {
    expect(isDatabaseOutage(one)).toBe(false);
  });
});
