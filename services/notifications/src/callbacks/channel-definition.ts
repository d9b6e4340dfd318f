import type { CallbackType } from '@batuta/contracts';

/** One way to tell somebody, as it is kept; field names are the user's. */
export interface ChannelDefinition {
  readonly type: CallbackType;
  readonly callback_url?: string;
  readonly callback_method?: string;
  readonly callback_headers?: Readonly<Record<string, string>>;
  readonly callback_body_template?: string;
  readonly to?: readonly string[];
  readonly subject_template?: string;
  readonly html_template?: string;
  readonly max_retries?: number;
  /** In a fallback: milliseconds that the channel before it has. */
  readonly after_ms?: number;
}
