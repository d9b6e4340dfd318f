import { mistake, Problem } from '../http/problem.js';

const KEY = /^[!-~]{8,256}$/;
const BEARER = /^Bearer +([!-~]{8,256}) *$/i;

/**
 * The key of an `Authorization: Bearer <key>` header; undefined when there is no such header.
 * @throws Problem unauthenticated, which says what is wrong, when the header has no key.
 */
export function bearerOf(authorization: string | undefined): string | undefined {
  if (authorization === undefined) return undefined;
  const key = BEARER.exec(authorization)?.[1];
  if (key !== undefined) return key;
  const [scheme = ''] = authorization.split(' ', 1);
  if (scheme.toLowerCase() === 'bearer') {
    throw new Problem(
      'unauthenticated',
      'What follows "Bearer" is no API key: a key has 8 to 256 visible ASCII characters.',
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

/** Subprotocol that the gateway answers with, offered beside the one that carries the key. */
export const SUBPROTOCOL = 'batuta.v1';
const KEY_SUBPROTOCOL = 'batuta.bearer.';

/** The subprotocol to answer with: never the one that is a key, which would stand in logs of answers. */
export function chosenProtocol(offered: ReadonlySet<string>): string | false {
  if (offered.has(SUBPROTOCOL)) return SUBPROTOCOL;
  return [...offered].find((protocol) => !protocol.startsWith(KEY_SUBPROTOCOL)) ?? false;
}

/**
 * A client that offers only its key has no subprotocol that could be chosen, and gives the connection up.
 * @throws Problem validation_failed, which says so before.
 */
export function requireSubprotocol(header: string | undefined): void {
  const offered = (header ?? '').split(',').map((protocol) => protocol.trim());
  if (!offered[0]?.startsWith(KEY_SUBPROTOCOL) || chosenProtocol(new Set(offered)) !== false) return;
  throw mistake('/headers/sec-websocket-protocol', 'required', `must offer ${SUBPROTOCOL} beside the key`);
}

/**
 * The key among the offered subprotocols, as `batuta.bearer.<key>`. Browsers cannot set headers on a WebSocket, and a key
 * in the URL would end up in access logs, proxies and the browser's history.
 */
export function bearerOfProtocols(header: string | undefined): string | undefined {
  const offered = (header ?? '').split(',').map((protocol) => protocol.trim());
  const key = offered.find((protocol) => protocol.startsWith(KEY_SUBPROTOCOL))?.slice(KEY_SUBPROTOCOL.length);
  return key !== undefined && KEY.test(key) ? key : undefined;
}
