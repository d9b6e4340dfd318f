/** The status of a workflow, a process or a task, and of a run. */
export const WORK_STATUSES = ['PENDING', 'RUNNING', 'COMPLETED', 'FAILED', 'PAUSED'] as const;
export type WorkStatus = (typeof WORK_STATUSES)[number];

/** Numbers of tasks' priorities; 1 is the most urgent. */
export const TASK_PRIORITIES = { least: 1, most: 10, usual: 5 } as const;

/** Tasks of a workflow and steps of a process. */
export const MOST_WORK_STEPS = 1_000;
