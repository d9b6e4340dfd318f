import type { StackLogger } from './logger.js';
import { isPortTaken } from './server-process.js';
import type { ServerProcess } from './server-process.js';

const PORT_ATTEMPTS = 3;

export interface LocalServerOptions {
  /** Directory that holds this server and nothing else; made when missing. */
  readonly home: string;
  /** Listen on this port of 127.0.0.1 or fail. Unless told: the port of the last run while it is free, else a free one. */
  readonly port?: number | undefined;
  readonly logFile?: string | undefined;
  readonly logger?: StackLogger | undefined;
  /** The server is thrown away: nothing needs to be kept, and its files go if this process is killed. */
  readonly ephemeral?: boolean | undefined;
  /** Recovery of what is stored counts. Milliseconds. */
  readonly startTimeoutMs?: number | undefined;
}

/** A server of this process that can be ended and started again. */
export interface Runs {
  /** Process id of the current run. */
  readonly pid: number;
  readonly running: boolean;
  /** Ends it as an administrator would: connections are cut, data is written. */
  stop(): Promise<void>;
  /** Ends it as a crash would. */
  kill(): Promise<void>;
  /** Starts it again on the same ports and data after `stop()` or `kill()`. */
  start(): Promise<void>;
  /** `stop()` and `start()`. */
  restart(): Promise<void>;
}

/** A server of this process, on 127.0.0.1. */
export interface LocalServer extends Runs {
  /** With user and password. */
  readonly url: string;
  readonly port: number;
  readonly logFile: string;
}

/** The runs of a server, of which the first is there already. */
export function runsOf(first: ServerProcess, launch: () => Promise<ServerProcess>): Runs {
  let current = first;
  return {
    get pid() {
      return current.pid;
    },
    get running() {
      return current.running;
    },
    stop: () => current.stop(),
    kill: () => current.kill(),
    async start() {
      if (!current.running) current = await launch();
    },
    async restart() {
      await current.stop();
      current = await launch();
    },
  };
}

/**
 * Launches a server on ports that were free a moment ago, and on `others` when somebody took them since. Rejects with what
 * `launch` says when that happens again and again, or for another reason.
 */
export async function launchOn<Ports>(
  ports: Ports,
  others: () => Promise<Ports>,
  launch: (ports: Ports) => Promise<ServerProcess>,
): Promise<{ readonly first: ServerProcess; readonly ports: Ports }> {
  let chosen = ports;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return { first: await launch(chosen), ports: chosen };
    } catch (error) {
      if (!isPortTaken(error) || attempt === PORT_ATTEMPTS) throw error;
      chosen = await others();
    }
  }
}
