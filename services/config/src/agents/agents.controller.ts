import { subjects } from '@batuta/contracts';
import type {
  AgentReply,
  DeleteAgentRequest,
  GetAgentRequest,
  ListAgentsReply,
  ListAgentsRequest,
  PutAgentRequest,
} from '@batuta/contracts';
import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { principalOf, tenantOf } from '../access/requests.js';
import { AgentRegistry } from './agent-registry.js';

/** `batuta.config.agent.*`: requests about the registry of agents. */
@Controller()
export class AgentsController {
  readonly #agents: AgentRegistry;

  constructor(agents: AgentRegistry) {
    this.#agents = agents;
  }

  @MessagePattern(subjects.config.agentPut)
  put(@Payload() request: PutAgentRequest): Promise<AgentReply> {
    const { name, body, preconditions, merge = false } = request;
    const principal = principalOf(request);
    return merge
      ? this.#agents.patch(principal, name, body, preconditions)
      : this.#agents.put(principal, name, body, preconditions);
  }

  @MessagePattern(subjects.config.agentGet)
  get(@Payload() request: GetAgentRequest): Promise<AgentReply> {
    return this.#agents.get(tenantOf(request), request.name);
  }

  @MessagePattern(subjects.config.agentList)
  list(@Payload() request: ListAgentsRequest): Promise<ListAgentsReply> {
    return this.#agents.list(tenantOf(request));
  }

  @MessagePattern(subjects.config.agentDelete)
  delete(@Payload() request: DeleteAgentRequest): Promise<AgentReply> {
    return this.#agents.delete(principalOf(request), request.name, request.preconditions);
  }
}
