import { operations } from '@batuta/contracts';
import type { AdmitReply, AdmitRequest, SocketsReply, SocketsRequest, TenantLimits } from '@batuta/contracts';
import type { TenantTerms } from '@batuta/messaging';
import { Problem, accepted } from '../http/problem.js';
import type { Admitted } from '../http/rate-limit.js';
import type { Backend } from './backend.js';

/** A command that begins an execution, or makes an ended one continue. */
interface Beginning {
  readonly tenantId: string;
  readonly commandId: string;
  readonly executionId: string;
  readonly start: boolean;
  /** Its input. It is measured only when bytes are limited. */
  readonly input?: unknown;
}

interface TenantLimitsOptions {
  readonly backend: Pick<Backend, 'ask'>;
  readonly terms: Pick<TenantTerms, 'of' | 'known' | 'asked'>;
  /** An id of this process of the gateway. */
  readonly gateway: string;
  /** A command has no effect after this time, in milliseconds. */
  readonly commandDeadlineMs: number;
}

/** A commit may come a little after the gateway has given up the command. */
const COMMIT_MS = 10_000;

/** Enforces the limits of tenants. For a tenant without limits this is one lookup in a map. */
export class TenantLimitGate {
  readonly #options: TenantLimitsOptions;
  /** How many sockets of each tenant this gateway serves. */
  readonly #sockets = new Map<string, number>();
  /** The last report of a tenant's sockets, so that reports go out in order. */
  readonly #telling = new Map<string, Promise<void>>();

  constructor(options: TenantLimitsOptions) {
    this.#options = options;
  }

  /**
   * Accepts or refuses a command. Undefined when the tenant has no limit that it could reach. @throws Problem
   * limit_reached, unavailable.
   */
  async admit({ tenantId, input, ...command }: Beginning): Promise<Admitted | undefined> {
    const limits = await this.#limitsOf(tenantId);
    const { startsPerSecond = 0, unfinishedExecutions = 0, executionBytes = 0 } = limits;
    if (startsPerSecond + unfinishedExecutions + executionBytes === 0) return undefined;
    const request: AdmitRequest = {
      ...command,
      tenantId,
      startsPerSecond,
      unfinishedExecutions,
      executionBytes,
      holdsMs: this.#options.commandDeadlineMs + COMMIT_MS,
      bytes: executionBytes > 0 && input !== undefined ? Buffer.byteLength(JSON.stringify(input)) : 0,
    };
    const { startsLeft = 0 } = accepted(
      await this.#options.backend.ask<AdmitReply>(operations.engine.admit.subject, request),
    );
    return { startsPerSecond, startsLeft };
  }

  /** Whether commands of the tenant must be checked. False is certain; true may be outdated. */
  limitsStarts(tenantId: string): boolean {
    const { terms } = this.#options;
    const { startsPerSecond = 0, unfinishedExecutions = 0, executionBytes = 0 } = terms.of(tenantId) ?? {};
    return !terms.known || startsPerSecond + unfinishedExecutions + executionBytes > 0;
  }

  /**
   * Counts one more socket. Call the returned function once, when the socket is closed. @throws Problem limit_reached,
   * unavailable.
   */
  async openSocket(tenantId: string): Promise<() => void> {
    const { websockets: most = 0 } = await this.#limitsOf(tenantId);
    if (most === 0) {
      this.#count(tenantId, 1);
    } else {
      await this.#inTurn(tenantId, async () => {
        accepted(await this.#tell(tenantId, 1, most));
        this.#count(tenantId, 1);
      });
    }
    return () => {
      this.#count(tenantId, -1);
      if (this.#socketsLimited(tenantId)) void this.#tellAgain(tenantId);
    };
  }

  /** Reports the sockets of tenants with a limit, so that other gateways know that this one is alive. */
  async tellSockets(): Promise<void> {
    const limited = [...this.#sockets.keys()].filter((tenantId) => this.#socketsLimited(tenantId));
    await Promise.all(limited.map((tenantId) => this.#tellAgain(tenantId)));
  }

  #socketsLimited(tenantId: string): boolean {
    return (this.#options.terms.of(tenantId)?.websockets ?? 0) > 0;
  }

  #count(tenantId: string, more: number): void {
    const sockets = (this.#sockets.get(tenantId) ?? 0) + more;
    if (sockets > 0) this.#sockets.set(tenantId, sockets);
    else this.#sockets.delete(tenantId);
  }

  /** A failed report is repeated within seconds. */
  #tellAgain(tenantId: string): Promise<void> {
    return this.#inTurn(tenantId, async () => {
      await this.#tell(tenantId, 0, 0);
    }).catch(() => undefined);
  }

  #tell(tenantId: string, more: number, most: number): Promise<SocketsReply> {
    const { backend, gateway } = this.#options;
    const sockets = (this.#sockets.get(tenantId) ?? 0) + more;
    const request: SocketsRequest = { gateway, tenantId, sockets, most };
    return backend.ask<SocketsReply>(operations.engine.sockets.subject, request);
  }

  /** Runs one task after the other for each tenant, so that an older number never arrives after a newer one. */
  #inTurn(tenantId: string, work: () => Promise<void>): Promise<void> {
    const before = this.#telling.get(tenantId) ?? Promise.resolve();
    const told = before.then(work, work);
    this.#telling.set(tenantId, told);
    const forget = (): void => {
      if (this.#telling.get(tenantId) === told) this.#telling.delete(tenantId);
    };
    told.then(forget, forget);
    return told;
  }

  async #limitsOf(tenantId: string): Promise<TenantLimits> {
    const { terms } = this.#options;
    if (!terms.known) {
      await terms.asked();
      if (!terms.known) throw new Problem('unavailable', 'The config service does not answer right now; try again.');
    }
    return terms.of(tenantId) ?? {};
  }
}
