export { Fifo } from './fifo.js';
export { SlotMap } from './slot-map.js';
export { RecentSet } from './recent-set.js';
