const CREDENTIALS_IN_URL = /\b([a-z][a-z0-9+.-]*:\/\/)([^\s/@:]*):?[^\s/@]*@/gi;

/** Removes passwords (and tokens in the place of the user) from every URL in a text. */
export function redactUrl(text: string): string {
  return text.replace(CREDENTIALS_IN_URL, '$1***@');
}
