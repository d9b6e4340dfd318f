export { Fifo } from './fifo.js';
export { SlotMap } from './slot-map.js';
