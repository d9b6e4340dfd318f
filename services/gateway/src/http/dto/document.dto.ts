import { KNOWLEDGE_LIMITS } from '@batuta/contracts';
import type { JsonObject } from '@batuta/contracts';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsObject, IsString, Length } from 'class-validator';
import { Maybe } from './rules.js';

const CONTENT_TYPES = ['text/markdown', 'text/plain'] as const;

export class DocumentBody {
  @ApiProperty({
    description: 'A path or URL, unique in the tenant: a document with the same source is replaced.',
    maxLength: KNOWLEDGE_LIMITS.source,
    example: 'runbooks/checkout.md',
  })
  @IsString()
  @Length(1, KNOWLEDGE_LIMITS.source)
  source!: string;

  @ApiPropertyOptional({
    maxLength: KNOWLEDGE_LIMITS.title,
    description: 'Default: the first heading, else the source.',
  })
  @Maybe()
  @IsString()
  @Length(1, KNOWLEDGE_LIMITS.title)
  title?: string;

  @ApiPropertyOptional({ enum: CONTENT_TYPES, default: 'text/markdown' })
  @Maybe()
  @IsIn(CONTENT_TYPES, { message: `content_type must be one of ${CONTENT_TYPES.join(', ')}` })
  content_type?: (typeof CONTENT_TYPES)[number];

  @ApiProperty({ description: 'The text itself.', example: '# Checkout\n\nRestart the payment worker first.' })
  @IsString()
  @Length(1)
  content!: string;

  @ApiPropertyOptional({ type: 'object', additionalProperties: true })
  @Maybe()
  @IsObject()
  metadata?: JsonObject;
}
