import type { Finding } from './finding.js';
import type { ServiceSeen } from './services.js';

/** Everything that was looked at. */
export interface Examination {
  readonly findings: readonly Finding[];
  readonly services: readonly ServiceSeen[];
  readonly tables: readonly unknown[];
}
