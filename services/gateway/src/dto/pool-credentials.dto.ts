import { ApiPropertyOptional } from '@nestjs/swagger';
import { aFutureTime, aName, Follows, Maybe } from './rules.js';

export class PoolCredentialsBody {
  @ApiPropertyOptional({
    description: 'A name to recognise the credentials.',
    maxLength: 255,
    example: 'worker on host 7',
  })
  @Maybe()
  @Follows(aName(255))
  name?: string;

  @ApiPropertyOptional({ description: 'When the credentials expire; default: in 30 days.', format: 'date-time' })
  @Maybe()
  @Follows(aFutureTime)
  expires_at?: string;
}
