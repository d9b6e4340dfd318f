import { createPrivateKey, createPublicKey, hash, sign, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

/** What a partition's links came to between two positions. Digests and links are in hex. */
export interface Checkpoint {
  readonly partition: number;
  /** The links of positions after this … */
  readonly afterPosition: number;
  /** … up to this one. */
  readonly position: number;
  /** Epoch ms. */
  readonly at: number;
  /** How many links there are. */
  readonly links: number;
  readonly root: string;
  /** Digest of the statement of the checkpoint before; empty for a partition's first. */
  readonly previous: string;
}

/** The text that is signed, a field a line. */
export function statementOf(checkpoint: Checkpoint): string {
  const { partition, afterPosition, position, at, links, root, previous } = checkpoint;
  return ['batuta-checkpoint-1', partition, afterPosition, position, at, links, root, previous].join('\n');
}

export interface MerkleLeaf {
  readonly position: number;
  readonly link: string;
}

/**
 * A digest with a character a byte. Each step of each execution is a leaf and a node, and this costs a fifth of what `Hash` objects and
 * buffers do.
 */
type Digest = string;

/** A neighbour on the way from a leaf to the root. */
export interface MerkleStep {
  readonly side: 'left' | 'right';
  readonly hash: string;
}

/** The root over links in the order of positions; leaves and nodes are told apart as in RFC 6962. */
export function merkleRoot(leaves: readonly MerkleLeaf[]): string {
  let level = leaves.map(leafHash);
  while (level.length > 1) level = above(level);
  return hexOf(level[0] ?? hash('sha256', '', 'binary'));
}

/** The neighbours between the leaf at `place` and the root. */
export function merklePath(leaves: readonly MerkleLeaf[], place: number): MerkleStep[] {
  const path: MerkleStep[] = [];
  let at = place;
  for (let level = leaves.map(leafHash); level.length > 1; level = above(level)) {
    const neighbour = level[at % 2 === 0 ? at + 1 : at - 1];
    // The last of an odd number goes up as it is.
    if (neighbour !== undefined) {
      path.push({ side: at % 2 === 0 ? 'right' : 'left', hash: hexOf(neighbour) });
    }
    at = Math.floor(at / 2);
  }
  return path;
}

function hexOf(digest: Digest): string {
  return Buffer.from(digest, 'latin1').toString('hex');
}

const DIGEST_BYTES = 32;
const UINT32 = 2 ** 32;
/** A byte that tells leaves from nodes, then the position in 8 bytes and the link, or both digests below. */
const leaf = Buffer.alloc(9 + DIGEST_BYTES);
const node = Buffer.alloc(1 + 2 * DIGEST_BYTES);
node[0] = 1;

function leafHash({ position, link }: MerkleLeaf): Digest {
  leaf.writeUInt32BE(Math.floor(position / UINT32), 1);
  leaf.writeUInt32BE(position % UINT32, 5);
  const written = leaf.write(link, 9, 'hex');
  if (written !== DIGEST_BYTES) throw new TypeError(`the link of position ${position} is no digest in hex`);
  return hash('sha256', leaf, 'binary');
}

function above(level: readonly Digest[]): Digest[] {
  const nodes: Digest[] = [];
  for (let index = 0; index < level.length; index += 2) {
    const [left, right] = [level[index], level[index + 1]];
    if (left === undefined) break;
    if (right === undefined) {
      nodes.push(left);
      continue;
    }
    node.write(left, 1, 'latin1');
    node.write(right, 1 + DIGEST_BYTES, 'latin1');
    nodes.push(hash('sha256', node, 'binary'));
  }
  return nodes;
}

const SEED_BYTES = 32;
/** What stands before the seed of an Ed25519 key in PKCS#8 (RFC 8410). */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');

/** Keys as a setting gives them: 32 bytes in base64 each, separated by commas; undefined when one is not that. */
export function sealKeysOf(text: string): readonly Buffer[] | undefined {
  const parts = text.split(',').map((part) => part.trim());
  const keys = parts.map((part) => Buffer.from(part, 'base64'));
  return keys.every((key, index) => key.length === SEED_BYTES && /^[A-Za-z0-9+/_-]{43}=?$/.test(parts[index] ?? ''))
    ? keys
    : undefined;
}

interface Key {
  readonly id: string;
  readonly secret: KeyObject;
  readonly shown: KeyObject;
  /** SPKI in PEM. */
  readonly pem: string;
}

/** The platform's Ed25519 keys: the first signs, the others are those from before. */
export class SealKeys {
  readonly #keys: readonly Key[];

  constructor(seeds: readonly Buffer[]) {
    this.#keys = seeds.map((seed) => {
      const secret = createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: 'der', type: 'pkcs8' });
      const shown = createPublicKey(secret);
      const pem = shown.export({ type: 'spki', format: 'pem' }).toString();
      return { id: hash('sha256', pem, 'hex').slice(0, 16), secret, shown, pem };
    });
  }

  /** Whether there is a key to sign with. */
  get canSign(): boolean {
    return this.#keys.length > 0;
  }

  /** The signature in hex, and which key made it. Throws without a key. */
  sign(statement: string): { readonly keyId: string; readonly signature: string } {
    const [key] = this.#keys;
    if (key === undefined) throw new Error('there is no key to sign with');
    return { keyId: key.id, signature: sign(null, Buffer.from(statement), key.secret).toString('hex') };
  }

  /** Whether the signature is that key's; undefined when the key is not among these. */
  holds(checkpoint: Checkpoint, keyId: string, signature: string): boolean | undefined {
    const key = this.#keys.find(({ id }) => id === keyId);
    if (key === undefined) return undefined;
    return verify(null, Buffer.from(statementOf(checkpoint)), key.shown, Buffer.from(signature, 'hex'));
  }

  /** The public key in PEM. */
  publicKey(keyId: string): string | undefined {
    return this.#keys.find(({ id }) => id === keyId)?.pem;
  }
}
