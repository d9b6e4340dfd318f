// Written by `npm run services` from services/services.json.

export const SERVICES = ['gateway', 'config', 'execution', 'step-runner', 'notifications'] as const;
export type ServiceName = (typeof SERVICES)[number];

/** The order in which the services of a process stop. */
export const STOP_ORDER: readonly ServiceName[] = ['gateway', 'step-runner', 'execution', 'notifications', 'config'];

/** Services that have a process of their own when there are cores for it. */
export const OWN_PROCESS: readonly ServiceName[] = ['step-runner'];

/** The variable with the port of each service. */
export const PORT_VARIABLES: Readonly<Record<ServiceName, string>> = {
  gateway: 'BATUTA_GATEWAY_HTTP_PORT',
  config: 'BATUTA_CONFIG_HTTP_PORT',
  execution: 'BATUTA_EXECUTION_HTTP_PORT',
  'step-runner': 'BATUTA_STEP_RUNNER_HTTP_PORT',
  notifications: 'BATUTA_NOTIFICATIONS_HTTP_PORT',
};
