import type { CallbackType } from '@batuta/contracts';

/** One way to notify somebody, as it is stored. The field names are those of the API. */
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
  /** In a fallback: milliseconds that the previous channel has. */
  readonly after_ms?: number;
}
