import { chmodSync, chownSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unprivilegedUser } from './processes.mjs';

/** One peer's server, worker and client, with its own store in a temporary directory. */
export class Deployment {
  #processes;
  #peer;
  /** @type {any} */
  #settings;
  #halting = false;
  /** Number of times that the worker ended by itself and was restarted. */
  workerCrashes = 0;

  /**
   * @param {import('./processes.mjs').Processes} processes @param {import('../run.mjs').Peer} peer
   * @param {Record<string, number>} tuning worker settings
   */
  constructor(processes, peer, tuning) {
    this.#processes = processes;
    this.#peer = peer;
    this.directory = mkdtempSync(join(tmpdir(), `batuta-peer-${peer.name}-`));
    this.ledger = join(this.directory, 'ledger');
    this.#settings = { ...tuning, ledger: this.ledger, client: peer.client };
    const user = unprivilegedUser();
    if (user !== undefined) chownSync(this.directory, user, user);
    chmodSync(this.directory, 0o755);
  }

  /** Creates what must exist before the server's first launch (an empty database cluster) and chooses the ports. */
  async prepare() {
    this.#settings = { ...this.#settings, ...(await this.#peer.prepare(this.directory)) };
  }

  /** Starts the client, which connects as soon as something listens. In W4 it exists before the launch. */
  async startClient() {
    this.client = this.#processes.node('client', 'harness/client.mjs', this.#options('client'));
    await this.client.call('ready');
  }

  /** Starts server and worker at the same time. Each waits for its dependencies. */
  launch() {
    this.#halting = false;
    this.startServer();
    this.startWorker(false);
  }

  startServer() {
    const log = join(this.directory, `${this.#peer.server}.log`);
    const env = { ...process.env, ...this.#peer.serverEnvironment?.(this.#settings) };
    const command = this.#peer.serverCommand(this.#settings, this.directory);
    const unprivileged = this.#peer.server === 'postgres';
    this.server = this.#processes.server(this.#peer.server, command, { cwd: this.directory, log, env, unprivileged });
  }

  /** @param {boolean} restarted */
  startWorker(restarted) {
    const { settings, ...options } = this.#options('worker');
    const worker = this.#processes.node('worker', this.#peer.worker, {
      ...options,
      settings: { ...settings, restarted },
    });
    this.worker = worker;
    // Like any supervisor, because some workers end when their server is killed.
    void worker.ended.then(() => {
      if (this.#halting || this.worker !== worker) return;
      this.workerCrashes += 1;
      this.startWorker(true);
    });
  }

  /** @param {string} name */
  #options(name) {
    return { cwd: this.directory, log: join(this.directory, `${name}.log`), settings: this.#settings };
  }

  /** Kills the worker or the server with SIGKILL, children included, and starts it again at once. @param {'worker' | 'server'} part */
  async killAndRestart(part) {
    if (part === 'worker') {
      const { worker } = this;
      this.worker = undefined; // so that its end is not taken for a crash
      await worker?.kill();
      this.startWorker(true);
    } else {
      await this.server?.kill();
      this.startServer();
    }
  }

  /** Stops client, worker and server in order, and keeps the store. */
  async halt() {
    this.#halting = true;
    await this.client?.stop();
    await this.worker?.stop();
    await this.server?.stop(10_000);
  }

  /** Ends everything and removes the store. */
  async remove() {
    await this.halt();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** The last lines of the logs of server, worker and client, to find the cause of a failure. */
  logTails() {
    const logs = readdirSync(this.directory).filter((name) => name.endsWith('.log'));
    return logs.map((name) => {
      const lines = readFileSync(join(this.directory, name), 'utf8').trimEnd().split('\n');
      return `--- ${name}\n${lines.slice(-20).join('\n')}`;
    });
  }

  /** name → pid of what runs now */
  get pids() {
    const children = [this.server, this.worker, this.client];
    return Object.fromEntries(children.flatMap((child) => (child?.running ? [[child.name, child.pid]] : [])));
  }
}
