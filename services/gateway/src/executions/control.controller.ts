import { Controller } from '@nestjs/common';
import { operations } from '@batuta/contracts';
import type { AnyOperation, CommandRequest, JsonObject, JsonValue, Principal } from '@batuta/contracts';
import { principalOf } from '../auth/principal.js';
import type { AuthenticatedRequest } from '../auth/principal.js';
import { Backend } from '../backend/backend.js';
import type { Checked } from './config-schemas.js';
import { ConfigSchemas } from './config-schemas.js';
import { Executions } from './executions.js';
import { TenantLimitGate } from '../backend/tenant-limits.js';
import type { CancelBody, DecisionBody, PauseBody, ReasonBody, SignalBody } from '../dto/execute.dto.js';
import { idempotencyKeyOf } from '../http/headers.js';
import { commandIdOf, decidedIdOf, executionIdOf, signalNameOf, stepIdOf } from '../http/ids.js';
import { problemOfRefusal } from '../http/problem.js';
import { parseQuery } from '../http/query.js';
import { isFinished } from './result.js';
import { addRoute } from '../routes/add-route.js';
import { bodyOf } from '../routes/feature-controller.js';
import { routeOf } from '../routes/operation-route.js';
import { reasonOf } from './reason.js';

type Control = Pick<
  CommandRequest,
  | 'cancel'
  | 'pause'
  | 'resume'
  | 'terminate'
  | 'skipStep'
  | 'retry'
  | 'decideApproval'
  | 'signal'
  | 'compensate'
  | 'deleteExecution'
  | 'restore'
>;

/** A command as it was sent, with its body checked as its operation says. */
interface Said<Body> {
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, unknown>>;
  readonly body: Body;
}

/** A value that must fit the config of the execution. */
interface Fitting {
  readonly value: JsonValue | undefined;
  readonly check: (schemas: ConfigSchemas, checked: Checked) => Promise<void>;
}

interface Command<Body> {
  /** What the engine is told. */
  readonly control: (said: Said<Body>) => Control;
  /** What is checked before. Undefined when nothing is. */
  readonly fits?: (said: Said<Body>) => Fitting | undefined;
}

/** A command that says only why. */
const reasoned = (name: 'resume' | 'terminate' | 'retry' | 'compensate' | 'restore'): Command<ReasonBody> => ({
  control: ({ body }) => ({ [name]: reasonOf(body) }),
});

const decision = (approved: boolean): Command<DecisionBody> => ({
  control: ({ params, body: { comment, data } }) => ({
    decideApproval: {
      stepId: decidedIdOf(params['step_id'] ?? ''),
      approved,
      ...(comment == null || comment === '' ? {} : { comment }),
      ...(data === undefined ? {} : { data }),
    },
  }),
});

const pause: Command<PauseBody> = {
  control: ({ body }) => ({ pause: { ...reasonOf(body), ...(body.now === true ? { now: true } : {}) } }),
};

const cancel: Command<CancelBody> = {
  control: ({ body }) => ({ cancel: { ...reasonOf(body), ...(body.compensate === true ? { compensate: true } : {}) } }),
};

const remove: Command<undefined> = {
  control: ({ query }) => {
    const { reason, if_version: ifVersion } = query as { reason?: string; if_version?: number };
    return {
      deleteExecution: {
        ...(reason === undefined ? {} : { reason }),
        ...(ifVersion === undefined ? {} : { ifVersion }),
      },
    };
  },
};

const skip: Command<ReasonBody> = {
  control: ({ params, body }) => ({ skipStep: { stepId: stepIdOf(params['step_id'] ?? ''), ...reasonOf(body) } }),
};

const approve: Command<DecisionBody> = {
  ...decision(true),
  fits: ({ params, body: { data: value } }) => {
    const step = decidedIdOf(params['step_id'] ?? '');
    // A question about a call of a tool has no form. It may be one of an agent, whose config only the engine has.
    if (step.includes(':')) return undefined;
    return { value, check: (schemas, checked) => schemas.checkDecision(step, checked) };
  },
};

