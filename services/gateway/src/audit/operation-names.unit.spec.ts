import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { CONTROLLERS } from '../app.module.js';
import { OperationNames } from './operation-names.js';

it('names each operation of the API as the OpenAPI document does', () => {
  const names = new OperationNames(CONTROLLERS);
  const { paths } = JSON.parse(readFileSync('docs/openapi.json', 'utf8')) as {
    paths: Record<string, Record<string, { operationId: string }>>;
  };
  const documented = Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, { operationId }]) => ({ method: method.toUpperCase(), path, operationId })),
  );
  expect(documented.length).toBeGreaterThan(90);
  for (const { method, path, operationId } of documented) {
    const route = path.replaceAll(/\{([a-z_]+)\}/g, ':$1');
    expect([path, names.of(method, route)]).toEqual([path, operationId]);
  }
});
