export { LOG_LEVELS, createLogger, nestLogger, setLogLevel } from './logger.js';
export type { LogLevel, Logger, LoggerOptions } from './logger.js';
export { DURATION_BUCKETS, collectProcessMetrics, counter, exposeMetrics, gauge, histogram } from './metrics.js';
export type { Counter, Gauge, Histogram } from './metrics.js';
export { checkReadiness, startOpsServer } from './ops-server.js';
export type { OpsServer, OpsServerOptions, Readiness, ReadinessCheck } from './ops-server.js';
export { redactUrl } from './redact.js';
export { NO_TRACING, parseTraceparent, spanIdOf, startTracing, traceparentOf } from './tracing.js';
export type { FinishedSpan, SpanKindName, SpanLink, Tracing } from './tracing.js';
