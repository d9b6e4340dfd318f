import type { FencedPartition, OwnershipStore, OwnershipView, PartitionRecord, WantedPartition } from '../port.js';
import type { Queries } from './queries.js';
import { queryRows } from './queries.js';
import {
  ADD_PARTITIONS,
  CLAIM,
  END_LEASE,
  FIX_SETTINGS,
  GIVE_UP_ALL,
  LIVE_OWNERS,
  PUBLISH,
  READ_SETTINGS,
  READ_TIME,
  REGISTER,
  RELEASE,
  RENEW,
  VIEW,
} from './sql/ownership.js';

interface PartitionRow {
  id: number;
  owner: string | null;
  alive: boolean;
  epoch: number;
  last_position: number;
  published_position: number;
}

const toPartition = (row: PartitionRow): PartitionRecord => ({
  partition: row.id,
  owner: row.owner,
  ownerAlive: row.alive,
  epoch: row.epoch,
  lastPosition: row.last_position,
  publishedPosition: row.published_position,
});

const fencedColumns = (partitions: readonly FencedPartition[]): number[][] => [
  partitions.map((item) => item.partition),
  partitions.map((item) => item.epoch),
  partitions.map((item) => item.publishedPosition),
];

/** Owners with their leases, and the partitions that they have. */
export class PostgresOwnership implements OwnershipStore {
  readonly #pool: Queries;

  constructor(pool: Queries) {
    this.#pool = pool;
  }

  async fixPartitionCount(wanted: number): Promise<number> {
    await this.#pool.query(FIX_SETTINGS, [wanted]);
    const [row] = await queryRows<{ partitions: number }>(this.#pool, 'read-settings', READ_SETTINGS, []);
    if (row === undefined) throw new Error('the settings row has vanished');
    await this.#pool.query(ADD_PARTITIONS, [row.partitions]);
    return row.partitions;
  }

  async register(owner: string, incarnation: string, leaseMs: number): Promise<void> {
    await this.#pool.query(REGISTER, [owner, incarnation, leaseMs]);
  }

  async renew(owner: string, incarnation: string, leaseMs: number): Promise<boolean> {
    const { rowCount } = await this.#pool.query(RENEW, [owner, incarnation, leaseMs]);
    return rowCount === 1;
  }

  async time(): Promise<number> {
    const [row] = await queryRows<{ now: number }>(this.#pool, 'read-time', READ_TIME, []);
    return row?.now ?? Number.NaN;
  }

  async resign(owner: string, incarnation: string): Promise<void> {
    const { rowCount } = await this.#pool.query(END_LEASE, [owner, incarnation]);
    if (rowCount === 1) await this.#pool.query(GIVE_UP_ALL, [owner]);
  }

  async view(): Promise<OwnershipView> {
    const [partitions, owners] = await Promise.all([
      queryRows<PartitionRow>(this.#pool, 'view', VIEW, []),
      queryRows<{ name: string }>(this.#pool, 'live-owners', LIVE_OWNERS, []),
    ]);
    return { partitions: partitions.map(toPartition), liveOwners: owners.map((row) => row.name) };
  }

  async claim(owner: string, incarnation: string, wanted: readonly WantedPartition[]): Promise<PartitionRecord[]> {
    const rows = await queryRows<PartitionRow>(this.#pool, 'claim', CLAIM, [
      owner,
      incarnation,
      wanted.map((item) => item.partition),
      wanted.map((item) => item.epoch),
    ]);
    return rows.map(toPartition).sort((a, b) => a.partition - b.partition);
  }

  async release(owner: string, partitions: readonly FencedPartition[]): Promise<void> {
    await this.#pool.query(RELEASE, [owner, ...fencedColumns(partitions)]);
  }

  async publish(partitions: readonly FencedPartition[]): Promise<void> {
    await this.#pool.query(PUBLISH, fencedColumns(partitions));
  }
}
