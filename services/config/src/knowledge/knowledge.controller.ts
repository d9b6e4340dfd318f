import { subjects } from '@batuta/contracts';
import type {
  DeleteDocumentRequest,
  DocumentReply,
  GetDocumentRequest,
  ListDocumentsReply,
  ListDocumentsRequest,
  PutDocumentRequest,
  SearchKnowledgeReply,
  SearchKnowledgeRequest,
} from '@batuta/contracts';
import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { principalOf, tenantOf } from '../access/requests.js';
import { Knowledge } from './knowledge.service.js';

/** `batuta.config.knowledge.*`: requests about the knowledge base. */
@Controller()
export class KnowledgeController {
  readonly #knowledge: Knowledge;

  constructor(knowledge: Knowledge) {
    this.#knowledge = knowledge;
  }

  @MessagePattern(subjects.config.knowledgePut)
  put(@Payload() request: PutDocumentRequest): Promise<DocumentReply> {
    const { source, title, contentType, content, metadata, preconditions, idempotency } = request;
    return this.#knowledge.put(principalOf(request), {
      source,
      title,
      contentType,
      content,
      metadata,
      preconditions,
      idempotency,
    });
  }

  @MessagePattern(subjects.config.knowledgeList)
  list(@Payload() request: ListDocumentsRequest): Promise<ListDocumentsReply> {
    const { limit, cursor } = request;
    return this.#knowledge.list(principalOf(request), { limit, cursor });
  }

  @MessagePattern(subjects.config.knowledgeGet)
  get(@Payload() request: GetDocumentRequest): Promise<DocumentReply> {
    return this.#knowledge.get(principalOf(request), request.id);
  }

  @MessagePattern(subjects.config.knowledgeDelete)
  delete(@Payload() request: DeleteDocumentRequest): Promise<DocumentReply> {
    return this.#knowledge.delete(principalOf(request), request.id, request.preconditions);
  }

  @MessagePattern(subjects.config.knowledgeSearch)
  search(@Payload() request: SearchKnowledgeRequest): Promise<SearchKnowledgeReply> {
    const { query, limit } = request;
    return this.#knowledge.search(tenantOf(request), { query, limit });
  }
}
