import type { StackLogger } from './logger.js';
import { isPortTaken } from './server-process.js';
import type { ServerProcess } from './server-process.js';

const PORT_ATTEMPTS = 3;

export interface LocalServerOptions {
  /** A directory for this server only. It is created when missing. */
  readonly home: string;
  /**
   * The port on 127.0.0.1; starting fails if it is taken. Default: the port of the last run if it is free, otherwise
   * another free port.
   */
  readonly port?: number | undefined;
  readonly logFile?: string | undefined;
  readonly logger?: StackLogger | undefined;
  /** The server is temporary: nothing needs to be kept, and its files are removed if this process is killed. */
  readonly ephemeral?: boolean | undefined;
  /** Milliseconds, including the recovery of stored data. */
  readonly startTimeoutMs?: number | undefined;
}

/** A server of this process that can be stopped and started again. */
interface Runs {
  /** Process id of the present run. */
  readonly pid: number;
  readonly running: boolean;
  /** Stops it as an administrator would: connections are closed and data are written. */
  stop(): Promise<void>;
  /** Ends it like a crash. */
  kill(): Promise<void>;
  /** Starts it again on the same ports and data, after `stop()` or `kill()`. */
  start(): Promise<void>;
  /** `stop()` and `start()`. */
  restart(): Promise<void>;
}

/** A server of this process on 127.0.0.1. */
export interface LocalServer extends Runs {
  /** Includes user and password. */
  readonly url: string;
  readonly port: number;
  readonly logFile: string;
}

/** The runs of a server. The first run has started already. */
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
 * Starts a server on ports that were free a moment ago. If they were taken since, it tries the ports that `others`
 * returns. Rejects with the error of `launch` when that fails repeatedly, or for another reason.
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
