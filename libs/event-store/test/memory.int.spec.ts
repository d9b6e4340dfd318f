import { MemoryEventStore } from '../src/index.js';
import { COUNTERS, CounterMemory, TOY_KINDS, eventStoreContract } from './contract.js';

eventStoreContract('in memory', COUNTERS, () =>
  Promise.resolve({
    store: new MemoryEventStore(() => 1_000_000, { kinds: TOY_KINDS, rows: new CounterMemory() }),
    close: () => Promise.resolve(),
  }),
);
