/** For every answer: it is not a page or a script, and no other site may frame it. */
export const SECURITY_HEADERS = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
} as const;

/** The documentation page has scripts of its own origin, and inline styles and images. */
const DOCUMENTATION_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self' data:",
  "connect-src 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

const DOCUMENTATION_HEADERS = { ...SECURITY_HEADERS, 'content-security-policy': DOCUMENTATION_POLICY } as const;

export const securityHeadersFor = (path: string): Readonly<Record<string, string>> =>
  /^\/docs(?:\/|$)/.test(path) ? DOCUMENTATION_HEADERS : SECURITY_HEADERS;
