export { DEFAULT_LAYOUT, layoutFor, parseLayout } from './layout.js';
export { SERVICES } from './services.js';
export type { Layout } from './layout.js';
export type { ServiceName } from './services.js';
export { startPlatform } from './platform.js';
export type { Platform, PlatformOptions } from './platform.js';
