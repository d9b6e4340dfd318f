import { Agent, request } from 'node:http';

/**
 * POSTs JSON over kept-alive connections: the leanest client Node has, so that little of the measured CPU is the client's.
 *
 * @param {number} port of the loopback interface
 */
export function httpClient(port) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1024 });
  return {
    /**
     * Rejects on a lost connection and on every status but 2xx.
     *
     * @param {string} path @param {unknown} body @param {Record<string, string>} [headers]
     * @returns {Promise<any>}
     */
    post(path, body, headers = {}) {
      const bytes = Buffer.from(JSON.stringify(body));
      return new Promise((resolve, reject) => {
        const sent = request(
          {
            agent,
            host: '127.0.0.1',
            port,
            path,
            method: 'POST',
            headers: { 'content-type': 'application/json', 'content-length': bytes.length, ...headers },
          },
          (response) => {
            /** @type {Buffer[]} */
            const chunks = [];
            response.on('data', (chunk) => chunks.push(chunk));
            response.once('error', reject);
            response.once('end', () => {
              const text = Buffer.concat(chunks).toString('utf8');
              const status = response.statusCode ?? 0;
              if (status < 200 || status > 299) reject(new Error(`${path} answered ${status}: ${text}`));
              else resolve(text === '' ? null : JSON.parse(text));
            });
            // A server that is killed in the middle of its answer ends without 'end'.
            response.once('aborted', () => reject(new Error(`${path}: answer cut off`)));
          },
        );
        sent.once('error', reject);
        sent.end(bytes);
      });
    },
  };
}
