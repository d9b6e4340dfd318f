import { createPrivateKey, createPublicKey, hash, sign, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

/** Summary of a partition's links between two positions. Digests and links are in hex. */
export interface Checkpoint {
  readonly partition: number;
  /** The checkpoint covers the links of positions after this one … */
  readonly afterPosition: number;
  /** … up to and including this one. */
  readonly position: number;
  /** Epoch ms. */
  readonly at: number;
  /** Number of links. */
  readonly links: number;
  readonly root: string;
  /** Digest of the previous checkpoint's statement; empty for a partition's first checkpoint. */
  readonly previous: string;
}

/** The text that is signed, one field per line. */
export function statementOf(checkpoint: Checkpoint): string {
  const { partition, afterPosition, position, at, links, root, previous } = checkpoint;
  return ['batuta-checkpoint-1', partition, afterPosition, position, at, links, root, previous].join('\n');
}

interface MerkleLeaf {
  readonly position: number;
  readonly link: string;
}

/**
 * A digest as a string with one character per byte. Each event is a leaf and a node, and strings cost a fifth of `Hash`
 * objects and buffers.
 */
type Digest = string;

/** A sibling on the path from a leaf to the root. */
export interface MerkleStep {
  readonly side: 'left' | 'right';
  readonly hash: string;
}

/**
 * The Merkle root of links in the order of their positions. Leaves and nodes are hashed differently, as in RFC 6962.
 */
export function merkleRoot(leaves: readonly MerkleLeaf[]): string {
  let level = leaves.map(leafHash);
  while (level.length > 1) level = above(level);
  return hexOf(level[0] ?? hash('sha256', '', 'binary'));
}

/** The siblings on the path from the leaf at `place` to the root. */
export function merklePath(leaves: readonly MerkleLeaf[], place: number): MerkleStep[] {
  const path: MerkleStep[] = [];
  let at = place;
  for (let level = leaves.map(leafHash); level.length > 1; level = above(level)) {
    const neighbour = level[at % 2 === 0 ? at + 1 : at - 1];
    // The last of an odd number has no sibling and moves up unchanged.
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
/**
 * Input of the hash. The first byte distinguishes leaves from nodes. Then a leaf has its position in 8 bytes and its
 * link; a node has the two digests below it.
 */
const leaf = Buffer.alloc(9 + DIGEST_BYTES);
const node = Buffer.alloc(1 + 2 * DIGEST_BYTES);
node[0] = 1;

function leafHash({ position, link }: MerkleLeaf): Digest {
  leaf.writeUInt32BE(Math.floor(position / UINT32), 1);
  leaf.writeUInt32BE(position % UINT32, 5);
  const written = leaf.write(link, 9, 'hex');
  if (written !== DIGEST_BYTES) throw new TypeError(`the link of position ${position} is not a digest in hex`);
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
/** The bytes before the seed of an Ed25519 key in PKCS#8 (RFC 8410). */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');

/**
 * Parses keys from a setting: 32 bytes in base64 each, separated by commas. Undefined when one of them is malformed.
 */
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

/** The platform's Ed25519 keys. The first one signs; the others verify older signatures. */
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

  /** Returns the signature in hex and the id of its key. Throws when there is no key. */
  sign(statement: string): { readonly keyId: string; readonly signature: string } {
    const [key] = this.#keys;
    if (key === undefined) throw new Error('there is no key to sign with');
    return { keyId: key.id, signature: sign(null, Buffer.from(statement), key.secret).toString('hex') };
  }

  /** Whether the signature is valid for that key; undefined when the key is not one of these. */
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
