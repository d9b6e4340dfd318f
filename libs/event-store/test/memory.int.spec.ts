import { MemoryEventStore } from '../src/index.js';
import { eventStoreContract } from './contract.js';

eventStoreContract('in memory', () =>
  Promise.resolve({ store: new MemoryEventStore(() => 1_000_000), close: () => Promise.resolve() }),
);
