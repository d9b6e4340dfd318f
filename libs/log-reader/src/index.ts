export { cursorTable } from './cursor-table.js';
export type { CursorTable } from './cursor-table.js';
export { LogReader, cursorMoves } from './log-reader.js';
export type { Committed, LogFollower, LogPass, LogReaderOptions, Reading } from './log-reader.js';
