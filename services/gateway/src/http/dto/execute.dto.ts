import type { JsonObject, JsonValue } from '@batuta/contracts';
import { ApiPropertyOptional } from '@nestjs/swagger';
import { Allow, IsObject, IsString, Length, Matches } from 'class-validator';
import { IDEMPOTENCY_KEY } from '../headers.js';
import { IsHttpUrl, Maybe } from './rules.js';

/** What starts an execution. */
export class ExecuteBody {
  @ApiPropertyOptional({
    description: "The execution's input: any JSON. Checked against the config's `input_schema` when it has one.",
    type: 'object',
    additionalProperties: true,
    example: { service: 'checkout', since: '2025-01-31T12:00:00Z' },
  })
  @Allow()
  input?: JsonValue;

  @ApiPropertyOptional({ description: 'Your session, to find executions by.', maxLength: 255, example: 'session-42' })
  @Maybe()
  @IsString()
  @Length(1, 255)
  session_id?: string;

  @ApiPropertyOptional({
    description: 'Anything you want to keep with the execution.',
    type: 'object',
    additionalProperties: true,
    example: { ticket: 'OPS-7' },
  })
  @Maybe()
  @IsObject()
  metadata?: JsonObject;

  @ApiPropertyOptional({ description: 'Called when the execution ends.', format: 'uri', maxLength: 2048 })
  @Maybe()
  @IsHttpUrl()
  callback_url?: string;
}

/** The first message on an execute WebSocket: the same body, with the key in place of the header. */
export class ExecuteMessage extends ExecuteBody {
  @ApiPropertyOptional({ description: 'As the header `Idempotency-Key`.' })
  @Maybe()
  @Matches(IDEMPOTENCY_KEY, { message: 'idempotency_key must be 1 to 255 visible ASCII characters, without spaces' })
  idempotency_key?: string;
}

export class CancelBody {
  @ApiPropertyOptional({ description: 'Why, for people.', maxLength: 1000, example: 'not needed any more' })
  @Maybe()
  @IsString()
  @Length(0, 1000)
  reason?: string;
}