const signal: Command<SignalBody> = {
  control: ({ params, body: { payload } }) => ({
    signal: { name: signalNameOf(params['name'] ?? ''), ...(payload === undefined ? {} : { payload }) },
  }),
  fits: ({ params, body: { payload: value } }) => {
    const name = signalNameOf(params['name'] ?? '');
    return { value, check: (schemas, checked) => schemas.checkSignal(name, checked) };
  },
};

/** Every command, by its operation, which says the path, the body, the query and the answer. */
const COMMANDS = {
  pause,
  resume: reasoned('resume'),
  cancel,
  terminate: reasoned('terminate'),
  retry: reasoned('retry'),
  compensate: reasoned('compensate'),
  delete: remove,
  restore: reasoned('restore'),
  skip,
  approve,
  reject: decision(false),
  signal,
} satisfies Partial<Record<keyof typeof operations.executions, Command<never>>>;

/** Commands to an execution that was started. Every answer comes after the commit of the command. */
@Controller()
export class ControlController {
  readonly #backend: Backend;
  readonly #executions: Executions;
  readonly #schemas: ConfigSchemas;
  readonly #limits: TenantLimitGate;

  constructor(backend: Backend, executions: Executions, schemas: ConfigSchemas, limits: TenantLimitGate) {
    this.#backend = backend;
    this.#executions = executions;
    this.#schemas = schemas;
    this.#limits = limits;
  }

  /** A command to an execution, in the terms of its operation. */
  async command(
    operation: AnyOperation,
    { control, fits }: Command<never>,
    request: AuthenticatedRequest,
  ): Promise<JsonObject> {
    const principal = principalOf(request);
    const params = request.params as Readonly<Record<string, string>>;
    const body = bodyOf(operation, request) as never;
    const query = parseQuery(routeOf(operation).query ?? {}, request.query);
    const key = idempotencyKeyOf(request.headers['idempotency-key']);
    const said = { params, query, body };
    const executionId = executionIdOf(params['id'] ?? '');
    const fitting = fits?.(said);
    if (fitting !== undefined) await this.#fits(principal, executionId, fitting);
    return this.#send(principal, executionId, key, control(said));
  }

  /** When the execution has ended, nothing is checked: the engine refuses the command anyway. */
  async #fits({ tenantId }: Principal, executionId: string, { value, check }: Fitting): Promise<void> {
    const view = await this.#executions.view(tenantId, { executionId }, { payloads: 'listed' });
    if (isFinished(view.status)) return;
    const { configId, configVersion: version } = view;
    await check(this.#schemas, { tenantId, configId, version, value: value ?? null });
  }

  async #send(
    principal: Principal,
    executionId: string,
    key: string | undefined,
    control: Control,
  ): Promise<JsonObject> {
    // The user is part of the command: the same words of another user are not a repeat.
    const said = control.decideApproval ?? control.signal;
    const sayer = said === undefined ? {} : { by: principal.userId };
    const command = { executionId, ...control, ...sayer } as JsonObject;
    const [[kind, to] = []] = Object.entries(control) as [
      string,
      { stepId?: string; name?: string; approved?: boolean },
    ][];
    const route = [executionId, kind ?? '', to?.stepId ?? to?.name ?? null, to?.approved ?? null];
    const { tenantId } = principal;
    const commandId = commandIdOf(tenantId, key, { route, request: command });
    const begins = control.retry !== undefined || control.compensate !== undefined;
    if (begins && this.#limits.limitsStarts(tenantId)) {
      await this.#limits.admit({ tenantId, commandId, executionId, start: false });
    }
    const reply = await this.#backend.command({
      commandId,
      executionId,
      principal,
      ...control,
    });
    if (reply.rejected !== undefined) throw problemOfRefusal(reply.rejected);
    const { accepted } = reply;
    if (accepted === undefined) throw new Error('the engine answered a command with nothing');
    return {
      execution_id: executionId,
      trace_id: accepted.traceId,
      status: accepted.status,
      version: accepted.version,
      ...(accepted.repeated === true ? { repeated: true } : {}),
    };
  }
}

for (const [name, command] of Object.entries(COMMANDS)) {
  const operation = operations.executions[name as keyof typeof COMMANDS];
  addRoute(ControlController, name, operation, function (request) {
    return this.command(operation, command as Command<never>, request);
  });
}
