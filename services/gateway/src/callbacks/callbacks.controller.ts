import { isoTime, operations } from '@batuta/contracts';
import type { CallbackReply, JsonObject, RotateSecretReply } from '@batuta/contracts';
import { featureController } from '../routes/feature-controller.js';
import { shownCursor } from '../http/shown.js';
import { shownCallback } from './shown-callback.js';

const { create, list, ...others } = operations.callbacks;

const shown = ({ callback, repeated = false }: CallbackReply): JsonObject => ({
  ...shownCallback(callback),
  ...(repeated ? { repeated } : {}),
});

const shownSecret = ({ secret = '', previousExpiresAt = 0, repeated = false }: RotateSecretReply): JsonObject => ({
  ...(repeated ? { repeated } : { secret }),
  previous_expires_at: previousExpiresAt === 0 ? null : isoTime(previousExpiresAt),
});

/** Callbacks and their deliveries. */
export const CallbacksController = featureController(
  'CallbacksController',
  { create, list, ...operations.deliveries, ...others },
  {
    create: {
      shown: (reply) => {
        const { secret = '' } = reply;
        const { repeated, ...callback } = shown(reply);
        return {
          ...callback,
          ...(secret === '' ? {} : { secret }),
          ...(repeated === undefined ? {} : { repeated }),
        };
      },
    },
    list: {
      shown: ({ callbacks, nextCursor }) => ({
        callbacks: (callbacks ?? []).map(shownCallback),
        next_cursor: shownCursor(nextCursor),
      }),
    },
    get: { shown },
    delete: { shown },
    enable: { shown },
    rotate: { request: ({ params: { id = '' } }) => ({ callbackId: id }), shown: shownSecret },
    rotateTenant: { shown: shownSecret },
  },
);
