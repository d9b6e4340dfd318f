import { expect, test } from '@jest/globals';
import { read, root } from '../deploy/places.js';
import { registries } from './registries.mjs';

test('the registries list every file of their folders: run `npm run registries`', async () => {
  const written = await registries(root);
  expect(written.length).toBe(3);
  for (const { path, text } of written) {
    expect(text.split('\n').length).toBeGreaterThan(10);
    expect([path, read(path)]).toEqual([path, text]);
  }
});
