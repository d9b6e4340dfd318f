import 'reflect-metadata';
import { runOnce } from '@batuta/service';
import { createAdminKey } from './tenants/bootstrap.js';

// Prints a new admin key, and nothing else, on standard output: the first key when no file can store it, or a
// replacement for lost keys.
await runOnce({
  name: 'config-admin-key',
  run: async ({ databaseUrl }) => {
    const [tenantId] = process.argv.slice(2);
    const secret = await createAdminKey(databaseUrl, tenantId === undefined ? {} : { tenantId });
    await new Promise<void>((resolve, reject) => {
      process.stdout.write(`${secret}\n`, (error) => (error ? reject(error) : resolve()));
    });
  },
});
