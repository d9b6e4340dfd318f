import { encodeJson } from '../encode-json.js';
import type { Snapshot, SnapshotStore } from '../port.js';

/** The newest snapshot of each stream, as the text that a database would keep. */
export class MemorySnapshots implements SnapshotStore {
  readonly #snapshots = new Map<string, string>();
  readonly #isStored: (id: string, version: number) => boolean;

  /** `isStored`: whether the log has this event. */
  constructor(isStored: (id: string, version: number) => boolean) {
    this.#isStored = isStored;
  }

  async readSnapshots(ids: readonly string[], reducerVersion: number): Promise<Map<string, Snapshot>> {
    await Promise.resolve();
    const found = ids.flatMap((id) => {
      const snapshot = this.#read(id);
      return snapshot?.reducerVersion === reducerVersion ? [[id, snapshot] as const] : [];
    });
    return new Map(found);
  }

  async writeSnapshot(snapshot: Snapshot): Promise<void> {
    await Promise.resolve();
    const { executionId, version, reducerVersion } = snapshot;
    if (!this.#isStored(executionId, version)) return;
    const stored = this.#read(executionId);
    if (stored?.reducerVersion === reducerVersion && stored.version >= version) return;
    this.#snapshots.set(executionId, encodeJson(snapshot));
  }

  delete(id: string): void {
    this.#snapshots.delete(id);
  }

  #read(id: string): Snapshot | undefined {
    const text = this.#snapshots.get(id);
    return text === undefined ? undefined : (JSON.parse(text) as Snapshot);
  }
}
