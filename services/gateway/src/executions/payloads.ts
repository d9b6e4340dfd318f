import { operations } from '@batuta/contracts';
import type { Event, ExecutionView, GetPayloadReply, GetPayloadRequest, JsonValue, StepView } from '@batuta/contracts';
import { accepted } from '../http/problem.js';
import type { Backend } from '../backend/backend.js';

/** The path of an execution. The links to its payloads begin with it. */
const executionPath = (executionId: string): string => `/api/v1/orchestrations/executions/${executionId}`;

/** A payload of any size, read part by part. @throws Problem not_found, step_not_found, unavailable. */
export async function readPayload(
  backend: Pick<Backend, 'ask'>,
  request: Omit<GetPayloadRequest, 'from'>,
): Promise<JsonValue> {
  const parts: string[] = [];
  for (let from = 0; ;) {
    const part = accepted(
      await backend.ask<GetPayloadReply>(operations.executions.output.subject, { ...request, from }),
    );
    parts.push(part.text ?? '');
    if ((part.nextFrom ?? 0) <= from) break;
    from = part.nextFrom ?? 0;
  }
  return JSON.parse(parts.join('')) as JsonValue;
}

/** The events of a page. Data that were too large for the page are read separately. */
export async function wholeEvents(
  backend: Pick<Backend, 'ask'>,
  tenantId: string,
  events: readonly Event[],
): Promise<Event[]> {
  const whole: Event[] = [];
  for (const event of events) {
    if (event.dataOmitted === undefined) {
      whole.push(event);
      continue;
    }
    const { executionId, version: atVersion } = event;
    const read = await readPayload(backend, { tenantId, executionId, atVersion, payload: 'event' });
    whole.push(read as unknown as Event);
  }
  return whole;
}

/** An event with a link to its data, if they were left out. */
export function linkedEvent(event: Event): Event {
  if (event.dataOmitted === undefined) return event;
  const href = `${executionPath(event.executionId)}/events/${event.version}`;
  return { ...event, dataOmitted: { ...event.dataOmitted, href } };
}

function linkedStep(path: string, step: StepView): StepView {
  const { outputOmitted, approval } = step;
  const own = `${path}/steps/${step.stepId}`;
  const omitted = approval?.inputOmitted !== undefined || approval?.dataOmitted !== undefined;
  if (outputOmitted === undefined && !omitted) return step;
  return {
    ...step,
    ...(outputOmitted === undefined ? {} : { outputOmitted: { ...outputOmitted, href: `${own}/output` } }),
    ...(approval === undefined || !omitted
      ? {}
      : {
          approval: {
            ...approval,
            ...(approval.inputOmitted === undefined ? {} : { inputOmitted: { ...approval.inputOmitted, href: own } }),
            ...(approval.dataOmitted === undefined ? {} : { dataOmitted: { ...approval.dataOmitted, href: own } }),
          },
        }),
  };
}

/** A view with links to the payloads that were left out. */
export function linkedView(view: ExecutionView): ExecutionView {
  const path = executionPath(view.id);
  return {
    ...view,
    steps: (view.steps ?? []).map((step) => linkedStep(path, step)),
    ...(view.consensus === undefined
      ? {}
      : {
          consensus: view.consensus.map((group) =>
            group.outputOmitted === undefined
              ? group
              : {
                  ...group,
                  outputOmitted: { ...group.outputOmitted, href: `${path}/steps/${group.groupId}/output` },
                },
          ),
        }),
  };
}
