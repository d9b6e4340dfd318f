import 'reflect-metadata';
import { runOnce } from '@batuta/service';
import { createAdminKey } from './tenants/bootstrap.js';

// Prints a new admin key alone on standard output: the first one where no file can keep it, or the way back in.
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
