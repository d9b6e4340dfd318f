import { once } from 'node:events';
import { join } from 'node:path';
import { pruneAudit } from '@batuta/config';
import { writeDeployment } from '@batuta/nats-accounts';
import { createLogger } from '@batuta/observability';
import { mistakeOf } from '@batuta/program';
import { commandLine } from '../command-line.js';
import { CliError, clientOf, findPlatform, shownError } from './api-client.js';
import { auditLines, exportedAudit, verifyAudit } from './audit.js';
import { withDatabase } from './database.js';
import { examine } from './doctor/doctor.js';
import { runDemo } from './demo/demo.js';
import { eraseTenantHere } from './erase-tenant.js';
import { environmentLines } from './environment.js';
import { addKnowledge } from './knowledge.js';
import { dataDir } from './places.js';
import { rebuild } from './rebuild.js';
import { reencrypt } from './reencrypt.js';
import { runActions } from './run-actions.js';
import { endWithReader, out, outJson } from './output.js';
import { pauseLine } from './pauses.js';
import { consentToTools, mcpServerLine, mcpToolLine, setMcpServer } from './mcp-servers.js';
import { retentionLine, setRetention } from './retention.js';
import { secretLines, setSecret } from './secrets.js';
import { startHere, stopSignal } from './start.js';
import { verify } from './verify.js';
import { terminalJson, terminalText } from './terminal-text.js';
import { changedWork, createWork, shownWork, workLines } from './work.js';

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

