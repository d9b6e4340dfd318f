import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { freePort } from '../harness/processes.mjs';

const { resolve } = createRequire(import.meta.url);
const PLATFORM_PACKAGE = `@restatedev/restate-server-${process.platform}-${process.arch}`;
const BIN = join(dirname(resolve(`${PLATFORM_PACKAGE}/package.json`)), 'bin', 'restate-server');

/** A single Restate server. Its log is synced before it acknowledges (RocksDB syncs its WAL by default). */
/** @type {import('../run.mjs').Peer} */
export const restate = {
  name: 'restate',
  server: 'restate-server',
  worker: 'restate/worker.mjs',
  client: 'restate/client.mjs',
  works: ['W1', 'W2', 'W3', 'W4', 'W5'],

  versions() {
    const server = spawnSync(BIN, ['--version'], { encoding: 'utf8' });
    const sdk = new URL('../node_modules/@restatedev/restate-sdk/package.json', import.meta.url);
    return {
      peer_version: JSON.parse(readFileSync(sdk, 'utf8')).version,
      server_version: server.stdout.trim(),
    };
  },

  async prepare() {
    const [ingress, admin, node, worker] = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
    return { entry_port: ingress, admin_port: admin, node_port: node, worker_port: worker };
  },

  serverCommand(_settings, dir) {
    return [BIN, '--no-logo', '--base-dir', join(dir, 'data')];
  },

  serverEnvironment({ entry_port: ingress, admin_port: admin, node_port: node, partitions }) {
    return {
      RESTATE_LISTEN_MODE: 'tcp',
      RESTATE_NODE_NAME: 'bench',
      RESTATE_BIND_ADDRESS: `127.0.0.1:${node}`,
      RESTATE_ADVERTISED_ADDRESS: `http://127.0.0.1:${node}`,
      RESTATE_INGRESS__BIND_ADDRESS: `127.0.0.1:${ingress}`,
      RESTATE_INGRESS__ADVERTISED_ADDRESS: `http://127.0.0.1:${ingress}`,
      RESTATE_ADMIN__BIND_ADDRESS: `127.0.0.1:${admin}`,
      RESTATE_ADMIN__ADVERTISED_ADDRESS: `http://127.0.0.1:${admin}`,
      RESTATE_DEFAULT_NUM_PARTITIONS: String(partitions),
      RESTATE_DISABLE_TELEMETRY: 'true',
      RESTATE_LOG_FILTER: 'warn',
      RESTATE_LOG_DISABLE_ANSI_CODES: 'true',
    };
  },
};
