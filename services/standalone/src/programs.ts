// Written by `npm run services` from services/services.json.
import type { Logger } from '@batuta/observability';

/** Loads the program of one service only, because each program takes a second and 20 MiB. */
export const PROGRAMS = {
  gateway: async () => {
    const { loadGatewaySettings, startGateway } = await import('@batuta/gateway');
    return (logger: Logger) => startGateway({ settings: loadGatewaySettings(), logger });
  },
  config: async () => {
    const { loadConfigSettings, startConfig } = await import('@batuta/config');
    return (logger: Logger) => startConfig({ settings: loadConfigSettings(), logger });
  },
  execution: async () => {
    const { loadExecutionSettings, startExecution } = await import('@batuta/execution');
    return (logger: Logger) => startExecution({ settings: loadExecutionSettings(), logger });
  },
  'step-runner': async () => {
    const { loadStepRunnerSettings, startStepRunner } = await import('@batuta/step-runner');
    return (logger: Logger) => startStepRunner({ settings: loadStepRunnerSettings(), logger });
  },
  notifications: async () => {
    const { loadNotificationsSettings, startNotifications } = await import('@batuta/notifications');
    return (logger: Logger) => startNotifications({ settings: loadNotificationsSettings(), logger });
  },
};
