import { KNOWLEDGE_LIMITS } from '@batuta/contracts';
import type { JsonObject } from '@batuta/contracts';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { aName, aText, Follows, Maybe, oneOf, someMetadata } from './rules.js';

const CONTENT_TYPES = ['text/markdown', 'text/plain'] as const;

export class DocumentBody {
  @ApiProperty({
    description: 'A path or URL, unique in the tenant: a document with the same source is replaced.',
    maxLength: KNOWLEDGE_LIMITS.source,
    example: 'runbooks/checkout.md',
  })
  @Follows(aName(KNOWLEDGE_LIMITS.source))
  source!: string;

  @ApiPropertyOptional({
    maxLength: KNOWLEDGE_LIMITS.title,
    description: 'Default: the first heading, else the source.',
  })
  @Maybe()
  @Follows(aText(KNOWLEDGE_LIMITS.title))
  title?: string;

  @ApiPropertyOptional({
    description: 'Markdown is split by its headings.',
    enum: CONTENT_TYPES,
    default: 'text/markdown',
  })
  @Maybe()
  @Follows(oneOf(CONTENT_TYPES))
  content_type?: (typeof CONTENT_TYPES)[number];

  @ApiProperty({ description: 'The text itself.', example: '# Checkout\n\nRestart the payment worker first.' })
  @Follows(aText(Infinity, 1))
  content!: string;

  @ApiPropertyOptional({ type: 'object', additionalProperties: true })
  @Maybe()
  @Follows(someMetadata)
  metadata?: JsonObject;
}
