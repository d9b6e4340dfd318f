import { parseArgs } from 'node:util';
import { writeDeployment } from '@batuta/nats-accounts';

// Makes the credentials and certificates of a deployment: docs/operations.md, users of NATS. The command `batuta
// credentials` does the same outside a container.
const numberOf = (text: string | undefined): number | undefined => (text === undefined ? undefined : Number(text));
try {
  const { values } = parseArgs({
    options: {
      out: { type: 'string', default: '/out' },
      pool: { type: 'string', multiple: true },
      replace: { type: 'string', multiple: true },
      'nats-name': { type: 'string', multiple: true },
      'postgres-name': { type: 'string', multiple: true },
      'renew-certificates': { type: 'boolean' },
      'new-authority': { type: 'boolean' },
      'service-owner': { type: 'string' },
      'postgres-owner': { type: 'string' },
    },
  });
  const written = await writeDeployment({
    directory: values.out,
    pools: values.pool,
    replace: values.replace,
    natsNames: values['nats-name'],
    postgresNames: values['postgres-name'],
    renewCertificates: values['renew-certificates'],
    newAuthority: values['new-authority'],
    owners: { services: numberOf(values['service-owner']), postgres: numberOf(values['postgres-owner']) },
  });
  process.stdout.write(written.length === 0 ? 'everything is there already\n' : `${written.join('\n')}\n`);
} catch (error) {
  process.stderr.write(`deployment-credentials: ${(error as Error).message}\n`);
  process.exitCode = error instanceof RangeError || error instanceof TypeError ? 2 : 1;
}
