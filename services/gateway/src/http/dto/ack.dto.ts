import { ApiProperty } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayMinSize, IsArray, IsIn, IsString } from 'class-validator';

export const MAX_ACKS = 1_000;

/** Acknowledges notifications of the caller's inbox. */
export class AckBody {
  @ApiProperty({ type: [String], description: 'Ids of notifications.', maxItems: MAX_ACKS })
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(MAX_ACKS)
  @IsString({ each: true })
  ids!: string[];
}

/** The same as a message on `/ws/notifications`. */
export class AckMessage extends AckBody {
  @ApiProperty({ enum: ['ack'] })
  @IsIn(['ack'], { message: 'type must be ack' })
  type!: 'ack';
}
