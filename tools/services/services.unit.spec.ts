import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { read, root } from '../deploy/places.js';
import { serviceFiles } from './files.mjs';
import { ownProcess, packagesIn, services, stopOrder } from './table.mjs';

describe('services/services.json', () => {
  it('names every service that has a folder, once in each order', () => {
    const folders = packagesIn('services').filter((name) => name !== 'standalone');
    expect([...services].toSorted()).toEqual(folders.toSorted());
    expect([...stopOrder].toSorted()).toEqual(folders.toSorted());
    expect(ownProcess.filter((name) => !services.includes(name))).toEqual([]);
  });

  const files = serviceFiles(read);
  it.each(Object.keys(files))('is what %s says: `npm run services` writes it', (file) => {
    expect(existsSync(join(root, file))).toBe(true);
    expect(read(file)).toBe(files[file]);
  });
});
