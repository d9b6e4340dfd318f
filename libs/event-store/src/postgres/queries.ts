import type pg from 'pg';
import { numericTypes } from './connection.js';

/** The part of a connection or pool that the store uses. */
export interface Queries {
  query<R extends pg.QueryResultRow>(text: string | pg.QueryConfig, values?: unknown[]): Promise<pg.QueryResult<R>>;
}

/** Runs a prepared statement and returns its rows. */
export async function queryRows<R extends pg.QueryResultRow>(
  queries: Queries,
  name: string,
  text: string,
  values: unknown[],
): Promise<R[]> {
  const { rows } = await queries.query<R>({ name, text, values, types: numericTypes });
  return rows;
}
