import { ApiPropertyOptional } from '@nestjs/swagger';
import { aFutureTime, aName, Follows, Maybe } from './rules.js';

export class PoolCredentialsBody {
  @ApiPropertyOptional({ description: 'To recognise the credentials by.', maxLength: 255, example: 'worker on host 7' })
  @Maybe()
  @Follows(aName(255))
  name?: string;

  @ApiPropertyOptional({ description: 'When the credentials end; in 30 days when left out.', format: 'date-time' })
  @Maybe()
  @Follows(aFutureTime)
  expires_at?: string;
}