const program = commandLine({
  ...runActions,

  async start(options) {
    let interrupted = false;
    const stopped = stopSignal().then((signal) => {
      interrupted = true;
      out(`\n  ${signal}: stopping …`);
    });
    const logger = createLogger({ service: 'batuta' });
    const platform = await startHere({ logger, ...options }).catch((error: unknown) => {
      // The signal may have ended something that the start was waiting for. That is no failure.
      if (!interrupted) throw error;
      return undefined;
    });
    if (!interrupted && platform !== undefined) {
      out();
      out(`  Batuta is ready at ${platform.url}`);
      if (platform.takenPort !== undefined) {
        out(
          `  NOT at port ${platform.takenPort}, which another program has. Another port of your choice: --port <number>`,
        );
      }
      out(`  API reference      ${platform.url}/docs`);
      out(`  API key            ${platform.apiKeyFile}`);
      const own = process.env['BATUTA_DATA_DIR'] ? `BATUTA_DATA_DIR='${dataDir().replaceAll("'", `'\\''`)}' ` : '';
      out(`  For a shell        eval "$(${own}npm run -s batuta env)"`);
      out(`  Ctrl-C stops everything.`);
      out();
    }
    await stopped;
    await platform?.stop();
    out('  Stopped.');
  },

  demo: (name) => runDemo(name, out),

  async env({ pool }) {
    for (const line of await environmentLines(dataDir(), pool)) out(line);
  },

  async credentials({ out: directory, pool, natsName, postgresName, ...options }) {
    const names = { natsNames: natsName, postgresNames: postgresName };
    const written = await writeDeployment({ directory, pools: pool, ...names, ...options }).catch((error: unknown) => {
      throw error instanceof RangeError ? new CliError(error.message) : error;
    });
    for (const file of written) out(join(directory, file));
    if (written.length === 0) out('everything is there already');
  },

  async addKnowledge(directory) {
    const client = clientOf(await findPlatform(dataDir()));
    let count = 0;
    await addKnowledge(client, directory, ({ source, passages, unchanged }) => {
      count += 1;
      out(`${unchanged ? 'unchanged' : 'added    '}  ${source}  (${counted(passages, 'passage')})`);
    });
    out(counted(count, 'document'));
  },

  async listKnowledge() {
    const client = clientOf(await findPlatform(dataDir()));
    for await (const { source, passages } of client.knowledge.list()) {
      out(`${source}  (${counted(passages, 'passage')})`);
    }
  },

  async listWork(noun, options) {
    for await (const line of workLines(clientOf(await findPlatform(dataDir())), noun, options)) out(line);
  },

  async showWork(noun, id) {
    outJson(await shownWork(clientOf(await findPlatform(dataDir())), noun, id));
  },

  async createWork(noun, file) {
    outJson(await createWork(clientOf(await findPlatform(dataDir())), noun, file));
  },

  async changeWork(noun, verb, id, options) {
    const client = clientOf(await findPlatform(dataDir()));
    outJson(await changedWork(client, noun, verb, id, options));
  },

  async setSecret(name, { description }) {
    const version = await setSecret(clientOf(await findPlatform(dataDir())), name, description);
    out(`${name}  version ${version}`);
  },

  async listSecrets() {
    for await (const line of secretLines(clientOf(await findPlatform(dataDir())))) out(line);
  },

  async removeSecret(name) {
    await clientOf(await findPlatform(dataDir())).secrets.delete(name);
    out(`${name}  deleted`);
  },

  async pause(kind, name, { reason }) {
    const { pauses } = clientOf(await findPlatform(dataDir()));
    out(pauseLine(await pauses.begin(kind, name, reason === undefined ? {} : { reason })));
  },

  async resume(kind, name) {
    await clientOf(await findPlatform(dataDir())).pauses.end(kind, name);
    out(`${kind} ${name}  resumed`);
  },

  async listPauses() {
    const { pauses } = await clientOf(await findPlatform(dataDir())).pauses.list();
    if (pauses.length === 0) out('nothing is paused');
    for (const pause of pauses) out(pauseLine(pause));
  },

  async setRetention(name, options) {
    out(retentionLine(await setRetention(clientOf(await findPlatform(dataDir())), name, options)));
  },

  async listRetention() {
    const { policies } = await clientOf(await findPlatform(dataDir())).retentionPolicies.list();
    for (const policy of policies) out(retentionLine(policy));
  },

  async removeRetention(name) {
    await clientOf(await findPlatform(dataDir())).retentionPolicies.delete(name);
    out(`${name}  deleted`);
  },

  async listMcpServers() {
    const { servers } = await clientOf(await findPlatform(dataDir())).mcpServers.list();
    for (const server of servers) out(mcpServerLine(server));
  },

  async setMcpServer(name, url, options) {
    out(mcpServerLine(await setMcpServer(clientOf(await findPlatform(dataDir())), name, url, options)));
  },

  async listMcpTools(name) {
    const { tools } = await clientOf(await findPlatform(dataDir())).mcpServers.tools(name);
    for (const tool of tools) out(mcpToolLine(tool));
  },

  async consentToTools(name, tools) {
    out(mcpServerLine(await consentToTools(clientOf(await findPlatform(dataDir())), name, tools)));
  },

  async removeMcpServer(name) {
    await clientOf(await findPlatform(dataDir())).mcpServers.delete(name);
    out(`${name}  deleted`);
  },

  async restoreArchived(ids, { reason }) {
    const client = clientOf(await findPlatform(dataDir()));
    for (const id of ids) {
      const { status } = await client.executions.restore(id, reason === undefined ? {} : { reason });
      out(`${id}  restored, ${status}`);
    }
  },

  async listAudit({ limit = 50, ...options }) {
    const client = clientOf(await findPlatform(dataDir()));
    for await (const line of auditLines(client, options, limit)) out(line);
  },

  async exportAudit(options) {
    for await (const line of exportedAudit(clientOf(await findPlatform(dataDir())), options)) {
      // Waits for the reader of standard output.
      if (!process.stdout.write(`${terminalJson(line)}\n`)) await once(process.stdout, 'drain');
    }
  },

  async verifyAudit(options) {
    const client = clientOf(await findPlatform(dataDir()));
    const { entries, wrong } = await verifyAudit(exportedAudit(client, options));
    out(`${entries} ${entries === 1 ? 'entry holds' : 'entries hold'} together`);
    if (wrong === undefined) return;
    out(wrong);
    process.exitCode = 1;
  },

  async pruneAudit({ olderThan }) {
    const before = new Date(Date.now() - olderThan);
    const removed = await withDatabase(dataDir(), (databaseUrl) => pruneAudit(databaseUrl, before));
    out(`removed ${removed} from before ${before.toISOString()}`);
  },

  async listTenants() {
    for await (const { id } of clientOf(await findPlatform(dataDir())).tenants.list()) out(id);
  },

  async tenantSettings(tenant, { globalConfigs }) {
    const { tenants } = clientOf(await findPlatform(dataDir()));
    const settings =
      globalConfigs === undefined
        ? await tenants.settings(tenant)
        : await tenants.setSettings(tenant, { global_configs: globalConfigs === 'on' });
    out(`${tenant}  global configs ${settings.global_configs ? 'on' : 'off'}`);
  },

  async eraseTenant(tenant, { confirm }) {
    const { rows, open, active, archives, erased } = await eraseTenantHere(dataDir(), tenant, confirm, (table, count) =>
      out(`removed  ${table}  ${count}`),
    );
    if (erased) return out(`${tenant} is erased${archives > 0 ? `, with ${counted(archives, 'archive file')}` : ''}`);
    for (const [table, count] of Object.entries(rows)) out(`${table}  ${count}`);
    if (archives > 0) out(counted(archives, 'archive file'));
    if (active > 0) out(`${counted(active, 'schedule')} of ${tenant} would start more: delete or pause them first`);
    else if (open > 0) out(`${counted(open, 'execution')} of ${tenant} have not ended: end them, then run this again`);
    if (confirm === undefined) out(`nothing was removed; to do it: batuta erase-tenant ${tenant} --confirm ${tenant}`);
    else process.exitCode = 1;
  },

  async reencrypt(options) {
    let left = 0;
    await reencrypt(dataDir(), options, (what, found) => {
      left += found?.left ?? 0;
      if (found === undefined) return out(`${what}  no key is set: nothing to do`);
      const rest = options.check === true ? `${found.left} not under the first key` : `${found.left} cannot be read`;
      out(`${what}  ${options.check === true ? '' : `${found.renewed} encrypted anew, `}${rest}`);
    });
    if (left === 0) return out('everything is under the first key: other keys are needed by old backups only');
    process.exitCode = 1;
  },

  async doctor(options) {
    if (!(await examine(dataDir(), options, out))) process.exitCode = 1;
  },

  async rebuild() {
    const { executions, stepRuns } = await rebuild(dataDir());
    out(`rebuilt ${executions} executions and ${stepRuns} step runs from the event log`);
  },

  async verify(which, { tenant }) {
    const summary = await verify(dataDir(), which, tenant, (found) => {
      out(`${found.executionId}  ${found.where}  ${found.what}`);
    });
    const { executions, events, snapshots, unlinked, checkpoints, different, behind } = summary;
    out(`folded ${executions} executions (${events} events, ${snapshots} snapshots): ${different} differ`);
    if (unlinked > 0) out(`${unlinked} events are from a version without links: nothing vouches for them`);
    if (checkpoints > 0) out(`compared ${checkpoints} signed checkpoints with the links that are stored`);
    if (behind > 0) {
      out(`${behind} have newer events than their step runs; the execution service projects them when it runs`);
    }
    if (different > 0) process.exitCode = 1;
  },
});

// A platform that runs here has to be stopped, whoever reads what it says.
program.hook('preAction', (_, command) => {
  const runsPlatform = command.parent === program && ['start', 'demo'].includes(command.name());
  if (!runsPlatform) endWithReader();
});

export async function main(): Promise<void> {
  try {
    await program.parseAsync();
  } catch (thrown) {
    const error = shownError(thrown);
    const mistake = mistakeOf(error);
    const text = mistake ?? (error instanceof Error ? (error.stack ?? error.message) : String(error));
    process.stderr.write(`${terminalText(text)}\n`);
    process.exitCode = 1;
  }
}
