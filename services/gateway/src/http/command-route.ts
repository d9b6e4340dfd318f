import { applyDecorators, Delete, HttpCode, Post } from '@nestjs/common';
import type { Type } from '@nestjs/common';
import { ApiBody, ApiOperation } from '@nestjs/swagger';
import { COMMAND_ROLE, DELETE_ROLE } from '@batuta/contracts';
import type { RefusalCode } from '@batuta/contracts';
import { Needs } from '../auth/principal.js';
import { Answers, CommandKey, OF_A_BODY, Refuses } from './documented.js';

export interface CommandRouteOptions {
  readonly summary: string;
  readonly description: string;
  /** The optional body, where the command takes one. */
  readonly body?: Type<unknown>;
  /** What the 200 says. */
  readonly answers: string;
  /** Beside those of every command: `not_found`, `idempotency_mismatch`, those of a malformed body, and those of every handler. */
  readonly refuses: readonly RefusalCode[];
}

/** A POST that commands an execution, for operators; answered with 200 `Commanded` after the commit. */
export const CommandRoute = (path: string, options: CommandRouteOptions): MethodDecorator =>
  applyDecorators(
    Refuses('not_found', 'execution_deleted', 'idempotency_mismatch', ...options.refuses, ...OF_A_BODY),
    Answers(200, 'Commanded', options.answers),
    CommandKey,
    ...(options.body === undefined ? [] : [ApiBody({ type: options.body, required: false })]),
    ApiOperation({ summary: options.summary, description: options.description }),
    Needs(COMMAND_ROLE),
    HttpCode(200),
    Post(path),
  );

/** The DELETE of an execution, for admins; answered with 200 `Commanded` after the commit. */
export const DeleteRoute = (options: Omit<CommandRouteOptions, 'body'>): MethodDecorator =>
  applyDecorators(
    Refuses('not_found', 'execution_deleted', 'idempotency_mismatch', ...options.refuses),
    Answers(200, 'Commanded', options.answers),
    CommandKey,
    ApiOperation({ summary: options.summary, description: options.description }),
    Needs(DELETE_ROLE),
    Delete(),
  );
