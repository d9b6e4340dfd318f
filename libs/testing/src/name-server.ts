import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';

/** The records of a name. `silent`: queries for it get no answer. */
export type NameRecords = 'silent' | { readonly a?: readonly string[]; readonly ttl?: number };

const A = 1;
const HEADER_BYTES = 12;
const NO_ERROR = 0x8180;
const NO_SUCH_NAME = 0x8183;

/** A DNS server on loopback (RFC 1035) whose answers the test decides. An unknown name does not exist. */
export class NameServer {
  readonly #recordsOf: (name: string) => NameRecords | undefined;
  /** Every query, as `A name` or `other name`. */
  readonly questions: string[] = [];
  readonly #socket: Socket = createSocket('udp4');

  constructor(recordsOf: (name: string) => NameRecords | undefined) {
    this.#recordsOf = recordsOf;
  }

  /** Resolves with its address and port. */
  async start(): Promise<string> {
    this.#socket.on('message', (question, from) => {
      const answer = this.#answer(question);
      if (answer !== undefined) this.#socket.send(answer, from.port, from.address);
    });
    await new Promise<void>((resolve) => this.#socket.bind(0, '127.0.0.1', resolve));
    return `127.0.0.1:${this.#socket.address().port}`;
  }

  stop(): Promise<void> {
    return new Promise((resolve) => this.#socket.close(resolve));
  }

  #answer(packet: Buffer): Buffer | undefined {
    const labels: string[] = [];
    let at = HEADER_BYTES;
    for (let length = packet[at] ?? 0; length > 0; length = packet[at] ?? 0) {
      labels.push(packet.toString('latin1', at + 1, at + 1 + length));
      at += 1 + length;
    }
    const type = packet.readUInt16BE(at + 1);
    const question = packet.subarray(HEADER_BYTES, at + 5);
    // A client may write a name in any case.
    const name = labels.join('.').toLowerCase();
    this.questions.push(`${type === A ? 'A' : 'other'} ${name}`);
    const records = this.#recordsOf(name);
    if (records === 'silent') return undefined;
    const addresses = type === A ? (records?.a ?? []) : [];
    const header = Buffer.alloc(HEADER_BYTES);
    packet.copy(header, 0, 0, 2);
    header.writeUInt16BE(records === undefined ? NO_SUCH_NAME : NO_ERROR, 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(addresses.length, 6);
    const answers = addresses.map((address) => {
      const record = Buffer.alloc(16);
      // A pointer to the name in the question.
      record.writeUInt16BE(0xc00c, 0);
      record.writeUInt16BE(A, 2);
      record.writeUInt16BE(1, 4);
      record.writeUInt32BE(records?.ttl ?? 60, 6);
      record.writeUInt16BE(4, 10);
      record.set(address.split('.').map(Number), 12);
      return record;
    });
    return Buffer.concat([header, question, ...answers]);
  }
}
