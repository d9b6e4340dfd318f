import { subjects } from '@batuta/contracts';
import type {
  ListRetentionPoliciesReply,
  ListRetentionPoliciesRequest,
  PutRetentionPolicyRequest,
  RetentionPolicyReply,
  RetentionPolicyRequest,
} from '@batuta/contracts';
import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { RetentionPolicies } from './policies.js';

/** `batuta.execution.retention.*`. */
@Controller()
export class RetentionController {
  readonly #policies: RetentionPolicies;

  constructor(policies: RetentionPolicies) {
    this.#policies = policies;
  }

  @MessagePattern(subjects.retention.list)
  list(@Payload() { principal }: ListRetentionPoliciesRequest): Promise<ListRetentionPoliciesReply> {
    return this.#policies.list(principal);
  }

  @MessagePattern(subjects.retention.get)
  get(@Payload() { principal, name }: RetentionPolicyRequest): Promise<RetentionPolicyReply> {
    return this.#policies.get(principal, name);
  }

  @MessagePattern(subjects.retention.put)
  put(@Payload() request: PutRetentionPolicyRequest): Promise<RetentionPolicyReply> {
    const { principal, name, body, preconditions } = request;
    return this.#policies.put(principal, name, body, preconditions);
  }

  @MessagePattern(subjects.retention.delete)
  delete(@Payload() { principal, name, preconditions }: RetentionPolicyRequest): Promise<RetentionPolicyReply> {
    return this.#policies.delete(principal, name, preconditions);
  }
}
