import type { SecretSource } from '@batuta/control';
import type { Logger } from '@batuta/observability';
import type { Resolve } from '@batuta/outbound-http';
import type { SettingsProblem, SettingsSchema } from '@batuta/settings';
import type { LookupFunction } from 'node:net';
import type { DataSource } from 'typeorm';
import type { CallbackHeaders } from '../callbacks/callback-headers.js';
import type { ChannelDefinition } from '../callbacks/channel-definition.js';
import type { SigningSecrets } from '../callbacks/signing-secrets.js';
import type { TemplateKind, Templates } from '../templates/templates.js';
import type { Channel } from './channel.js';

/** What channels are made of. */
export interface ChannelParts {
  readonly dataSource: DataSource;
  readonly templates: Templates;
  readonly secrets: SigningSecrets;
  readonly secretSource: SecretSource;
  readonly headers: CallbackHeaders;
  readonly publish: (subject: string, payload: string) => void;
  readonly logger: Logger;
  /** How the host of a webhook becomes an address. */
  readonly resolve: Resolve;
  /** How the hosts of the operator's own servers become addresses. */
  readonly lookup: LookupFunction;
}

/** What the service knows of one channel, whether the settings give a way to it or not. `S`: the settings it reads. */
export interface ChannelKind<S> {
  /** Settings that only this channel has. */
  readonly settings: SettingsSchema;
  /** Rules between its settings. */
  contradictions?(settings: S): SettingsProblem[];
  /** The channel; undefined when the settings give no way to it. Throws a `SettingsError`. */
  open(settings: S, parts: ChannelParts): Channel | undefined;
  /** The fields that are templates. */
  readonly templates: Readonly<Partial<Record<keyof ChannelDefinition, TemplateKind>>>;
  /** A valid definition as it is kept, with its defaults. */
  kept?(definition: ChannelDefinition): ChannelDefinition;
  /** Where a message goes, as a URL. `userId`: who started the execution. */
  target(definition: ChannelDefinition, userId: string): string;
  /** What the circuit breaker counts as one destination; default: the channel, which is one provider of the platform. */
  destination?(definition: ChannelDefinition, tenantId: string): string;
  /** Whether a message that was sent waits until its receiver confirms it. */
  readonly isConfirmed?: boolean;
}
