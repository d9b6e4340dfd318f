import type { ControlClient } from '@batuta/messaging';
import { IdempotencyKeys } from '@batuta/service';
import { Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { CallbacksController } from './callbacks/callbacks.controller.js';
import { CALLBACK_RULES, Callbacks, CONTROL } from './callbacks/callbacks.service.js';
import type { CallbackRules } from './callbacks/callbacks.service.js';
import { CallbackHeaders } from './callbacks/callback-headers.js';
import { SecretCipher } from '@batuta/service';
import { SigningSecrets } from './callbacks/signing-secrets.js';
import { NotificationsRows, SCHEMA } from './database/data-source.js';
import { DeliveriesController } from './deliveries/deliveries.controller.js';
import { Deliveries } from './deliveries/deliveries.service.js';
import { DELIVERY_RULES, DeliveryQueue } from './deliveries/delivery-queue.js';
import type { DeliveryRules } from './deliveries/delivery.js';
import { InboxController } from './inbox/inbox.controller.js';
import { Inbox } from './inbox/inbox.service.js';
import { Templates } from './templates/templates.js';

export interface NotificationsModuleOptions {
  /** Initialised and migrated. The application does not close it; the caller that made it does. */
  readonly rows: NotificationsRows;
  readonly control: ControlClient;
  readonly callbackRules: CallbackRules;
  readonly deliveryRules: DeliveryRules;
  readonly secretCipher: SecretCipher;
  readonly templates: Templates;
}

/** The notifications service: callbacks, their deliveries, and users' inboxes. */
@Module({})
export class NotificationsModule {
  static register(options: NotificationsModuleOptions): DynamicModule {
    const { rows } = options;
    return {
      module: NotificationsModule,
      controllers: [CallbacksController, DeliveriesController, InboxController],
      providers: [
        { provide: NotificationsRows, useValue: rows },
        { provide: CONTROL, useValue: options.control },
        { provide: CALLBACK_RULES, useValue: options.callbackRules },
        { provide: DELIVERY_RULES, useValue: options.deliveryRules },
        { provide: SecretCipher, useValue: options.secretCipher },
        { provide: Templates, useValue: options.templates },
        { provide: IdempotencyKeys, useValue: new IdempotencyKeys(SCHEMA) },
        SigningSecrets,
        CallbackHeaders,
        DeliveryQueue,
        Callbacks,
        Deliveries,
        Inbox,
      ],
    };
  }
}
