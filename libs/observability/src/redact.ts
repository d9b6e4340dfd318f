const CREDENTIALS_IN_URL = /\b([a-z][a-z0-9+.-]*:\/\/)([^\s/@:]*):?[^\s/@]*@/gi;

/** Takes passwords (and tokens in the user's place) out of every URL in a text. */
export function redactUrl(text: string): string {
  return text.replace(CREDENTIALS_IN_URL, '$1***@');
}
