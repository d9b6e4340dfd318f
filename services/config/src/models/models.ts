import { etagOf, preconditionRefusal, secretNames, TOKEN_SCHEMA } from '@batuta/contracts';
import type { ListModelsReply, Model, ModelReply, Preconditions, Principal } from '@batuta/contracts';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { ConfigRows } from '../database/data-source.js';
import { invalid, refuse } from '../access/refusals.js';
import { findable, textField } from '../access/requests.js';
import { Report, documentCheck, guardJson, isRecord } from '@batuta/documents';
import { Secrets } from '../secrets/secrets.js';
import { modelShape, reportModel } from './model-shape.js';
import type { ModelBody } from './model-shape.js';

const token = documentCheck(TOKEN_SCHEMA);
const MAX_MODELS = 200;
const COLUMNS = 'tenant_id, name, said, revision, updated_at';

interface Row {
  readonly tenant_id: string;
  readonly name: string;
  readonly said: ModelBody;
  readonly revision: number;
  readonly updated_at: Date;
}

/** The models of each tenant: names for a provider, the provider's model id, and the secret with the key. */
@Injectable()
export class Models {
  readonly #rows: ConfigRows;
  readonly #secrets: Secrets;

  constructor(rows: ConfigRows, secrets: Secrets) {
    this.#rows = rows;
    this.#secrets = secrets;
  }

  /** Makes or changes a model. Each change raises its revision by one. */
  async put(principal: Principal, name: unknown, body: unknown, preconditions?: Preconditions): Promise<ModelReply> {
    const { tenantId } = principal;
    const model = textField(name);
    const report = new Report();
    token(model, '/name', report);
    guardJson(body, report);
    modelShape(body, '', report);
    if (isRecord(body)) reportModel(body, report);
    if (report.total > 0) return invalid('The model', report.violations, report.total);
    const said = modelShape.withoutNulls(body) as ModelBody;
    const [key] = secretNames(said.api_key ?? '');
    if (key !== undefined) {
      const { known, meant } = await this.#secrets.known(tenantId, [key]);
      if (!known.includes(key)) {
        const near = meant[key];
        const hint = near === undefined ? `make it with PUT /api/v1/secrets/${key}` : `did you mean "${near}"?`;
        const message = `there is no secret "${key}"; ${hint}`;
        return invalid('The model', [{ path: '/api_key', code: 'unknown_secret', message }]);
      }
    }
    return this.#rows.of(tenantId).transaction(async (manager): Promise<ModelReply> => {
      // Counted under a lock of the tenant, so that two concurrent requests cannot exceed the limit.
      await manager.query('SELECT id FROM config.tenants WHERE id = $1 FOR UPDATE', [tenantId]);
      const before = await lockedRow(manager, tenantId, model);
      const refused = preconditionRefusal(preconditions, before === undefined ? undefined : tagged(before));
      if (refused !== undefined) return { refused };
      if (before === undefined) {
        const [{ count } = { count: 0 }] = await manager.query<{ count: number }[]>(
          'SELECT count(*)::int AS count FROM config.models WHERE tenant_id = $1',
          [tenantId],
        );
        if (count >= MAX_MODELS) return refuse('conflict', `A tenant may have at most ${MAX_MODELS} models.`);
      }
      const [row] = await manager.query<Row[]>(
        `INSERT INTO config.models AS m (tenant_id, name, said, revision) VALUES ($1, $2, $3, 1)
           ON CONFLICT (tenant_id, name) DO UPDATE SET said = excluded.said, revision = m.revision + 1, updated_at = now()
           RETURNING ${COLUMNS}`,
        [tenantId, model, JSON.stringify(said)],
      );
      if (row === undefined) throw new Error('the model that was stored is not there');
      return { ...replyOf(row), ...(before === undefined ? { created: true } : {}) };
    });
  }

  async get(tenantId: string, name: unknown): Promise<ModelReply> {
    const [row] = await this.#rows
      .of(tenantId)
      .query<Row[]>(`SELECT ${COLUMNS} FROM config.models WHERE tenant_id = $1 AND name = $2`, [
        tenantId,
        findable(name, 64) ?? '',
      ]);
    return row === undefined ? refuse('not_found', 'There is no such model.') : replyOf(row);
  }

  /** The tenant's models by name. */
  async list(tenantId: string): Promise<ListModelsReply> {
    const rows = await this.#rows
      .of(tenantId)
      .query<Row[]>(`SELECT ${COLUMNS} FROM config.models WHERE tenant_id = $1 ORDER BY name LIMIT $2`, [
        tenantId,
        MAX_MODELS,
      ]);
    return { models: rows.map(toModel) };
  }

  /** Deletes a model. Later calls that name it fail with `model_unknown`. */
  async delete(principal: Principal, name: unknown, preconditions?: Preconditions): Promise<ModelReply> {
    const { tenantId } = principal;
    const model = findable(name, 64) ?? '';
    return this.#rows.of(tenantId).transaction(async (manager): Promise<ModelReply> => {
      const found = await lockedRow(manager, tenantId, model);
      if (found === undefined) return refuse('not_found', 'There is no such model.');
      const refused = preconditionRefusal(preconditions, tagged(found));
      if (refused !== undefined) return { refused };
      await manager.query('DELETE FROM config.models WHERE tenant_id = $1 AND name = $2', [tenantId, model]);
      return { model: toModel(found) };
    });
  }
}

async function lockedRow(manager: EntityManager, tenantId: string, name: string): Promise<Row | undefined> {
  const [row] = await manager.query<Row[]>(
    `SELECT ${COLUMNS} FROM config.models WHERE tenant_id = $1 AND name = $2 FOR UPDATE`,
    [tenantId, name],
  );
  return row;
}

function toModel({ said, name, tenant_id: tenantId, revision, updated_at: updatedAt }: Row): Model {
  const {
    base_url: baseUrl,
    api_key: apiKey,
    max_output_tokens: maxOutputTokens,
    context_tokens: contextTokens,
  } = said;
  const { provider, model, description = '', temperature, prices, stream } = said;
  return {
    name,
    provider,
    model,
    description,
    ...(baseUrl === undefined ? {} : { baseUrl }),
    ...(apiKey === undefined ? {} : { apiKey }),
    ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
    ...(temperature === undefined ? {} : { temperature }),
    ...(contextTokens === undefined ? {} : { contextTokens }),
    ...(prices === undefined ? {} : { prices }),
    ...(stream === undefined ? {} : { stream }),
    revision,
    updatedAt: updatedAt.getTime(),
    tenantId,
  };
}

function tagged(row: Row): { etag: string; version: number } {
  const shown = toModel(row);
  return { etag: etagOf(shown, shown.revision), version: shown.revision };
}

const replyOf = (row: Row): ModelReply => ({ model: toModel(row), etag: tagged(row).etag });
