import { operations, PoolCredentialsSchema, toUserJson } from '@batuta/contracts';
import { featureController } from '../routes/feature-controller.js';
import { Problem } from '../http/problem.js';

export const PoolCredentialsController = featureController('PoolCredentialsController', operations.poolCredentials, {
  createCredentials: {
    request: ({ headers }) => {
      if (headers['idempotency-key'] === undefined) return {};
      // The file is not stored, so a repeat could not be answered with it.
      const message = 'is not taken here: each request makes new credentials; revoke those whose answer was lost';
      throw new Problem('validation_failed', `Idempotency-Key ${message}.`, {
        errors: [{ path: '/headers/idempotency-key', message, code: 'not_allowed' }],
      });
    },
    shown: ({ credentials, file = '', tlsCa }) => ({
      ...toUserJson(PoolCredentialsSchema, credentials),
      file,
      ...(tlsCa === undefined ? {} : { tls_ca: tlsCa }),
    }),
  },
});
