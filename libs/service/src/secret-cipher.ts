import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';

const KEY_BYTES = 32;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const KEY = /^[A-Za-z0-9+/]{43}=$/;
/** `enc1.<key id>.<Base64url of nonce, ciphertext and tag>`. */
const SEALED = /^enc1\.([0-9a-f]{16})\.([A-Za-z0-9_-]+)$/;

/** The secret's key is not among the configured keys, or somebody has changed the encrypted text. */
export class SecretCipherError extends Error {
  override readonly name = 'SecretCipherError';
}

/**
 * Parses a comma-separated list of keys with 32 bytes in Base64 each. Undefined when a key is malformed or the list is
 * empty.
 */
export function encryptionKeysOf(text: string): readonly Buffer[] | undefined {
  const keys = text.split(',').map((each) => each.trim());
  return keys.every((key) => KEY.test(key)) ? keys.map((key) => Buffer.from(key, 'base64')) : undefined;
}

interface SecretCipherOptions {
  /** The name of the setting with the keys, for error messages. */
  readonly variable: string;
  /** The prefix of secrets that may be stored unencrypted. Default: no secret may. */
  readonly clearPrefix?: string;
}

/**
 * Encrypts secrets at rest: AES-256-GCM (NIST SP 800-38D) with a random nonce each. The first key encrypts; all keys
 * decrypt. A secret is bound to its place, so that it cannot be moved to another one. Without keys, secrets are stored
 * unencrypted.
 */
export class SecretCipher {
  readonly #options: SecretCipherOptions;
  readonly #keys: ReadonlyMap<string, Buffer>;
  readonly #current: string | undefined;

  /** Throws a RangeError when a key does not have 32 bytes. */
  constructor(keys: readonly Buffer[], options: SecretCipherOptions) {
    this.#options = options;
    if (keys.some((key) => key.length !== KEY_BYTES)) throw new RangeError(`a key has ${KEY_BYTES} bytes`);
    const named = keys.map((key) => [idOf(key), key] as const);
    this.#keys = new Map(named);
    this.#current = named[0]?.[0];
  }

  /** Whether a text has the form that `seal` produces. No other text in the same column may have this form. */
  static isSealed(stored: string): boolean {
    return SEALED.test(stored);
  }

  get enabled(): boolean {
    return this.#current !== undefined;
  }

  /** The beginning of everything that is stored under the first key; undefined without keys. */
  get currentPrefix(): string | undefined {
    return this.#current === undefined ? undefined : `enc1.${this.#current}.`;
  }

  /** Whether a stored secret has the form in which it would be stored now. */
  isCurrent(stored: string): boolean {
    return SEALED.exec(stored)?.[1] === this.#current;
  }

  seal(secret: string, place: string): string {
    const id = this.#current;
    const key = id === undefined ? undefined : this.#keys.get(id);
    if (key === undefined) return secret;
    const nonce = randomBytes(IV_BYTES);
    const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(Buffer.from(place));
    const sealed = Buffer.concat([nonce, cipher.update(secret, 'utf8'), cipher.final(), cipher.getAuthTag()]);
    return `enc1.${id}.${sealed.toString('base64url')}`;
  }

  /** The secret in clear text, also when it was stored unencrypted. Throws a `SecretCipherError`. */
  open(stored: string, place: string): string {
    const { variable, clearPrefix } = this.#options;
    if (clearPrefix !== undefined && stored.startsWith(clearPrefix)) return stored;
    const [, id = '', text = ''] = SEALED.exec(stored) ?? [];
    const key = this.#keys.get(id);
    if (key === undefined) {
      throw new SecretCipherError(`a secret is encrypted with a key that is not among ${variable}`);
    }
    const sealed = Buffer.from(text, 'base64url');
    try {
      const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES });
      decipher.setAAD(Buffer.from(place));
      decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
      const secret = decipher.update(sealed.subarray(IV_BYTES, -TAG_BYTES));
      return Buffer.concat([secret, decipher.final()]).toString('utf8');
    } catch (error) {
      throw new SecretCipherError('a secret was changed in the database, or put in the place of another', {
        cause: error,
      });
    }
  }
}

/** Identifies the key without revealing anything about it. */
const idOf = (key: Buffer): string =>
  createHash('sha256').update('batuta signing secrets').update(key).digest('hex').slice(0, 16);
