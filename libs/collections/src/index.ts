export { FairGate, GateBusyError } from './fair-gate.js';
export type { FairGateOptions } from './fair-gate.js';
export { Fifo } from './fifo.js';
export { SlotMap } from './slot-map.js';
export { RecentSet } from './recent-set.js';
