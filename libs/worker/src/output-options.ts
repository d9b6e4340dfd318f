/** What an agent says of a piece of partial output. */
export interface OutputOptions {
  /** `text` (the default), `reasoning`, `tool_call`, or a name of your own: small letters, digits and `_`. */
  readonly kind?: string;
  /** Which of several of its kind it belongs to. */
  readonly id?: string;
  /** For people, such as the name of a tool. */
  readonly name?: string;
}
