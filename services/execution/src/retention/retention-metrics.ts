import { counter, gauge } from '@batuta/observability';
import type { RetentionJob } from './retention-job.js';

const running = new Set<RetentionJob>();

const sumOf = (value: (job: RetentionJob) => number): number => [...running].reduce((sum, job) => sum + value(job), 0);

/** Adds retention to the process's metrics until the result is called. */
export function exposeRetention(job: RetentionJob): () => void {
  running.add(job);
  counter('batuta_retention_deleted_total', 'Executions that retention policies have deleted', [], function collect() {
    this.reset();
    this.inc(sumOf(({ figures }) => figures.deleted));
  });
  counter(
    'batuta_retention_failures_total',
    'Deletions by retention policies that came to nothing, and looks that could not be finished',
    [],
    function collect() {
      this.reset();
      this.inc(sumOf(({ figures }) => figures.failures));
    },
  );
  counter(
    'batuta_archive_executions_total',
    'Executions that retention policies have archived and then deleted',
    [],
    function collect() {
      this.reset();
      this.inc(sumOf(({ figures }) => figures.archived));
    },
  );
  counter('batuta_archive_bytes_total', 'Compressed bytes of the archive files that hold them', [], function collect() {
    this.reset();
    this.inc(sumOf(({ figures }) => figures.archivedBytes));
  });
  counter(
    'batuta_archive_failures_total',
    'Archive files that could not be written or read back, and executions that cannot be archived because their events are not what was committed',
    [],
    function collect() {
      this.reset();
      this.inc(sumOf(({ figures }) => figures.archiveFailures));
    },
  );
  gauge(
    'batuta_retention_oldest_waiting_seconds',
    'For how long the execution has been due for deletion that has waited longest, at the last look',
    [],
    function collect() {
      this.set(Math.max(0, ...[...running].map(({ figures }) => figures.oldestWaitingMs / 1_000)));
    },
  );
  return () => running.delete(job);
}
