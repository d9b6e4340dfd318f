import { MemoryExecutionStore } from '../../src/store/memory/memory-execution-store.js';
import { executionStoreContract } from './contract.js';

executionStoreContract('in memory', () =>
  Promise.resolve({ store: new MemoryExecutionStore(() => 1_000_000), close: () => Promise.resolve() }),
);
