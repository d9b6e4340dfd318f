import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';

/** The fault for connections of one name. */
type Fault =
  | { readonly kind: 'silent' }
  | { readonly kind: 'refuse'; readonly message: string }
  | { readonly kind: 'deny'; readonly subject: string; readonly message: string };

interface Link {
  readonly client: Socket;
  readonly server: Socket;
  /** The name that the client has given; undefined until then. */
  name: string | undefined;
}

/** A proxy between clients and a nats-server. It breaks only connections with a certain name. */
export class NatsProxy {
  readonly #listener: Server;
  readonly #target: URL;
  readonly #faults = new Map<string, Fault>();
  readonly #links = new Set<Link>();
  #refused = 0;

  private constructor(listener: Server, target: URL) {
    this.#listener = listener;
    this.#target = target;
    listener.on('connection', (client) => this.#link(client));
  }

  /** Starts a proxy for the nats-server of a URL. */
  static async start(url: string): Promise<NatsProxy> {
    const listener = createServer();
    await new Promise<void>((resolve, reject) => {
      listener.once('error', reject);
      listener.listen(0, '127.0.0.1', resolve);
    });
    return new NatsProxy(listener, new URL(url));
  }

  /** The server's URL through this proxy. */
  get url(): string {
    const url = new URL(this.#target);
    url.port = String((this.#listener.address() as AddressInfo).port);
    return url.href;
  }

  /** Closes the connections of a name, and every new one. */
  cut(name: string): void {
    // A client that gets no answer after its greeting would try again only after 5 s.
    this.refuse(name, 'Authentication Timeout');
  }

  /** Closes the connections of a name. For every new one, the server seems to refuse it with this protocol message. */
  refuse(name: string, message: string): void {
    this.#faults.set(name, { kind: 'refuse', message });
    for (const link of this.#named(name)) end(link);
  }

  /** Lets nothing through on the connections of a name, although they stay open, as if a cable was pulled. */
  silence(name: string): void {
    this.#faults.set(name, { kind: 'silent' });
  }

  /** When a connection of a name subscribes to the subject, the server seems to answer with this message. */
  deny(name: string, subject: string, message: string): void {
    this.#faults.set(name, { kind: 'deny', subject, message });
  }

  /** Sends an error to the clients of a name, as the server would. */
  tell(name: string, message: string): void {
    for (const { client } of this.#named(name)) client.write(`-ERR '${message}'\r\n`);
  }

  /** Lets connections of this name through from now on. Connections that have lost data are closed. */
  heal(name: string): void {
    const silent = this.#faults.get(name)?.kind === 'silent';
    this.#faults.delete(name);
    if (silent) for (const link of this.#named(name)) end(link);
  }

  /** Number of connections that were refused so far. */
  get refusals(): number {
    return this.#refused;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#listener.close(() => resolve()));
    for (const link of this.#links) end(link);
    await closed;
  }

  #named(name: string): Link[] {
    return [...this.#links].filter((link) => link.name === name);
  }

  #link(client: Socket): void {
    const server = connect(Number(this.#target.port), this.#target.hostname);
    const link: Link = { client, server, name: undefined };
    this.#links.add(link);
    const ended = (): void => {
      this.#links.delete(link);
      end(link);
    };
    for (const socket of [client, server]) socket.on('error', ended).on('close', ended);
    server.on('data', (data) => {
      if (this.#faultOf(link)?.kind !== 'silent') client.write(data);
    });
    let greeting = '';
    client.on('data', (data) => {
      if (link.name === undefined) {
        greeting += data.toString('latin1');
        link.name = nameIn(greeting);
        if (link.name === undefined) return;
        data = Buffer.from(greeting, 'latin1');
      }
      const fault = this.#faultOf(link);
      if (fault?.kind === 'deny' && data.includes(`SUB ${fault.subject} `)) client.write(`-ERR '${fault.message}'\r\n`);
      if (fault === undefined || fault.kind === 'deny') {
        server.write(data);
      } else if (fault.kind === 'refuse') {
        this.#refused += 1;
        client.end(`-ERR '${fault.message}'\r\n`);
      }
    });
  }

  #faultOf({ name }: Link): Fault | undefined {
    return name === undefined ? undefined : this.#faults.get(name);
  }
}

function end({ client, server }: Link): void {
  client.destroy();
  server.destroy();
}

/**
 * The client's first line is `CONNECT {"name": …}`: https://docs.nats.io/reference/reference-protocols/nats-protocol.
 */
function nameIn(greeting: string): string | undefined {
  const [, json] = /^CONNECT (.*)\r\n/.exec(greeting) ?? [];
  return json === undefined ? undefined : ((JSON.parse(json) as { name?: string }).name ?? '');
}
