export { LOG_LEVELS, createLogger, nestLogger } from './logger.js';
export type { LogLevel, Logger, LoggerOptions } from './logger.js';
export { collectProcessMetrics, counter, exposeMetrics, gauge, histogram } from './metrics.js';
export type { Counter, Gauge, Histogram } from './metrics.js';
export { checkReadiness, startOpsServer } from './ops-server.js';
export type { OpsRoute, OpsServer, OpsServerOptions, Readiness, ReadinessCheck } from './ops-server.js';
export { hideEverywhere } from './hidden/hide-everywhere.js';
export { HiddenStream } from './hidden/hidden-stream.js';
export { HiddenValues } from './hidden/hidden-values.js';
export { HIDDEN } from './hidden/marks.js';
export { spanIds } from './span-ids.js';
export { Distribution, Tally, distributions, tallies } from './tally.js';
export type { Labelled } from './tally.js';
export {
  NO_TRACING,
  SpansRefusedError,
  parseTraceparent,
  preciseNow,
  spanIdOf,
  startTracing,
  traceparentOf,
} from './tracing.js';
export type { FinishedSpan, SpanKindName, SpanLink, Tracing } from './tracing.js';
export { redactUrl } from './redact.js';
