import { ROLES, TENANT_ID } from '@batuta/contracts';
import type { Role } from '@batuta/contracts';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsString, Length, Matches } from 'class-validator';
import { IsFutureTime, Maybe } from './rules.js';

export class ApiKeyBody {
  @ApiProperty({ description: 'Who the key acts as.', maxLength: 255, example: 'ada' })
  @IsString()
  @Length(1, 255)
  user_id!: string;

  @ApiProperty({ enum: ROLES, description: 'viewer reads; operator also writes and runs; admin also manages keys.' })
  @IsIn(ROLES, { message: `role must be one of ${ROLES.join(', ')}` })
  role!: Role;

  @ApiPropertyOptional({ description: 'To recognise the key by.', maxLength: 255, example: 'laptop' })
  @Maybe()
  @IsString()
  @Length(1, 255)
  name?: string;

  @ApiPropertyOptional({ description: 'When the key ends; never when left out.', format: 'date-time' })
  @Maybe()
  @IsFutureTime()
  expires_at?: string;

  @ApiPropertyOptional({
    description: 'Another tenant to make the key in; only for admins of the tenant `default`.',
    pattern: TENANT_ID.source,
  })
  @Maybe()
  @Matches(TENANT_ID, { message: 'tenant_id must be 1 to 40 lower case letters, digits and hyphens' })
  tenant_id?: string;
}
