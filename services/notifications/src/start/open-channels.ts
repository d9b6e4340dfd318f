import type { Opened } from '@batuta/service';
import type { Channel } from '../channels/channel.js';
import { CHANNELS } from '../channels/index.js';
import type { ChannelKind, ChannelParts } from '../channels/kind.js';
import type { NotificationsSettings } from '../settings.js';

/** The channels to which the settings give a way. */
export function openChannels(settings: NotificationsSettings, parts: ChannelParts, opened: Opened): Channel[] {
  const channels = Object.values<ChannelKind<NotificationsSettings>>(CHANNELS).flatMap(
    (kind) => kind.open(settings, parts) ?? [],
  );
  for (const channel of channels) opened.push(() => channel.close?.());
  return channels;
}
