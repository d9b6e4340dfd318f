export { DEFAULT_LAYOUT, SERVICES, layoutFor, parseLayout } from './layout.js';
export type { Layout, ServiceName } from './layout.js';
export { startPlatform } from './platform.js';
export type { Platform, PlatformOptions } from './platform.js';
