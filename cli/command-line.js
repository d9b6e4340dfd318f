// The commands of `batuta` with their options and descriptions. This is plain JavaScript, so that help works before a
// build and without loading the program (cli/bin/batuta.mjs). cli/src/command.ts implements the commands.
import { readFileSync } from 'node:fs';
import { Argument, Command, InvalidArgumentError, Option } from 'commander';

const { version } = JSON.parse(readFileSync(new URL('./package.json', import.meta.url), 'utf8'));

function portNumber(text) {
  const port = Number(text);
  if (text.trim() === '' || !Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new InvalidArgumentError('A port is a whole number from 0 to 65535.');
  }
  return port;
}

function poolName(text) {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(text)) {
    throw new InvalidArgumentError('A pool is named by 1 to 64 letters, digits, "_" and "-".');
  }
  return text;
}

const UNITS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds of an age such as `90d`. */
function age(text) {
  const [, number, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  if (unit === undefined) throw new InvalidArgumentError('An age is a number with a unit: 90d, 12h, 30m or 45s.');
  return Number(number) * UNITS[unit];
}

function count(text) {
  if (!/^\d{1,7}$/.test(text)) throw new InvalidArgumentError('It is a whole number from 0.');
  return Number(text);
}

const STATUSES = ['pending', 'running', 'paused', 'completed', 'failed', 'cancelled', 'compensation'];
const CREATE = { word: 'create', does: 'make one of a JSON document, as the API takes it' };

/** What is done to configs, executions, schedules, tasks, workflows and processes; cli/src/work.ts does it. */
const WORK = {
  configs: {
    says: 'orchestrations: steps and how they depend on each other (docs/configs.md)',
    one: 'its id or name',
    makes: { word: 'save', does: 'make one of a JSON document, or a new version of the one that has its name' },
    verbs: {},
  },
  executions: {
    says: 'what was started, and control of it (docs/orchestrations.md)',
    one: 'its id',
    filters: (command) =>
      command
        .addOption(new Option('--status <status...>', 'only those with this status').choices(STATUSES))
        .option('--config <config>', 'only those of this config: its id or name')
        .option('--session <session>', 'only those of this session'),
    verbs: {
      result: { does: 'show where it stands, and its output or failure' },
      pause: { does: 'start nothing more until it is resumed; running steps finish', reason: true },
      resume: { does: 'go on', reason: true },
      cancel: { does: 'end it now', reason: true },
      retry: { does: 'run it again from the steps that failed', reason: true },
    },
  },
  schedules: {
    says: 'executions that start by themselves (docs/schedules.md)',
    one: 'its id',
    makes: CREATE,
    verbs: {
      pause: { does: 'start nothing until it is resumed', reason: true },
      resume: { does: 'go on with the times that come', reason: true },
      trigger: { does: 'start one execution now' },
      preview: { does: 'show its next times' },
      history: { does: 'show what it has done, the oldest first' },
      rm: { does: 'delete it; what it has started goes on' },
    },
  },
  tasks: {
    says: 'agents that run once, now or at a time (docs/processes.md)',
    one: 'its id',
    makes: CREATE,
    verbs: {
      reschedule: { does: 'move the time of one that has not begun', reason: true, at: true },
      cancel: { does: 'cancel it', reason: true },
    },
  },
  workflows: {
    says: 'named sequences of tasks (docs/processes.md)',
    one: 'its id or name',
    makes: CREATE,
    verbs: {
      start: { does: 'start a run' },
      pause: { does: 'pause the newest run', reason: true },
      resume: { does: 'resume the newest run', reason: true },
      runs: { does: 'show the newest runs' },
      rm: { does: 'delete it; its runs go on' },
    },
  },
  processes: {
    says: 'sequences of workflows and tasks that wait for each other (docs/processes.md)',
    one: 'its id',
    makes: CREATE,
    verbs: {
      start: { does: 'start a run' },
      retry: { does: 'run the newest run again from the step that failed', reason: true },
      cancel: { does: 'cancel the newest run', reason: true },
      runs: { does: 'show the newest runs' },
      rm: { does: 'delete it; its runs go on' },
    },
  },
};

/** The command line. Each command calls the function of its name with its arguments and options. */
export function commandLine(actions) {
  const program = new Command('batuta')
    .description('Runs teams of agents: durable orchestrations on NATS and PostgreSQL.')
    .version(version, '-V, --version', 'show the version')
    .helpOption('-h, --help', 'show this help')
    .showHelpAfterError()
    .addHelpText(
      'after',
      `
Environment:
  BATUTA_DATA_DIR             where the platform keeps everything; default: .batuta in the checkout
  DATABASE_URL, NATS_URL      servers to use instead of own ones
  NATS_CREDS                  with NATS_URL: a file of NATS credentials, {service} for a service's name
  BATUTA_NATS_TLS_CA          with NATS_URL: a file of certificates that vouch for the server
  BATUTA_URL, BATUTA_API_KEY  a platform elsewhere, for every command but start, env, credentials, doctor, rebuild and verify
  NO_COLOR                    logs without colours`,
    );
  program
    .command('start')
    .description('start the platform here and keep it running until Ctrl-C')
    .option('--port <number>', 'port of the gateway (default: 3000, or a free one when that is taken)', portNumber)
    .action((options) => actions.start(options));
  program
    .command('demo')
    .description('run an example on live data and show it')
    .addArgument(
      new Argument('[name]', 'incident: examples/incident. agents: examples/agents, a team that asks a language model')
        .choices(['incident', 'agents'])
        .default('incident'),
    )
    .action((name) => actions.demo(name));
  program
    .command('env')
    .description('print the addresses of the platform that runs here, for a shell: eval "$(npm run -s batuta env)"')
    .option('--pool <name>', 'also NATS_CREDS: new credentials for workers of this pool, valid for 30 days', poolName)
    .action((options) => actions.env(options));
  program
    .command('credentials')
    .description('create NATS credentials, an authority and certificates for the containers of a deployment')
    .requiredOption('--out <directory>', 'where to create a folder for each container; existing valid files stay')
    .option('--pool <name...>', 'pools that the step-runner serves (default: default)', (text, before = []) => [
      ...before,
      poolName(text),
    ])
    .option('--nats-name <host...>', 'host names or addresses of nats-server, in addition to nats, nats-0.nats, …')
    .option('--postgres-name <host...>', 'host names or addresses of PostgreSQL, in addition to postgres')
    .option('--no-certificates', 'no authority and no certificates, because cert-manager creates them')
    .option('--replace <service...>', 'new credentials for these services; their old ones are revoked')
    .option('--renew-certificates', 'new server certificates, even if the old ones are still valid')
    .option('--new-authority', 'a new authority and certificates signed by it; the previous authority stays trusted')
    .action((options) => actions.credentials(options));
  program
    .command('follow')
    .description(
      'show what steps say while they run, such as the text of a model as it is written, until they are over',
    )
    .argument('<execution>', 'its id')
    .option('--step <id...>', 'only these steps')
    .option('--reasoning', 'also what models think')
    .action((id, options) => actions.follow(id, options));
  program
    .command('execute')
    .description('start an execution of a config; with one of the last three options, exits with 1 unless it completes')
    .argument('<config>', 'its id or name')
    .option('--input <json>', 'its input: JSON, or @ and a file that has it (@- for standard input)')
    .option('--session <session>', 'your session, to find executions by')
    .addOption(new Option('--priority <priority>', 'of its tasks').choices(['high', 'normal', 'low']))
    .addOption(new Option('--wait', 'wait for its end and show the result').conflicts(['follow', 'watch']))
    .addOption(new Option('--follow', 'show what its steps say, as `follow` does').conflicts('watch'))
    .option('--watch', 'show its events, as `watch` does')
    .action((config, options) => actions.execute(config, options));
  program
    .command('watch')
    .description('show each event of an execution, as it happens, until its end; exits with 1 unless it completed')
    .argument('<execution>', 'its id')
    .option('--json', 'each event as one line of JSON, with all its data')
    .action((id, options) => actions.watch(id, options));
  program
    .command('approvals')
    .description('questions to people that wait for a decision (docs/orchestrations.md)')
    .command('list')
    .description('list them, the oldest first: execution, step, config and question')
    .option('--config <config>', 'only those of this config: its id or name')
    .option('--approver <user>', 'only those that this user may decide')
    .option('--limit <number>', 'how many (default: 50)', count)
    .action((options) => actions.listApprovals(options));
  for (const [decision, does] of [
    ['approve', 'approve a step that waits for a decision'],
    ['reject', 'reject a step that waits for a decision'],
  ]) {
    program
      .command(decision)
      .description(does)
      .argument('<execution>', 'its id')
      .argument('<step>', 'its id')
      .option('--comment <text>', 'why')
      .option('--data <json>', 'kept with the decision: JSON, or @ and a file that has it')
      .action((id, step, options) => actions.decide(decision, id, step, options));
  }
  const knowledge = program.command('knowledge').description('the knowledge base that rag_handler searches');
  knowledge
    .command('add')
    .description('add documents, or new versions of them')
    .argument('<directory>', 'every Markdown and text file below it is added')
    .action((directory) => actions.addKnowledge(directory));
  knowledge
    .command('list')
    .description('list the documents')
    .action(() => actions.listKnowledge());
  for (const [noun, { says, one, makes, filters = (command) => command, verbs }] of Object.entries(WORK)) {
    const group = program.command(noun).description(says);
    filters(group.command('list').description(`list ${noun}, the newest first`))
      .option('--limit <number>', 'how many (default: 50)', count)
      .action((options) => actions.listWork(noun, options));
    group
      .command('show')
      .description('show one as JSON')
      .argument('<id>', one)
      .action((id) => actions.showWork(noun, id));
    if (makes !== undefined) {
      group
        .command(makes.word)
        .description(makes.does)
        .argument('<file>', 'a file, or - for standard input')
        .action((file) => actions.createWork(noun, file));
    }
    for (const [verb, { does, reason = false, at = false }] of Object.entries(verbs)) {
      const command = group.command(verb).description(does).argument('<id>', one);
      if (reason) command.option('--reason <text>', 'why');
      if (at) command.requiredOption('--at <time>', 'the new time, such as 2030-01-31T12:00:00Z');
      command.action((id, options) => actions.changeWork(noun, verb, id, options));
    }
  }
  const secrets = program
    .command('secrets')
    .description('secrets that configs and callbacks refer to as {{secret:NAME}}');
  secrets
    .command('set')
    .description('create a secret or change its value, which is read from standard input')
    .argument('<name>', 'letters, digits, "_" and "-"')
    .option('--description <text>', 'what it is for')
    .action((name, options) => actions.setSecret(name, options));
  secrets
    .command('list')
    .description('list the secrets, without their values')
    .action(() => actions.listSecrets());
  secrets
    .command('rm')
    .description('delete a secret')
    .argument('<name>')
    .action((name) => actions.removeSecret(name));
  const kinds = (command) => {
    const text = 'tenant, agent or pool';
    return command.addArgument(new Argument('<kind>', text).choices(['tenant', 'agent', 'pool'])).argument('<name>');
  };
  kinds(
    program
      .command('pause')
      .description(
        'hold back new tasks of a tenant, an agent or a pool; what runs goes on, what waits keeps its place',
      ),
  )
    .option('--reason <text>', 'why; steps that wait because of it show it')
    .action((kind, name, options) => actions.pause(kind, name, options));
  kinds(program.command('resume').description('give what was held back to workers')).action((kind, name) =>
    actions.resume(kind, name),
  );
  program
    .command('paused')
    .description('list what is paused, by whom, since when and why')
    .action(() => actions.listPauses());
  const retention = program
    .command('retention')
    .description('policies that permanently delete ended executions, or archive them first');
  retention
    .command('list')
    .description('list the policies')
    .action(() => actions.listRetention());
  retention
    .command('set')
    .description('create a policy, or replace it')
    .argument('<name>', 'letters, digits, "_" and "-"')
    .option('--older-than <age>', 'executions that ended at least this long ago, such as 90d or 12h', age)
    .option('--keep <number>', 'executions that are not among this number of the newest', count)
    .option('--status <status...>', 'executions with this final status: completed, failed, cancelled')
    .option('--config <id>', 'only executions of this config')
    .option('--archive', 'write the executions to the archive before they are deleted')
    .action((name, options) => actions.setRetention(name, options));
  retention
    .command('rm')
    .description('delete a policy')
    .argument('<name>')
    .action((name) => actions.removeRetention(name));
  const mcp = program.command('mcp-servers').description('servers of tools (MCP) that steps call');
  mcp
    .command('list')
    .description('list the servers')
    .action(() => actions.listMcpServers());
  mcp
    .command('set')
    .description('make a server, or replace it; another URL takes the consent to its tools away')
    .argument('<name>', 'letters, digits, "_" and "-"')
    .argument('<url>')
    .option('--header <text...>', 'such as "Authorization: Bearer {{secret:NAME}}"')
    .option('--description <text>', 'what it is for')
    .action((name, url, options) => actions.setMcpServer(name, url, options));
  mcp
    .command('tools')
    .description('list what a server offers now, and which of it may be called')
    .argument('<name>')
    .action((name) => actions.listMcpTools(name));
  mcp
    .command('consent')
    .description('let steps call these tools, as the server describes them now')
    .argument('<name>')
    .argument('<tool...>')
    .action((name, tools) => actions.consentToTools(name, tools));
  mcp
    .command('rm')
    .description('delete a server')
    .argument('<name>')
    .action((name) => actions.removeMcpServer(name));
  const archive = program
    .command('archive')
    .description('executions that retention policies have put into the archive');
  archive
    .command('restore')
    .description('put archived executions back, to be read: they do not run again; needs a key of an admin')
    .argument('<id...>', 'executions')
    .option('--reason <text>', 'why; it is kept')
    .action((ids, options) => actions.restoreArchived(ids, options));
  const audit = program.command('audit').description('the record of changes and refusals: who, what and from where');
  const filtered = (command) =>
    command
      .option('--tenant <tenant>', "the log of another tenant; needs a key of the platform's tenant")
      .option('--user <id>', 'only requests of this user')
      .option('--key <id>', 'only requests with this API key')
      .option('--action <name>', 'only this operation, such as secrets.put')
      .option('--resource <path>', 'only requests about this resource, such as secrets/TICKET_TOKEN')
      .option('--execution <id>', 'only uses of secrets by this execution')
      .addOption(
        new Option('--outcome <outcome>', 'only requests with this outcome').choices([
          'succeeded',
          'refused',
          'failed',
        ]),
      )
      .option('--from <time>', 'only from this time on, such as 2030-01-31T12:00:00Z')
      .option('--before <time>', 'only before this time');
  filtered(audit.command('list').description('list the newest entries'))
    .option('--limit <number>', 'how many (default: 50)', count)
    .action((options) => actions.listAudit(options));
  filtered(audit.command('export').description('print the entries as lines of JSON, the oldest first')).action(
    (options) => actions.exportAudit(options),
  );
  audit
    .command('verify')
    .description('check whether an entry was changed, added or removed; exits with 1 if one was')
    .option('--tenant <tenant>', "the log of another tenant; needs a key of the platform's tenant")
    .action((options) => actions.verifyAudit(options));
  audit
    .command('prune')
    .description('remove old entries of all tenants, with access to the database as the owner of its tables')
    .requiredOption('--older-than <age>', 'the age of the entries to remove, such as 400d', age)
    .action((options) => actions.pruneAudit(options));
  const tenants = program.command('tenants').description('tenants and their settings');
  tenants
    .command('list')
    .description("list the tenants; needs a key of the platform's tenant")
    .action(() => actions.listTenants());
  tenants
    .command('settings')
    .description('show the settings of a tenant, or change them')
    .argument('<tenant>')
    .addOption(
      new Option('--global-configs <switch>', 'whether global configs may be seen and run').choices(['on', 'off']),
    )
    .action((tenant, options) => actions.tenantSettings(tenant, options));
  program
    .command('erase-tenant')
    .argument('<tenant>')
    .option('--confirm <tenant>', 'the name of the tenant again; all its data are then removed permanently')
    .description('count every row of a tenant in every service; with --confirm, remove them')
    .action((tenant, options) => actions.eraseTenant(tenant, options));
  program
    .command('reencrypt')
    .description(
      'encrypt everything that is stored encrypted (secrets, signing secrets, headers of callbacks) with the first key',
    )
    .option('--new-key', 'make new keys for the platform here, which must not run; the old keys are deleted afterwards')
    .addOption(
      new Option(
        '--check',
        'change nothing, and exit with 1 if something is not encrypted under the first key',
      ).conflicts('newKey'),
    )
    .action((options) => actions.reencrypt(options));
  program
    .command('doctor')
    .description('check the platform here, or services elsewhere; exits with 1 if something has failed')
    .option('--service <name=url...>', 'services elsewhere, with the address of their /health and /metrics')
    .option('--bundle <file>', 'write all findings with the ends of the logs, without secrets, as gzip-compressed JSON')
    .action((options) => actions.doctor(options));
  program
    .command('rebuild')
    .description('drop both read models and rebuild them from the event log')
    .action(() => actions.rebuild());
  program
    .command('verify')
    .argument('<id|all>', 'an execution, or all of them')
    .option('--tenant <id>', 'with all: only the executions of this tenant')
    .description(
      'fold the event log, walk its chains, and compare with snapshots, read models and checkpoints; exits with 1 when anything differs',
    )
    .action((which, options) => actions.verify(which, options));
  return program;
}
