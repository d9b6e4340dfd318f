import type { Finding } from './finding.js';
import type { ServiceSeen } from './services.js';

/** The results of all checks. */
export interface Examination {
  readonly findings: readonly Finding[];
  readonly services: readonly ServiceSeen[];
  readonly tables: readonly unknown[];
}
