import { failed, ok, unknown, warning } from './finding.js';
import type { Finding } from './finding.js';
import type { Sample } from './samples.js';

/** A metric whose present value alone shows a problem. */
interface Sign {
  readonly metric: string;
  /** How the values of all services and labels are combined. */
  readonly of: 'max' | 'sum' | 'distance';
  /** A larger value is a problem. It is the limit of the alert of the same name in deploy/prometheus/rules.yml. */
  readonly above: number;
  readonly severity: 'failed' | 'warning';
  /** The name of the alert and of its page in docs/runbooks. */
  readonly alert: string;
  readonly about: string;
  readonly says: (value: string) => string;
}

export const SIGNS: readonly Sign[] = [
  {
    metric: 'batuta_engine_unowned_partitions',
    of: 'max',
    above: 0,
    severity: 'failed',
    alert: 'BatutaPartitionsWithoutOwner',
    about: 'partitions',
    says: (value) => `${value} partitions have no owner: their executions stand still.`,
  },
  {
    metric: 'batuta_engine_undispatched_seconds',
    of: 'max',
    above: 30,
    severity: 'failed',
    alert: 'BatutaTasksUndispatched',
    about: 'tasks on their way',
    says: (value) => `A task has been offered to queue and runners in vain for ${value} s.`,
  },
  {
    metric: 'batuta_queue_unserved_tasks',
    of: 'max',
    above: 0,
    severity: 'failed',
    alert: 'BatutaPoolUnserved',
    about: 'pools',
    says: (value) => `${value} tasks wait in pools that no runner serves.`,
  },
  {
    metric: 'batuta_engine_unreadable_executions',
    of: 'sum',
    above: 0,
    severity: 'warning',
    alert: 'BatutaExecutionsUnreadable',
    about: 'event log',
    says: (value) => `${value} executions stand still because a newer version wrote events of theirs.`,
  },
  {
    metric: 'batuta_projection_lag_events',
    of: 'sum',
    above: 10_000,
    severity: 'warning',
    alert: 'BatutaStepRunsLate',
    about: 'read models',
    says: (value) => `Read models are ${value} events behind the log.`,
  },
  {
    metric: 'batuta_engine_clock_skew_seconds',
    of: 'distance',
    above: 1,
    severity: 'warning',
    alert: 'BatutaClockWrong',
    about: 'clocks',
    says: (value) => `The clock of an engine's machine differs from PostgreSQL's by ${value} s.`,
  },
  {
    metric: 'batuta_retention_oldest_waiting_seconds',
    of: 'max',
    above: 86_400,
    severity: 'warning',
    alert: 'BatutaRetentionBehind',
    about: 'retention',
    says: (value) => `An execution has been due for deletion for ${value} s.`,
  },
  {
    metric: 'batuta_notifications_deliveries_overdue_seconds',
    of: 'max',
    above: 300,
    severity: 'warning',
    alert: 'BatutaCallbacksPending',
    about: 'callbacks',
    says: (value) => `A callback has been due for ${value} s.`,
  },
  {
    metric: 'batuta_notifications_cursor_lag_seconds',
    of: 'max',
    above: 60,
    severity: 'warning',
    alert: 'BatutaCallbacksLate',
    about: 'notifications',
    says: (value) => `The notifications service reads events ${value} s late.`,
  },
  {
    metric: 'batuta_step_runner_abandoned_agents',
    of: 'sum',
    above: 16,
    severity: 'warning',
    alert: 'BatutaAgentsIgnoreStop',
    about: 'agents',
    says: (value) => `${value} agents still run after they were told to stop.`,
  },
  {
    metric: 'nodejs_eventloop_lag_p99_seconds',
    of: 'max',
    above: 0.5,
    severity: 'warning',
    alert: 'BatutaEventLoopBlocked',
    about: 'event loops',
    says: (value) => `A process stands still for ${value} s at times.`,
  },
];

/** The findings from the metrics of all services. */
export function readSigns(samples: readonly Sample[]): Finding[] {
  return SIGNS.map(({ metric, of, above, severity, alert, about, says }): Finding => {
    const values = samples.filter(({ name }) => name === metric).map(({ value }) => value);
    if (values.length === 0) return unknown(about, `No service shows ${metric}.`);
    const value =
      of === 'sum'
        ? values.reduce((sum, each) => sum + each, 0)
        : Math.max(...values.map((each) => (of === 'distance' ? Math.abs(each) : each)));
    const shown = String(Math.round(value * 1_000) / 1_000);
    if (value <= above) return ok(about, `${metric} is ${shown}.`);
    return (severity === 'failed' ? failed : warning)(about, says(shown), alert);
  });
}
