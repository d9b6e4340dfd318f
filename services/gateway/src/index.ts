export { GatewayModule } from './app.module.js';
export type { GatewayParts } from './app.module.js';
export { startGateway } from './start-gateway.js';
export type { Gateway, StartGatewayOptions } from './start-gateway.js';
export { drainMsOf, loadGatewaySettings } from './settings.js';
export type { GatewaySettings } from './settings.js';
