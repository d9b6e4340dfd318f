import { IdempotencyKeys } from '@batuta/service';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Stores the answers to requests with an `Idempotency-Key` for a day. */
export class RememberIdempotencyKeys1700000000040 implements MigrationInterface {
  readonly name = 'RememberIdempotencyKeys1700000000040';

  async up(queryRunner: QueryRunner): Promise<void> {
    for (const statement of IdempotencyKeys.statements('config')) await queryRunner.query(statement);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('DROP TABLE config.idempotency_keys');
  }
}
