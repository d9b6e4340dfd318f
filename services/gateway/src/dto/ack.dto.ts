import { ApiProperty } from '@nestjs/swagger';
import { Follows, oneOf, someTexts } from './rules.js';

export const MAX_ACKS = 1_000;

/** Acknowledges notifications of the caller's inbox. */
export class AckBody {
  @ApiProperty({ type: [String], description: 'Ids of notifications.', maxItems: MAX_ACKS })
  @Follows(someTexts(MAX_ACKS))
  ids!: string[];
}

/** The same as a message on `/ws/notifications`. */
export class AckMessage extends AckBody {
  @ApiProperty({ enum: ['ack'] })
  @Follows(oneOf(['ack']))
  type!: 'ack';
}
