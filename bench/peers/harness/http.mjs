import { Client } from 'undici';

/**
 * POSTs JSON over kept-alive connections with one request at a time on each, as the client of Batuta does
 * (bench/src/http-client.ts): what differs is the server's.
 *
 * @param {number} port of the loopback interface
 */
export function httpClient(port) {
  const options = { pipelining: 1, headersTimeout: 0, bodyTimeout: 0 };
  /** @type {Client[]} */
  const idle = [];
  return {
    /**
     * Rejects on a lost connection and on every status but 2xx.
     *
     * @param {string} path @param {unknown} body @param {Record<string, string>} [headers]
     * @returns {Promise<any>}
     */
    post(path, body, headers = {}) {
      const client = idle.pop() ?? new Client(`http://127.0.0.1:${port}`, options);
      return new Promise((resolve, reject) => {
        let status = 0;
        /** @type {Buffer[]} */
        const chunks = [];
        client.dispatch(
          {
            path,
            method: 'POST',
            headers: ['content-type', 'application/json', ...Object.entries(headers).flat()],
            body: JSON.stringify(body),
          },
          {
            onRequestStart: () => undefined,
            onResponseStart: (_controller, code) => {
              status = code;
            },
            onResponseData: (_controller, chunk) => {
              chunks.push(chunk);
            },
            onResponseEnd: () => {
              idle.push(client);
              const text = (chunks.length === 1 ? chunks[0] : Buffer.concat(chunks))?.toString('utf8') ?? '';
              if (status < 200 || status > 299) return reject(new Error(`${path} answered ${status}: ${text}`));
              try {
                resolve(text === '' ? null : JSON.parse(text));
              } catch (error) {
                reject(error);
              }
            },
            // Also called for an answer that was cut off because its server was killed.
            onResponseError: (_controller, error) => {
              idle.push(client);
              reject(error);
            },
          },
        );
      });
    },
  };
}
