import type { MigrationInterface, QueryRunner } from 'typeorm';

const RULE = 'orchestration_callbacks_callback_type_check';

/** Channels are known in one place, the code: a new one needs no migration. */
export class AnyChannel1700000000040 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE notifications.orchestration_callbacks DROP CONSTRAINT IF EXISTS ${RULE}`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    // Deliveries that are there already may have another channel. They end like every delivery.
    await queryRunner.query(`
      ALTER TABLE notifications.orchestration_callbacks ADD CONSTRAINT ${RULE}
        CHECK (callback_type IN ('webhook', 'email', 'sms', 'websocket')) NOT VALID`);
  }
}
