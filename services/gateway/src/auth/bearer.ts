const KEY = /^[!-~]{8,256}$/;
const BEARER = /^Bearer +([!-~]{8,256}) *$/i;

/** The key of an `Authorization: Bearer <key>` header; undefined when there is none or it cannot be a key. */
export function bearerOf(authorization: string | undefined): string | undefined {
  return authorization === undefined ? undefined : BEARER.exec(authorization)?.[1];
}

/** Subprotocol that the gateway answers with, offered beside the one that carries the key. */
export const SUBPROTOCOL = 'batuta.v1';
const KEY_SUBPROTOCOL = 'batuta.bearer.';

/**
 * The key among the offered subprotocols, as `batuta.bearer.<key>`. Browsers cannot set headers on a WebSocket, and a key
 * in the URL would end up in access logs, proxies and the browser's history.
 */
export function bearerOfProtocols(header: string | undefined): string | undefined {
  const offered = (header ?? '').split(',').map((protocol) => protocol.trim());
  const key = offered.find((protocol) => protocol.startsWith(KEY_SUBPROTOCOL))?.slice(KEY_SUBPROTOCOL.length);
  return key !== undefined && KEY.test(key) ? key : undefined;
}
