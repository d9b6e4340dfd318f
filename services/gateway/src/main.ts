import { runService } from '@batuta/service';
import { loadGatewaySettings } from './settings.js';
import { startGateway } from './start-gateway.js';

await runService({ name: 'gateway', load: loadGatewaySettings, start: startGateway });
