import { DEFAULT_EXECUTION_TIMEOUT_MS, DEFAULT_STEP_TIMEOUT_MS } from '@batuta/contracts';
import { isRecord } from '@batuta/documents';
import type { Report } from '@batuta/documents';
import type { FallbackForest } from './fallback-forest.js';
import { textOf } from './outline.js';
import type { GroupOutline, Outline, StepOutline } from './outline.js';

type Source = Readonly<Record<string, unknown>>;
type FailureKind = 'error' | 'timeout' | 'no_consensus';

const KINDS: readonly string[] = ['error', 'timeout', 'no_consensus'] satisfies FailureKind[];

/**
 * Reports fields that would be ignored, because their author expects an effect. A field with its default value is never
 * refused. Four settings are accepted even without effect, so that the same steps work in every strategy:
 * `parallel_limit`, `consensus_threshold`, the settings' own `on_failure` and `on_failure: fallback`.
 */
export function reportWithoutEffect(outline: Outline, forest: FallbackForest, report: Report): void {
  reportFallbacksThatNeverRun(outline, report);
  reportRetries(outline, report);
  for (const step of outline.steps) {
    const path = `/steps/${step.index}`;
    const { source } = step;
    if (source['require'] === 'all' && step.dependencies.length === 0) {
      report.add(`${path}/require`, 'contradiction', 'has no effect without dependencies');
    }
  }
  reportOutputKeysOfFallbacks(outline, forest, report);
  reportTimes(outline, report);
}

/** The effect of a step's or group's failure. `abort` is the default, also when it is written out. */
function policyOf(outline: Outline, { source }: StepOutline | GroupOutline): string {
  const { settings } = outline.source;
  const usual = isRecord(settings) ? textOf(settings, 'on_failure') : undefined;
  const said = textOf(source, 'on_failure') ?? usual ?? 'abort';
  return said === 'abort' && outline.strategy === 'fallback' ? 'fallback' : said;
}

/** The kinds of failure that a step names. Empty when one of them is a mistake itself. */
function kindsIn(source: Source): string[] {
  const kinds = source['fallback_when'];
  return Array.isArray(kinds) && kinds.every((kind) => KINDS.includes(String(kind))) ? kinds.map(String) : [];
}

/** The ways in which a step or group can fail. */
function failuresOf(node: StepOutline | GroupOutline): FailureKind[] {
  if ('members' in node) return ['no_consensus'];
  const { approval, choice, map, orchestration, wait, signal } = node.source;
  if (isRecord(wait) || isRecord(choice) || isRecord(map) || isRecord(orchestration)) return ['error'];
  if (isRecord(signal)) {
    const fails = signal['timeout_ms'] !== undefined && signal['on_timeout'] !== 'continue';
    return fails ? ['error', 'timeout'] : ['error'];
  }
  if (!isRecord(approval)) return ['error', 'timeout'];
  const timesOut = approval['timeout_ms'] !== undefined && approval['on_timeout'] !== 'approve';
  return timesOut ? ['error', 'timeout'] : ['error'];
}

function reportFallbacksThatNeverRun(outline: Outline, report: Report): void {
  const served = new Set<StepOutline | GroupOutline>();
  for (const step of outline.steps) {
    const target =
      step.serves === undefined ? undefined : (outline.stepOf.get(step.serves) ?? outline.groupOf.get(step.serves));
    if (target !== undefined && target !== step) {
      served.add(target);
      reportFallback(outline, { step, target }, report);
    }
  }
  for (const step of outline.steps) {
    const path = `/steps/${step.index}`;
    if (step.isFallback) {
      if (step.source['on_failure'] === 'continue') {
        const why = 'when every fallback has failed, the execution fails; in a group, the member has no vote';
        report.add(`${path}/on_failure`, 'contradiction', `has no effect on a fallback: ${why}`);
      }
      continue;
    }
    if (kindsIn(step.source).length === 0) continue;
    if (policyOf(outline, step) !== 'fallback') {
      report.add(`${path}/fallback_when`, 'contradiction', 'is only used with on_failure fallback, or on a fallback');
    } else if (!served.has(step)) {
      report.add(`${path}/fallback_when`, 'contradiction', 'has no effect: no step is a fallback for this one');
    } else {
      reportKindsOfFailure(step, step, `${path}/fallback_when`, report);
    }
  }
}

