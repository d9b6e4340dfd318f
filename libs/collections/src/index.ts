export { SlotMap } from './slot-map.js';
