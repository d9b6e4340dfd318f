import { hash as digest } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { AuthenticateReply, ConfigChanged, Principal } from '@batuta/contracts';
import { BoundedCache } from '../caches/bounded-cache.js';
import { Problem } from '../http/problem.js';
import type { WrongKeys } from './wrong-keys.js';

/** The owner of a key, and how long it is valid. */
export interface Identity {
  readonly principal: Principal;
  readonly keyHash: string;
  /** Epoch ms; 0 means never. */
  readonly expiresAt: number;
}

interface Entry {
  /** Undefined: the key is unknown. */
  readonly identity: Identity | undefined;
  readonly askedAt: number;
}

interface AuthenticatorOptions {
  readonly knownForMs: number;
  readonly unknownForMs: number;
  /** How long a known key is still accepted while the config service does not answer, in milliseconds. Default 60 s. */
  readonly believedWithoutAnswerMs?: number;
  readonly capacity?: number;
  readonly now?: () => number;
  readonly wrongKeys: WrongKeys;
  ask(keyHash: string): Promise<AuthenticateReply>;
}

const UNKNOWN = 'The API key is unknown, expired or revoked.';

/**
 * Finds the owner of an API key. Asks the config service with the key's SHA-256 and caches the answer for a short time.
 */
export class Authenticator {
  readonly #options: AuthenticatorOptions;
  readonly #entries: BoundedCache<string, Entry>;
  readonly #asked = new Map<string, Promise<Identity | undefined>>();
  /** Hashes of keys that were valid before. A sender of such a key is not guessing. */
  readonly #onceGood: BoundedCache<string, true>;
  readonly #now: () => number;
  /** Answers to requests sent before the last `forget` are not cached. */
  #generation = 0;

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
    this.#entries = new BoundedCache(options.capacity ?? 10_000);
    this.#onceGood = new BoundedCache(options.capacity ?? 10_000);
    this.#now = options.now ?? Date.now;
  }

  static hashOf(key: string): string {
    return digest('sha256', key, 'hex');
  }

  /**
   * The identity for a request's key: at once when it is cached, else a promise. @throws Problem unauthenticated. The
   * promise may also reject with rate_limited after too many wrong keys from this address, or with unavailable when the
   * config service does not answer.
   */
  identify(key: string | undefined, request: IncomingMessage): Identity | Promise<Identity> {
    if (key === undefined) {
      throw new Problem('unauthenticated', 'Send an API key: "Authorization: Bearer <key>".');
    }
    const hash = Authenticator.hashOf(key);
    const entry = this.#entries.get(hash);
    if (entry?.identity !== undefined && this.#fresh(entry) && this.#unexpired(entry.identity)) return entry.identity;
    return this.#identifyOther(hash, entry, request);
  }

  /**
   * The identity of a key by its hash. Asks again unless the cached answer is fresh. Undefined when the key is not
   * valid any more.
   */
  async recheck(keyHash: string): Promise<Identity | undefined> {
    try {
      const entry = this.#entries.get(keyHash);
      if (entry !== undefined && this.#fresh(entry)) return this.#valid(entry.identity);
      return await this.#lookUp(keyHash, entry);
    } catch (error) {
      if (error instanceof Problem && error.code === 'unauthenticated') return undefined;
      throw error;
    }
  }

  /** The slow path for keys that are not cached as valid, so that valid keys do not pay for it. */
  async #identifyOther(hash: string, entry: Entry | undefined, request: IncomingMessage): Promise<Identity> {
    const { wrongKeys } = this.#options;
    if (this.#onceGood.get(hash) === undefined) wrongKeys.check(request);
    try {
      const fresh = entry !== undefined && this.#fresh(entry);
      const identity = fresh ? this.#valid(entry.identity) : await this.#lookUp(hash, entry);
      this.#onceGood.set(hash, true);
      return identity;
    } catch (error) {
      if (error instanceof Problem && error.code === 'unauthenticated') {
        this.#onceGood.delete(hash);
        wrongKeys.count(request);
      }
      throw error;
    }
  }

  /** Handles a notice of a changed key. Forgets everything, because a notice has the key's id and not its hash. */
  changed(change: Pick<ConfigChanged, 'kind'>): void {
    if (change.kind === 'key') this.forget();
  }

  /** Forgets every answer. Also called after a reconnect, because notices may have been missed. */
  forget(): void {
    this.#generation += 1;
    this.#entries.clear();
    this.#asked.clear();
  }

  #fresh(entry: Entry): boolean {
    const { knownForMs, unknownForMs } = this.#options;
    return this.#now() - entry.askedAt < (entry.identity === undefined ? unknownForMs : knownForMs);
  }

  #unexpired({ expiresAt }: Identity): boolean {
    return expiresAt === 0 || expiresAt > this.#now();
  }

  #valid(identity: Identity | undefined): Identity {
    if (identity === undefined || !this.#unexpired(identity)) {
      throw new Problem('unauthenticated', UNKNOWN, {
        headers: { 'www-authenticate': 'Bearer realm="batuta", error="invalid_token"' },
      });
    }
    return identity;
  }

  async #lookUp(hash: string, stale: Entry | undefined): Promise<Identity> {
    let asked = this.#asked.get(hash);
    if (asked === undefined) {
      asked = this.#ask(hash, stale);
      this.#asked.set(hash, asked);
      const forgetQuestion = (): void => {
        if (this.#asked.get(hash) === asked) this.#asked.delete(hash);
      };
      asked.then(forgetQuestion, forgetQuestion);
    }
    return this.#valid(await asked);
  }

  async #ask(keyHash: string, stale: Entry | undefined): Promise<Identity | undefined> {
    const generation = this.#generation;
    const askedAt = this.#now();
    try {
      const { principal, expiresAt } = await this.#options.ask(keyHash);
      const identity = principal === undefined ? undefined : { principal, keyHash, expiresAt: expiresAt ?? 0 };
      if (generation === this.#generation) this.#entries.set(keyHash, { identity, askedAt });
      return identity;
    } catch (error) {
      const believed = this.#options.believedWithoutAnswerMs ?? 60_000;
      const usable =
        error instanceof Problem &&
        error.code === 'unavailable' &&
        stale?.identity !== undefined &&
        generation === this.#generation &&
        this.#now() - stale.askedAt < believed;
      if (usable) return stale.identity;
      throw error;
    }
  }
}
