import type { CallbackType } from '@batuta/contracts';
import { email } from './email.js';
import { sms } from './sms.js';
import { webhook } from './webhook.js';
import { websocket } from './websocket.js';

/** Every channel. The compiler refuses one without an entry. */
export const CHANNELS = { webhook, email, sms, websocket } as const satisfies Record<CallbackType, unknown>;

/** The settings that belong to one channel each. */
export const CHANNEL_SETTINGS = {
  ...webhook.settings,
  ...email.settings,
  ...sms.settings,
  ...websocket.settings,
} as const;
