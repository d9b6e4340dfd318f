import { mistake, Problem } from '../http/problem.js';

const KEY = /^[!-~]{8,256}$/;
const BEARER = /^Bearer +([!-~]{8,256}) *$/i;

/**
 * The key of an `Authorization: Bearer <key>` header, or undefined when the header is absent. @throws Problem
 * unauthenticated, with the mistake, when the header has no key.
 */
export function bearerOf(authorization: string | undefined): string | undefined {
  if (authorization === undefined) return undefined;
  const key = BEARER.exec(authorization)?.[1];
  if (key !== undefined) return key;
  const [scheme = ''] = authorization.split(' ', 1);
  if (scheme.toLowerCase() === 'bearer') {
    throw new Problem(
      'unauthenticated',
      'The text after "Bearer" is not an API key: a key has 8 to 256 visible ASCII characters.',
      {
        headers: { 'www-authenticate': 'Bearer realm="batuta", error="invalid_token"' },
      },
    );
  }
  throw new Problem(
    'unauthenticated',
    'The header Authorization has no API key. Send it as "Authorization: Bearer <key>".',
  );
}

/** The subprotocol that the gateway chooses. Clients offer it together with the one that carries the key. */
const SUBPROTOCOL = 'batuta.v1';
const KEY_SUBPROTOCOL = 'batuta.bearer.';

/** The subprotocol to answer with. It is never the one with the key, because answers may be logged. */
export function chosenProtocol(offered: ReadonlySet<string>): string | false {
  if (offered.has(SUBPROTOCOL)) return SUBPROTOCOL;
  return [...offered].find((protocol) => !protocol.startsWith(KEY_SUBPROTOCOL)) ?? false;
}

/**
 * Requires the subprotocol that can be chosen. A client that offers only its key would get none and close the
 * connection. @throws Problem validation_failed with the reason.
 */
export function requireSubprotocol(header: string | undefined): void {
  const offered = (header ?? '').split(',').map((protocol) => protocol.trim());
  if (!offered[0]?.startsWith(KEY_SUBPROTOCOL) || chosenProtocol(new Set(offered)) !== false) return;
  throw mistake('/headers/sec-websocket-protocol', 'required', `must offer ${SUBPROTOCOL} together with the key`);
}

/**
 * The key among the offered subprotocols, as `batuta.bearer.<key>`. Browsers cannot set headers on a WebSocket, and a
 * key in the URL would appear in access logs, proxies and the browser's history.
 */
export function bearerOfProtocols(header: string | undefined): string | undefined {
  const offered = (header ?? '').split(',').map((protocol) => protocol.trim());
  const key = offered.find((protocol) => protocol.startsWith(KEY_SUBPROTOCOL))?.slice(KEY_SUBPROTOCOL.length);
  return key !== undefined && KEY.test(key) ? key : undefined;
}
