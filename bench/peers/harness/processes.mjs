import { spawn, spawnSync } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { connect, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { treePids } from './measure.mjs';
import { pause } from './workload.mjs';

const NOBODY = 65534;
const setpriv = process.platform === 'linux' && spawnSync('setpriv', ['--version']).status === 0;

/** A TCP port of the loopback interface that nobody listens on now. @returns {Promise<number>} */
export function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => {
        if (address === null || typeof address === 'string') reject(new Error('no TCP address'));
        else resolve(address.port);
      });
    });
  });
}

/** Resolves as soon as something listens on `port` of the loopback interface. @param {number} port */
export async function listening(port) {
  const accepts = () =>
    new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
      socket.once('close', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
  while (!(await accepts())) await pause(5);
}

/** The user a server runs as that refuses root; undefined when we are not root. @returns {number | undefined} */
export function unprivilegedUser() {
  return process.getuid?.() === 0 ? NOBODY : undefined;
}

/**
 * The command line that runs `command` as an unprivileged user when we are root, and that dies with us even when we are
 * killed without a chance to clean up (Linux, `setpriv` of util-linux; else only an orderly end stops it).
 *
 * @param {string[]} command @param {{ unprivileged?: boolean }} [options]
 */
export function guarded(command, options = {}) {
  const user = options.unprivileged ? unprivilegedUser() : undefined;
  if (!setpriv) {
    if (user !== undefined) {
      throw new Error('running as root needs setpriv (util-linux), since PostgreSQL refuses root');
    }
    return command;
  }
  const identity = user === undefined ? [] : [`--reuid=${user}`, `--regid=${user}`, '--clear-groups'];
  return ['setpriv', '--pdeathsig=KILL', ...identity, '--', ...command];
}

/** Starts processes and keeps track of those that still run. */
export class Processes {
  /** @type {Set<Child>} */
  #running = new Set();
  #stopping = false;

  /**
   * Starts a server, its output appended to `log`.
   *
   * @param {string} name @param {string[]} command
   * @param {{ cwd: string, log: string, env?: NodeJS.ProcessEnv, unprivileged?: boolean }} options
   */
  server(name, command, options) {
    const [file, ...args] = guarded(command, options);
    return this.#start(name, /** @type {string} */ (file), args, options, false);
  }

  /**
   * Starts a Node process of this package with an IPC channel; it ends itself when the channel closes.
   *
   * @param {string} name @param {string} module path of the module, relative to this package
   * @param {{ cwd: string, log: string, settings: object }} options `settings` reach it as JSON in `PEER_SETTINGS`
   */
  node(name, module, options) {
    const path = fileURLToPath(new URL(`../${module}`, import.meta.url));
    const [file, ...args] = guarded([process.execPath, path]);
    const env = { ...process.env, NODE_ENV: 'production', PEER_SETTINGS: JSON.stringify(options.settings) };
    return this.#start(name, /** @type {string} */ (file), args, { ...options, env }, true);
  }

  /**
   * @param {string} name @param {string} file @param {string[]} args
   * @param {{ cwd: string, log: string, env?: NodeJS.ProcessEnv }} options @param {boolean} ipc
   */
  #start(name, file, args, options, ipc) {
    if (this.#stopping) throw new Error('stopping');
    const process_ = spawn(file, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      // Its own process group: Ctrl-C reaches only this process, which then stops the others in order.
      detached: true,
      stdio: ipc ? ['ignore', 'pipe', 'pipe', 'ipc'] : ['ignore', 'pipe', 'pipe'],
    });
    const child = new Child(name, process_);
    this.#running.add(child);
    void child.ended.then(() => this.#running.delete(child));
    const log = createWriteStream(options.log, { flags: 'a' });
    process_.stdout?.pipe(log, { end: false });
    process_.stderr?.pipe(log, { end: false });
    process_.once('close', () => log.end());
    return child;
  }

  /** Stops all running processes, newest first, each with `SIGTERM`, and with `SIGKILL` after `graceMs`. */
  async stopAll(graceMs = 3000) {
    this.#stopping = true;
    for (const child of [...this.#running].reverse()) await child.stop(graceMs);
  }
}

/** One started process. */
export class Child {
  /** @param {string} name @param {import('node:child_process').ChildProcess} process_ */
  constructor(name, process_) {
    this.name = name;
    this.process = process_;
    /** @type {Promise<string>} settles with the exit code or signal */
    this.ended = new Promise((resolve) => {
      process_.once('exit', (code, signal) => resolve(String(signal ?? code)));
      process_.once('error', (error) => resolve(error.message));
    });
  }

  get pid() {
    if (this.process.pid === undefined) throw new Error(`${this.name} did not start`);
    return this.process.pid;
  }

  get running() {
    return this.process.pid !== undefined && this.process.exitCode === null && this.process.signalCode === null;
  }

  /** Sends `SIGKILL` to the process and all its children, and waits for its end. */
  async kill() {
    this.#signalTree('SIGKILL');
    await this.ended;
  }

  /** Ends the process, by force after `graceMs`. @param {number} graceMs */
  async stop(graceMs = 3000) {
    if (!this.running) return;
    // PostgreSQL: SIGINT is the fast shutdown, SIGTERM waits for its clients.
    this.process.kill(this.name === 'postgres' ? 'SIGINT' : 'SIGTERM');
    const timer = setTimeout(() => this.#signalTree('SIGKILL'), graceMs);
    await this.ended;
    clearTimeout(timer);
  }

  /**
   * Sends a command over IPC and resolves with its answer; rejects when the command failed or the process ended first.
   *
   * @param {string} name @param {object} [input] @returns {Promise<any>}
   */
  call(name, input = {}) {
    return new Promise((resolve, reject) => {
      /** @param {any} message */
      const answered = (message) => {
        if (message.answer_to !== name) return;
        this.process.off('message', answered);
        if ('error' in message) reject(new Error(`${this.name}: ${message.error}`));
        else resolve(message.result);
      };
      this.process.on('message', answered);
      void this.ended.then((how) => reject(new Error(`${this.name} ended (${how})`)));
      this.process.send({ command: name, input }, (error) => {
        if (error) reject(error);
      });
    });
  }

  // By process id and not by process group, because every PostgreSQL backend has its own session.
  /** @param {NodeJS.Signals} signal */
  #signalTree(signal) {
    if (!this.running) return;
    for (const pid of treePids(this.pid)) {
      try {
        process.kill(pid, signal);
      } catch (error) {
        // It ended between the listing and the signal.
        if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'ESRCH') throw error;
      }
    }
  }
}

/**
 * Answers the commands of the harness in a worker or client process.
 *
 * @param {Record<string, (input: any) => Promise<unknown>>} commands
 */
export function answerCommands(commands) {
  const answer = async (/** @type {{ command: string, input: unknown }} */ message) => {
    const command = commands[message.command];
    try {
      if (command === undefined) throw new Error(`unknown command ${message.command}`);
      reply({ answer_to: message.command, result: (await command(message.input)) ?? null });
    } catch (error) {
      reply({
        answer_to: message.command,
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
    }
  };
  process.on('message', (/** @type {{ command: string, input: unknown }} */ message) => void answer(message));
  process.once('disconnect', () => process.exit(0));
}

/** @param {object} message */
function reply(message) {
  process.send?.(message, undefined, undefined, (error) => {
    // The harness has ended.
    if (error) process.exit(1);
  });
}

/** The settings the harness started this process with. @returns {any} */
export function settings() {
  return JSON.parse(process.env.PEER_SETTINGS ?? '{}');
}
