import type { ConfigRegistry } from '../ports/config-registry.js';
import type { EngineCounters } from '../ports/counters.js';
import type { EnginePorts } from '../ports/ports.js';
import type { Input } from '../lane/inputs.js';
import type { Partition } from '../lane/partition.js';
import { ChildEffects } from './child-effects.js';
import { EffectPerformer } from './effects.js';
import { LimiterEffects } from './limiter-effects.js';
import { ScheduleEffects } from './schedule-effects.js';
import { StartableConfigs } from './startable-configs.js';
import { StreamSender } from './stream-sender.js';
import type { StreamSenderParts } from './stream-sender.js';

interface OpenEffectsParts extends Pick<StreamSenderParts, 'partitionCount' | 'own'> {
  readonly ports: EnginePorts;
  readonly registry: ConfigRegistry;
  readonly counters: EngineCounters;
  readonly submit: (partition: Partition, input: Input) => void;
  readonly sampled: ((traceId: string) => boolean) | undefined;
}

/** What performs the effects of executions, of schedules and of limiters. */
export function openEffects(parts: OpenEffectsParts): {
  effects: EffectPerformer;
  schedules: ScheduleEffects;
  limiters: LimiterEffects;
  startable: StartableConfigs;
} {
  const { ports, registry, counters, partitionCount, own, submit, sampled } = parts;
  const { clock, bus, log } = ports;
  const sender = new StreamSender({ clock, bus, partitionCount, own });
  const startable = new StartableConfigs({ clock, configs: ports.configs, registry, evaluator: ports.evaluator });
  const schedules = new ScheduleEffects({
    clock,
    startable,
    evaluator: ports.evaluator,
    starts: ports.starts,
    sender,
    log,
    submit,
  });
  const effects = new EffectPerformer({
    clock,
    bus,
    tokens: ports.tokens,
    configs: ports.configs,
    registry,
    evaluator: ports.evaluator,
    sender,
    children: new ChildEffects({
      clock,
      startable,
      starts: ports.starts,
      sender,
      log,
      submit,
      sampled,
    }),
    log,
    counters,
    submit,
    ...(sampled === undefined ? {} : { sampled }),
  });
  return { effects, schedules, limiters: new LimiterEffects({ clock, sender, submit }), startable };
}
