import { limitReached } from '@batuta/contracts';
import type {
  AdmitReply,
  AdmitRequest,
  GetTenantUseReply,
  GetTenantUseRequest,
  SocketsReply,
  SocketsRequest,
} from '@batuta/contracts';
import type { TenantPool } from '@batuta/service';
import { ADMIT, ADMIT_SOCKETS, BYTES_OF_EXECUTIONS, USE } from './sql.js';

/** A gateway reports its sockets several times within this time, or it has ended. */
const SILENT_MS = 15_000;
/** The shortest interval between two sums of bytes. Summing also takes at most a twentieth of the time. */
const MEASURE_MS = 5_000;
const MEASURE_SHARE = 20;

interface Measured {
  bytes: number;
  at: number;
  tookMs: number;
  measuring: Promise<void> | undefined;
}

interface AdmitRow {
  readonly refusal: 'starts' | 'unfinished' | null;
  readonly retryMs: number | null;
  readonly startsLeft: number;
  readonly held: number | null;
}

/**
 * Admits starts of tenants with limits. PostgreSQL handles them one after the other, so a limit is exact on every
 * engine. Tenants without limits are not checked.
 */
export class Admissions {
  readonly #pool: Pick<TenantPool, 'seen'>;
  readonly #runningOf: (tenantId: string) => number;
  readonly #measured = new Map<string, Measured>();

  constructor(
    pool: Pick<TenantPool, 'seen'>,
    /** Running attempts of a tenant, on all engines. */
    runningOf: (tenantId: string) => number,
  ) {
    this.#pool = pool;
    this.#runningOf = runningOf;
  }

  async admit(request: AdmitRequest): Promise<AdmitReply> {
    const { tenantId, commandId, executionId, start, startsPerSecond, unfinishedExecutions, executionBytes } = request;
    if (executionBytes > 0) {
      const measured = await this.#bytesOf(tenantId);
      if (measured.bytes + request.bytes > executionBytes) {
        const stored = `The executions of the tenant have ${measured.bytes} bytes of events; ${executionBytes} are allowed`;
        return { refused: limitReached('execution_bytes', executionBytes, `${stored}.`) };
      }
      // Its input counts at once. Later data count at the next measurement.
      measured.bytes += request.bytes;
    }
    const { rows } = await this.#pool.seen({ tenantId }).query<AdmitRow>({
      ...ADMIT,
      values: [tenantId, commandId, executionId, start, startsPerSecond, unfinishedExecutions, request.holdsMs],
    });
    const { refusal = null, retryMs = null, startsLeft = 0 } = rows[0] ?? {};
    switch (refusal) {
      case null:
        return { startsLeft };
      case 'starts': {
        const reason = `The tenant may begin ${startsPerSecond} executions a second.`;
        return { refused: limitReached('starts_per_second', startsPerSecond, reason, retryMs ?? 1_000) };
      }
      case 'unfinished': {
        const reason = `The tenant may have ${unfinishedExecutions} executions that have not ended, and has them.`;
        return { refused: limitReached('unfinished_executions', unfinishedExecutions, reason, retryMs ?? 1_000) };
      }
      default:
        return refusal satisfies never;
    }
  }

  async sockets({ gateway, tenantId, sockets, most }: SocketsRequest): Promise<SocketsReply> {
    const { rows } = await this.#pool.seen({ tenantId }).query<{ others: number }>({
      ...ADMIT_SOCKETS,
      values: [tenantId, gateway, sockets, most, SILENT_MS],
    });
    if ((rows[0]?.others ?? -1) < 0) return {};
    return { refused: limitReached('websockets', most, `The tenant may have ${most} WebSockets open, and has them.`) };
  }

  async use({ tenantId }: GetTenantUseRequest): Promise<GetTenantUseReply> {
    const [{ rows }, { bytes }] = await Promise.all([
      this.#pool
        .seen({ tenantId })
        .query<{ unfinished: number; starts: number; sockets: number | null }>(USE, [tenantId, SILENT_MS]),
      this.#bytesOf(tenantId),
    ]);
    const { unfinished = 0, starts = 0, sockets = null } = rows[0] ?? {};
    return {
      runningAttempts: this.#runningOf(tenantId),
      startsPerSecond: starts,
      unfinishedExecutions: unfinished,
      ...(sockets === null ? {} : { websockets: sockets }),
      executionBytes: bytes,
    };
  }

  /** The last measurement. An old one is renewed in the background. */
  async #bytesOf(tenantId: string): Promise<Measured> {
    let measured = this.#measured.get(tenantId);
    if (measured === undefined) {
      measured = { bytes: 0, at: -Infinity, tookMs: 0, measuring: undefined };
      this.#measured.set(tenantId, measured);
    }
    const known = measured.at > -Infinity;
    if (performance.now() - measured.at >= Math.max(MEASURE_MS, measured.tookMs * MEASURE_SHARE)) {
      measured.measuring ??= this.#measure(tenantId, measured);
      if (known) measured.measuring.catch(() => undefined);
      else await measured.measuring;
    }
    return measured;
  }

  async #measure(tenantId: string, measured: Measured): Promise<void> {
    const began = performance.now();
    try {
      // A sum over all events of the tenant, because checking the tenant of each event takes longer than adding them.
      const { rows } = await this.#pool.seen('everybody').query<{ bytes: number }>(BYTES_OF_EXECUTIONS, [tenantId]);
      measured.bytes = rows[0]?.bytes ?? 0;
      measured.at = began;
      measured.tookMs = performance.now() - began;
    } finally {
      measured.measuring = undefined;
    }
  }
}
