import type { Dto } from './checked.js';
import { AckBody } from './ack.dto.js';
import { ApiKeyBody } from './api-key.dto.js';
import { DocumentBody } from './document.dto.js';
import { CancelBody, DecisionBody, ExecuteBody, ForkBody, PauseBody, ReasonBody, SignalBody } from './execute.dto.js';
import { PoolCredentialsBody } from './pool-credentials.dto.js';

/**
 * Bodies that the gateway checks, by the name of their schema. Every other body is checked by the service that receives
 * it.
 */
export const DTOS: Readonly<Record<string, Dto<object>>> = {
  AckBody,
  ApiKeyBody,
  CancelBody,
  DecisionBody,
  DocumentBody,
  ExecuteBody,
  ForkBody,
  PauseBody,
  PoolCredentialsBody,
  ReasonBody,
  SignalBody,
};
