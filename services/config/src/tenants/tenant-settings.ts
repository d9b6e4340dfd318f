import { etagOf, objectOf, preconditionRefusal } from '@batuta/contracts';
import type { Preconditions, Principal, TenantSettings, TenantSettingsReply } from '@batuta/contracts';
import { Injectable } from '@nestjs/common';
import { invalid, refuse } from '../access/refusals.js';
import { ConfigRows } from '../database/data-source.js';
import { leasesEnded } from '../definitions/lease.js';
import { Report, documentCheck, guardJson, isRecord } from '@batuta/documents';
import { visibleTo } from './visible-tenant.js';

interface SettingsRow {
  readonly id: string;
  readonly settings: Partial<TenantSettings>;
}

const NOT_FOUND = refuse('not_found', 'There is no such tenant.');
const bodyShape = documentCheck(
  objectOf('What tenants choose.', {
    global_configs: { description: 'Whether global configs may be run.', type: 'boolean' },
  }),
);

/** What tenants have chosen for themselves: their admins say it, and those of the platform's tenant. */
@Injectable()
export class TenantSettingsRegistry {
  readonly #rows: ConfigRows;

  constructor(rows: ConfigRows) {
    this.#rows = rows;
  }

  async get(principal: Principal, tenantId: unknown): Promise<TenantSettingsReply> {
    const id = visibleTo(principal, tenantId);
    const read = 'SELECT id, settings FROM config.tenants WHERE id = $1';
    const [row] = id === undefined ? [] : await this.#rows.of(id).query<SettingsRow[]>(read, [id]);
    return row === undefined ? NOT_FOUND : replyOf(row);
  }

  /** Sets all of them; what is left out is off. Returns when no start holds what was allowed before. */
  async put(
    principal: Principal,
    tenantId: unknown,
    body: unknown,
    preconditions?: Preconditions,
  ): Promise<TenantSettingsReply> {
    const id = visibleTo(principal, tenantId);
    if (id === undefined) return NOT_FOUND;
    const report = new Report();
    guardJson(body, report);
    bodyShape(body, '', report);
    if (report.total > 0) return invalid('The settings', report.violations, report.total);
    const settings: TenantSettings = { globalConfigs: isRecord(body) && body['global_configs'] === true };
    const reply = await this.#rows.of(id).transaction(async (manager): Promise<TenantSettingsReply> => {
      const locked = 'SELECT id, settings FROM config.tenants WHERE id = $1 FOR UPDATE';
      const [before] = await manager.query<SettingsRow[]>(locked, [id]);
      if (before === undefined) return NOT_FOUND;
      const refused = preconditionRefusal(preconditions, { etag: tagOf(before) });
      if (refused !== undefined) return { refused };
      await manager.query('UPDATE config.tenants SET settings = $2 WHERE id = $1', [id, JSON.stringify(settings)]);
      return replyOf({ id, settings });
    });
    if (reply.refused === undefined) await leasesEnded();
    return reply;
  }
}

const held = ({ settings }: SettingsRow): TenantSettings => ({ globalConfigs: settings.globalConfigs === true });
const tagOf = (row: SettingsRow): string => etagOf({ id: row.id, settings: { ...held(row) } });

function replyOf(row: SettingsRow): TenantSettingsReply {
  return { tenantId: row.id, settings: held(row), etag: tagOf(row) };
}
