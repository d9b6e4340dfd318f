import type {
  BackfillSchedule,
  CreateSchedule,
  Principal,
  Refusal,
  RunEnd,
  TriggerSchedule,
  UpdateSchedule,
} from '@batuta/contracts';

interface CommandBase {
  readonly id: string;
  /** Epoch ms. The time of every event that the command causes. */
  readonly at: number;
}

interface OutsideBase extends CommandBase {
  readonly by: string;
  /** The required revision of the definition. 0: any. */
  readonly expectedVersion: number;
}

/** The input of the decider of schedules. */
export type ScheduleCommandInput =
  | (OutsideBase & {
      readonly type: 'CreateSchedule';
      readonly scheduleId: string;
      readonly principal: Principal;
      readonly create: CreateSchedule;
    })
  | (OutsideBase & { readonly type: 'UpdateSchedule'; readonly update: UpdateSchedule })
  | (OutsideBase & { readonly type: 'PauseSchedule'; readonly reason: string })
  | (OutsideBase & { readonly type: 'ResumeSchedule'; readonly reason: string })
  | (OutsideBase & { readonly type: 'TriggerSchedule'; readonly trigger: TriggerSchedule })
  | (OutsideBase & { readonly type: 'BackfillSchedule'; readonly backfill: BackfillSchedule })
  | (OutsideBase & { readonly type: 'DeleteSchedule' })
  | (CommandBase & { readonly type: 'WakeSchedule' })
  | (CommandBase & {
      /** The outcome of a start. */
      readonly type: 'RecordStart';
      readonly executionId: string;
      readonly outcome: 'started' | 'existed' | 'refused';
      readonly refusal?: Refusal;
      /** Set when it has ended already. */
      readonly ended?: RunEnd;
    })
  | (CommandBase & { readonly type: 'RecordEnd'; readonly executionId: string; readonly status: RunEnd });
