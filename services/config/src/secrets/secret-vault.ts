import { randomBytes } from 'node:crypto';
import { encryptionKeysOf, SecretCipher } from '@batuta/service';

const VARIABLE = 'BATUTA_SECRETS_KEYS';

/** The identity of a stored value. */
interface Place {
  readonly tenantId: string;
  readonly name: string;
  readonly id: string;
  readonly version: number;
}

interface Sealed {
  readonly wrappedKey: string;
  readonly sealed: string;
}

/**
 * Encrypts values of secrets at rest. Each value has its own data key, which the platform's newest key wraps. Both are
 * bound to tenant, name, id and version of the secret.
 */
export class SecretVault {
  readonly #platform: SecretCipher;

  constructor(keys: readonly Buffer[]) {
    this.#platform = new SecretCipher(keys, { variable: VARIABLE });
  }

  /** `keys`: 32 bytes in Base64 each, separated by commas; empty for none. Throws a RangeError for anything else. */
  static of(keys: string): SecretVault {
    const found = keys.trim() === '' ? [] : encryptionKeysOf(keys.trim());
    if (found === undefined) {
      throw new RangeError(`${VARIABLE} must be keys of 32 bytes in Base64, with commas between`);
    }
    return new SecretVault(found);
  }

  /** Whether there is a key. */
  get enabled(): boolean {
    return this.#platform.enabled;
  }

  /** The beginning of data keys that are wrapped with the newest key; undefined without keys. */
  get currentPrefix(): string | undefined {
    return this.#platform.currentPrefix;
  }

  /** Whether the stored value is wrapped with the newest key. */
  isCurrent({ wrappedKey }: Sealed): boolean {
    return this.#platform.isCurrent(wrappedKey);
  }

  seal(value: string, place: Place): Sealed {
    const key = randomBytes(32);
    return {
      wrappedKey: this.#platform.seal(key.toString('base64'), placeText(place)),
      sealed: new SecretCipher([key], { variable: VARIABLE }).seal(value, placeText(place)),
    };
  }

  /** Throws a `SecretCipherError`. */
  open({ wrappedKey, sealed }: Sealed, place: Place): string {
    const key = Buffer.from(this.#platform.open(wrappedKey, placeText(place)), 'base64');
    return new SecretCipher([key], { variable: VARIABLE }).open(sealed, placeText(place));
  }
}

/** None of the parts can contain a slash. */
const placeText = ({ tenantId, name, id, version }: Place): string => `secret/${tenantId}/${name}/${id}/${version}`;
