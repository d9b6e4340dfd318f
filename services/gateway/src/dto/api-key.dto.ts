import { ROLES, TENANT_ID } from '@batuta/contracts';
import type { Role } from '@batuta/contracts';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { aFutureTime, aName, aNameLike, Follows, Maybe, oneOf } from './rules.js';

export class ApiKeyBody {
  @ApiProperty({ description: 'The user that the key acts for.', maxLength: 255, example: 'ada' })
  @Follows(aName(255))
  user_id!: string;

  @ApiProperty({ enum: ROLES, description: 'viewer reads; operator also writes and runs; admin also manages keys.' })
  @Follows(oneOf(ROLES))
  role!: Role;

  @ApiPropertyOptional({ description: 'A name to recognise the key.', maxLength: 255, example: 'laptop' })
  @Maybe()
  @Follows(aName(255))
  name?: string;

  @ApiPropertyOptional({ description: 'When the key expires; default: never.', format: 'date-time' })
  @Maybe()
  @Follows(aFutureTime)
  expires_at?: string;

  @ApiPropertyOptional({
    description: 'Another tenant to make the key in; only for admins of the tenant `default`.',
    pattern: TENANT_ID.source,
  })
  @Maybe()
  @Follows(aNameLike(TENANT_ID, '1 to 40 lower case letters, digits and hyphens'))
  tenant_id?: string;
}
