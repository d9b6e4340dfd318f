import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { freePort } from '../harness/processes.mjs';

/**
 * BullMQ on Redis that syncs its append-only file before it answers.
 *
 * @param {'flow' | 'single'} mode how an execution is written: a flow of one job a step, or one job that saves after each step
 * @returns {import('../run.mjs').Peer}
 */
export function bullmq(mode) {
  return {
    name: mode === 'flow' ? 'bullmq' : 'bullmq-single',
    server: 'redis-server',
    worker: 'bullmq/worker.mjs',
    client: 'bullmq/client.mjs',
    works: mode === 'flow' ? ['W1', 'W2', 'W3', 'W4', 'W5'] : ['W1', 'W2', 'W4', 'W5'],

    versions() {
      const { version } = JSON.parse(
        readFileSync(new URL('../node_modules/bullmq/package.json', import.meta.url), 'utf8'),
      );
      const redis = spawnSync('redis-server', ['--version'], { encoding: 'utf8' });
      if (redis.status !== 0) throw new Error('redis-server is missing: apt-get install redis-server');
      return { peer_version: version, server_version: `redis ${/v=(\S+)/.exec(redis.stdout)?.[1]}` };
    },

    async prepare() {
      const port = await freePort();
      return { mode, entry_port: port };
    },

    serverCommand({ entry_port: port }, dir) {
      const options = {
        bind: '127.0.0.1',
        port,
        dir,
        appendonly: 'yes',
        appendfsync: 'always',
        // The append-only file is the store. Snapshots in addition would only cost time.
        save: '',
        'maxmemory-policy': 'noeviction',
      };
      return ['redis-server', ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)])];
    },
  };
}
