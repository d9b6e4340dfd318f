import { operations } from '@batuta/contracts';
import { featureController } from '../routes/feature-controller.js';
import { shownKey } from '../http/shown.js';

export const ApiKeysController = featureController('ApiKeysController', operations.apiKeys, {
  create: {
    // A repeat has everything except the secret, which is not stored.
    shown: ({ key, secret = '', repeated = false }) => ({
      ...shownKey(key),
      ...(repeated ? { repeated } : { secret }),
    }),
  },
});