function reportFallback(
  outline: Outline,
  { step, target }: { step: StepOutline; target: StepOutline | GroupOutline },
  report: Report,
): void {
  const path = `/steps/${step.index}`;
  const policy = policyOf(outline, target);
  if (policy !== 'fallback') {
    const has = target.source['on_failure'] === undefined ? `${policy}, its default` : policy;
    const declared = 'members' in target && target.index === undefined ? 'declare the group with' : 'give it';
    report.add(
      step.fallbackFor === undefined ? `${path}/is_fallback` : `${path}/fallback_for`,
      'contradiction',
      `this fallback can never run: on_failure of "${target.id ?? ''}" is ${has}; ${declared} "on_failure": "fallback"`,
    );
  }
  const kinds = kindsIn(step.source);
  const narrowed = 'members' in target || target.isFallback ? [] : kindsIn(target.source);
  if (kinds.length > 0 && narrowed.length > 0 && !kinds.some((kind) => narrowed.includes(kind))) {
    report.add(
      `${path}/fallback_when`,
      'contradiction',
      `this fallback can never run: "${target.id ?? ''}" asks its fallbacks only for ${narrowed.join(', ')}`,
    );
  } else {
    reportKindsOfFailure(step, target, `${path}/fallback_when`, report);
  }
}

/** Reports kinds of failure that `target` cannot have. */
function reportKindsOfFailure(
  step: StepOutline,
  target: StepOutline | GroupOutline,
  path: string,
  report: Report,
): void {
  const kinds = kindsIn(step.source);
  const possible: string[] = failuresOf(target);
  if (kinds.length === 0 || kinds.some((kind) => possible.includes(kind))) return;
  const own =
    'members' in target
      ? undefined
      : ['approval', 'wait', 'signal', 'choice', 'map', 'orchestration'].find((kind) => isRecord(target.source[kind]));
  const which = 'members' in target ? 'a consensus group' : own === undefined ? 'a step' : `this ${own}`;
  report.add(path, 'contradiction', `has no effect: ${which} fails with ${possible.join(' or ')} only`);
}

/**
 * A fallback's output has the key of the step that it serves. Its own key matters only to steps that name the fallback
 * itself.
 */
function reportOutputKeysOfFallbacks(outline: Outline, forest: FallbackForest, report: Report): void {
  const named = new Set(outline.steps.flatMap(({ dependencies }) => dependencies.map(({ name }) => name)));
  for (const step of outline.steps) {
    const own = textOf(step.source, 'output_key');
    if (!step.isFallback || own === undefined || named.has(step.id ?? '') || step.source['compensate'] !== undefined) {
      continue;
    }
    const served = forest.mainOf(step);
    const main = served !== undefined && 'group' in served ? outline.groupOf.get(served.group) : served?.step;
    if (main === undefined || main === step || main.outputKey === own) continue;
    report.add(
      `/steps/${step.index}/output_key`,
      'contradiction',
      `has no effect: the output of a fallback stands under the key of what it serves, "${main.outputKey ?? ''}"`,
    );
  }
}

/** Fields of `retry` other than `max_attempts`, with their defaults. */
const RETRY_DEFAULTS: Readonly<Record<string, unknown>> = {
  backoff_ms: 0,
  backoff_coefficient: 2,
  max_backoff_ms: undefined,
  jitter: 'full',
  non_retryable: undefined,
  total_timeout_ms: undefined,
};
const OF_WAITS = ['backoff_coefficient', 'max_backoff_ms', 'jitter'];

