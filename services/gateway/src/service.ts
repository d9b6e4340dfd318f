import { runService } from '@batuta/service';
import { loadGatewaySettings } from './settings.js';
import { startGateway } from './start-gateway.js';

export function main(): Promise<void> {
  return runService({ name: 'gateway', load: loadGatewaySettings, start: startGateway });
}
