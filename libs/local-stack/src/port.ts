import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';

interface PortRange {
  /** The first one. */
  readonly from: number;
  /** The last one. */
  readonly to: number;
}

/** Above the ports that `fetch` refuses ("bad port" of the Fetch standard) and above most servers' default ports. */
const LOWEST = 20_000;
const HIGHEST = 65_535;
/** With so many ports, processes that choose at random seldom choose the same one. */
const ENOUGH = 1_000;
const ATTEMPTS = 200;
/** The range from which the kernel takes the port of an outgoing connection by default: RFC 6335, section 6. */
const DYNAMIC: PortRange = { from: 49_152, to: HIGHEST };

/** Sockets that claim the ports which this process has chosen, until it ends. */
const claims = new Map<number, Socket>();

let range: PortRange | undefined;

/**
 * Returns a TCP port of 127.0.0.1 on which nothing listens. It belongs to this process: until the process ends, no
 * other call of this function on the machine returns it, and no outgoing connection uses it. Throws when there is no
 * such port.
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
 * Returns `preferred` if nothing listens on it and no other process has chosen it, otherwise a free port. A port that
 * this process has chosen before is available to it again, so a restarted server keeps its port.
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
 * The range in which ports are chosen. It lies outside of `ephemeral`, from which the kernel takes the ports of
 * outgoing connections, at any time between the choice of a port and its use.
 */
export function portRange(ephemeral: PortRange): PortRange {
  const below = { from: LOWEST, to: ephemeral.from - 1 };
  const above = { from: Math.max(LOWEST, ephemeral.to + 1), to: HIGHEST };
  const size = ({ from, to }: PortRange): number => to - from + 1;
  if (size(below) >= ENOUGH) return below;
  if (size(above) >= ENOUGH) return above;
  // The kernel reserves nearly all ports for itself. Claims still keep processes from choosing the same one.
  return { from: LOWEST, to: HIGHEST };
}

/** Linux reports the range (ip_local_port_range of ip(7)). Other systems use the dynamic ports. */
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

/** Why nothing can listen on a port of 127.0.0.1: EADDRINUSE or EACCES. Undefined when it is free. */
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
 * Claims a port for the life of this process with the UDP port of the same number, which nothing else here uses. Other
 * processes notice the claim, a killed process leaves nothing behind, and the TCP port stays free for its server.
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

/** Another process has the port, or the system reserves it (Windows, ports below 1024). */
function isTaken(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'EADDRINUSE' || code === 'EACCES';
}
