import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';

export interface PortRange {
  /** The first one. */
  readonly from: number;
  /** The last one. */
  readonly to: number;
}

/** Above what `fetch` refuses to speak to ("bad port" of the Fetch standard) and what most servers have by default. */
const LOWEST = 20_000;
const HIGHEST = 65_535;
/** So many that those who choose at random seldom choose the same. */
const ENOUGH = 1_000;
const ATTEMPTS = 200;
/** Where the kernel takes the port of an outgoing connection from, unless it says: RFC 6335, section 6. */
const DYNAMIC: PortRange = { from: 49_152, to: HIGHEST };

/** What claims the ports that this process has chosen, until it ends. */
const claims = new Map<number, Socket>();

let range: PortRange | undefined;

/**
 * A TCP port of 127.0.0.1 that nothing listens on and that nobody else is given while this process lives: no other call of
 * this function in any process of the machine gives it, and no outgoing connection takes it. Throws when there is none.
 */
export async function freePort(): Promise<number> {
  range ??= portRange(ephemeralPorts());
  let refusal: unknown;
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const port = randomInt(range.from, range.to + 1);
    if (claims.has(port)) continue;
    try {
      await take(port);
      return port;
    } catch (error) {
      if (!isTaken(error)) throw error;
      refusal = error;
    }
  }
  throw new Error(`No port between ${range.from} and ${range.to} of 127.0.0.1 is free.`, { cause: refusal });
}

/**
 * `preferred` while nothing listens on it and no other process has chosen it, else a free port. A port that this process
 * has chosen before is its own: a server that starts again gets it again.
 */
export async function portOr(preferred: number | undefined): Promise<number> {
  if (preferred === undefined) return await freePort();
  try {
    await take(preferred);
    return preferred;
  } catch (error) {
    if (!isTaken(error)) throw error;
    return await freePort();
  }
}

/**
 * Where ports are chosen: outside the range `ephemeral`, from which the kernel takes a port for each outgoing connection,
 * also between the choice of a port and its use.
 */
export function portRange(ephemeral: PortRange): PortRange {
  const below = { from: LOWEST, to: ephemeral.from - 1 };
  const above = { from: Math.max(LOWEST, ephemeral.to + 1), to: HIGHEST };
  const size = ({ from, to }: PortRange): number => to - from + 1;
  if (size(below) >= ENOUGH) return below;
  if (size(above) >= ENOUGH) return above;
  // The kernel keeps nearly all for itself: claims still keep apart those who choose.
  return { from: LOWEST, to: HIGHEST };
}

/** Linux says it (ip_local_port_range of ip(7)); the others keep to the dynamic ports. */
function ephemeralPorts(): PortRange {
  let text: string;
  try {
    text = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8');
  } catch {
    return DYNAMIC;
  }
  const [from, to] = text.trim().split(/\s+/).map(Number);
  return Number.isInteger(from) && Number.isInteger(to) ? { from: from!, to: to! } : DYNAMIC;
}

/** Why nothing of ours can listen on a port of 127.0.0.1: EADDRINUSE, EACCES; undefined when something can. */
export async function whyNotFree(port: number): Promise<string | undefined> {
  try {
    await listenOnce(port);
    return undefined;
  } catch (error) {
    if (!isTaken(error)) throw error;
    return (error as NodeJS.ErrnoException).code;
  }
}

async function take(port: number): Promise<void> {
  if (claims.has(port)) return await listenOnce(port);
  const claim = await claimOf(port);
  try {
    await listenOnce(port);
  } catch (error) {
    claim.close();
    throw error;
  }
  claims.set(port, claim);
}

/**
 * Claims a port for the life of this process by the UDP port of the same number, which nothing else here uses. Other
 * processes see that, a process that was killed leaves nothing behind, and the TCP port stays free for whom it is meant.
 */
function claimOf(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4');
    socket.once('error', (error) => {
      socket.close();
      reject(error);
    });
    socket.bind({ port, address: '127.0.0.1', exclusive: true }, () => {
      socket.unref();
      resolve(socket);
    });
  });
}

function listenOnce(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      server.close((error) => (error === undefined ? resolve() : reject(error)));
    });
  });
}

/** Somebody has the port, or the system keeps it for something (Windows, ports below 1024). */
function isTaken(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'EADDRINUSE' || code === 'EACCES';
}