function reportRetry(retry: unknown, path: string, report: Report): void {
  if (!isRecord(retry)) return;
  const { max_attempts: attempts = 1, backoff_ms: backoff = 0 } = retry;
  const said = (field: string): boolean => {
    const value = retry[field];
    const empty = Array.isArray(value) && value.length === 0;
    return value !== undefined && value !== RETRY_DEFAULTS[field] && !empty;
  };
  if (attempts === 1) {
    for (const field of Object.keys(RETRY_DEFAULTS).filter(said)) {
      report.add(
        `${path}/${field}`,
        'contradiction',
        'has no effect: without max_attempts above 1 nothing is tried again',
      );
    }
  } else if (backoff === 0) {
    for (const field of OF_WAITS.filter(said)) {
      report.add(
        `${path}/${field}`,
        'contradiction',
        'has no effect: without backoff_ms nothing waits between attempts',
      );
    }
  } else if (attempts === 2 && said('backoff_coefficient')) {
    const why = 'with max_attempts 2 there is one wait, of backoff_ms';
    report.add(`${path}/backoff_coefficient`, 'contradiction', `has no effect: ${why}`);
  }
}

/** Reports fields of retries that would be ignored. */
export function reportRetries(outline: Outline, report: Report): void {
  for (const { index, source } of outline.steps) {
    const path = `/steps/${index}`;
    reportRetry(source['retry'], `${path}/retry`, report);
    if (isRecord(source['compensate'])) reportRetry(source['compensate']['retry'], `${path}/compensate/retry`, report);
  }
}

/** Reports time limits that can never be reached because another limit comes first. */
export function reportTimes(outline: Outline, report: Report): void {
  const settings = isRecord(outline.source['settings']) ? outline.source['settings'] : {};
  const whole = milliseconds(settings['timeout_ms']);
  const execution =
    whole === undefined
      ? { limit: DEFAULT_EXECUTION_TIMEOUT_MS, name: 'settings.timeout_ms, which is 30 days unless given,' }
      : { limit: whole, name: `settings.timeout_ms of ${whole}` };
  for (const { index, source } of outline.steps) {
    const path = `/steps/${index}`;
    const approval = isRecord(source['approval']) ? source['approval'] : {};
    const signal = isRecord(source['signal']) ? source['signal'] : {};
    const wait = isRecord(source['wait']) ? source['wait'] : {};
    const compensate = isRecord(source['compensate']) ? source['compensate'] : {};
    const repeat = isRecord(source['repeat']) ? source['repeat'] : {};
    const retry = isRecord(source['retry']) ? source['retry'] : {};
    const places: [field: string, value: unknown][] = [
      ['timeout_ms', source['timeout_ms']],
      ['heartbeat_ms', source['heartbeat_ms']],
      ['schedule_to_start_ms', source['schedule_to_start_ms']],
      ['schedule_to_close_ms', source['schedule_to_close_ms']],
      ['retry/total_timeout_ms', retry['total_timeout_ms']],
      ['compensate/timeout_ms', compensate['timeout_ms']],
      ['approval/timeout_ms', approval['timeout_ms']],
      ['wait/duration_ms', wait['duration_ms']],
      ['signal/timeout_ms', signal['timeout_ms']],
      ['repeat/delay_ms', repeat['delay_ms']],
    ];
    const late = (field: string, first: string): void => {
      report.add(`${path}/${field}`, 'contradiction', `has no effect: ${first} comes first`);
    };
    const close = milliseconds(source['schedule_to_close_ms']);
    const attempt = milliseconds(source['timeout_ms']);
    for (const [field, value] of places) {
      const limit = milliseconds(value);
      if (limit === undefined) continue;
      // The step's own rules say that of schedule_to_start_ms.
      const within = ['timeout_ms', 'heartbeat_ms', 'retry/total_timeout_ms', 'repeat/delay_ms'].includes(field);
      if (limit > execution.limit) {
        late(field, execution.name);
      } else if (within && close !== undefined && limit > close) {
        late(field, `schedule_to_close_ms of ${close}`);
      } else if (field === 'heartbeat_ms' && limit > (attempt ?? DEFAULT_STEP_TIMEOUT_MS)) {
        late(field, attempt === undefined ? 'timeout_ms, which is 60000 unless given,' : `timeout_ms of ${attempt}`);
      }
    }
  }
}

function milliseconds(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}
