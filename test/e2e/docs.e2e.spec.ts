import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parse, parseAllDocuments } from 'yaml';
import { commandLine } from '../../cli/command-line.js';
import type { Actions } from '../../cli/command-line.js';
import type { Api } from '../support/api.js';
import { BatutaCommand, ROOT } from '../support/command.js';
import { DocumentSession } from '../support/document-session.js';
import type { Outcome } from '../support/document-session.js';
import { Document, commandsOf, differences, shellMistake } from '../support/documents.js';
import type { Block, Command } from '../support/documents.js';
import { LocalPlatform } from '../support/local-platform.js';

// Every block of code in the documents has a language, which says what happens to it here:
//   sh    runs in a bash whose folder is a checkout with a running platform: one shell a document, from top to bottom. Each command
//         has to succeed, and no request of curl may be refused, unless the block says `refused=<status>`.
//   json  is parsed. `file=<name>` saves it there for the commands after it; `config` is saved in the platform; `step` is saved in a
//         config; `answer` is compared with what the block of commands before it printed.
//   js    runs as a module, with the variables that the shell exported. `part` says that it is a piece of a larger program.
//   ts    is checked by the compiler as a file of the folder `in=<folder>`.
//   sql   runs in the platform's database, and is rolled back.
//   text  is for people only, and holds no command.

const documents = [
  ...readdirSync(ROOT)
    .filter((name) => name.endsWith('.md'))
    .sort(),
  'bench/peers/README.md',
  ...['docs', 'examples'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.md') && !path.includes('node_modules'))
      .sort()
      .map((path) => `${folder}/${path}`),
  ),
].map((path) => new Document(path));

interface Exception {
  readonly document: string | RegExp;
  readonly command: RegExp;
  readonly reason: string;
  /** The command that runs instead. */
  readonly instead?: (command: string) => string;
  /** A mistake that can be found without running the command. */
  readonly check?: (command: string) => string | undefined;
}

/** Scripts of package.json that a command names must exist. */
const scriptsExist = (command: string): string | undefined => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  const named = [
    ...command.matchAll(/npm run (?:-s |--silent )?([\w:]+)/g),
    ...command.matchAll(/npm (start|test)\b/g),
  ];
  return named.map(([, name = '']) => name).find((name) => scripts[name] === undefined);
};

/** The beginning of a line that a reader would type. */
const COMMAND =
  /^\s*(?:\$ |npm |npx |node |batuta |curl |docker |kubectl |kind |psql |git |cd |cp |export |eval |openssl |systemctl |sudo |apt|[A-Z_]+=\S* )|^\s*(?:SELECT|INSERT|UPDATE|DELETE|ALTER|CREATE|DROP|GRANT) .*;/m;

/** The commands of `batuta`, including those of a group such as `retention list`. */
const BATUTA_COMMANDS: readonly string[] = commandLine({} as Actions).commands.flatMap((command) => [
  command.name(),
  ...command.commands.map((each) => `${command.name()} ${each.name()}`),
]);

/** Scripts and commands of `batuta` that a text names and that do not exist. */
function unknownCommands(text: string): string[] {
  const script = scriptsExist(text);
  const [, words = ''] =
    /^(?:npm run (?:-s |--silent )?batuta(?: --)?|batuta) ((?:[a-z][a-z-]*(?= |$) ?)*)/.exec(text) ?? [];
  const [first = '', second = ''] = words.trim().split(' ');
  const isGroup = BATUTA_COMMANDS.some((name) => name.startsWith(`${first} `));
  const command = isGroup && second !== '' ? `${first} ${second}` : first;
  return [
    ...(script === undefined ? [] : [`npm run ${script}`]),
    ...(command === '' || BATUTA_COMMANDS.includes(command) ? [] : [`batuta ${command}`]),
  ];
}

/** Services of docker-compose.yml and programs that a command names must exist. */
const composeKnows = (command: string): string | undefined => {
  const { services } = parse(readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8')) as { services: object };
  const taken = command
    .split('#')[0]
    ?.match(/docker compose (?:exec|stop|run|logs|restart)(?: -T| --rm| --entrypoint \w+)*((?: [a-z-]+)+)/)?.[1]
    ?.trim()
    .split(' ');
  const names = command.includes('compose stop') ? (taken ?? []) : (taken ?? []).slice(0, 1);
  const scaled = [...command.matchAll(/--scale ([\w-]+)=/g)].map(([, name = '']) => name);
  return [...names, ...scaled].find((name) => !Object.hasOwn(services, name)) ?? programExists(command);
};

const programExists = (command: string): string | undefined =>
  [...command.matchAll(/(?:services|deploy\/k8s|deploy\/compose)\/[\w./-]+/g)]
    .map(([path]) => path)
    .find((path) => !existsSync(join(ROOT, path)));

const hasKubectl = spawnSync('kubectl', ['version', '--client']).status === 0;

/** Objects of the rendered overlays that a command names must exist. */
const clusterKnows = (command: string): string | undefined => {
  if (!hasKubectl) return undefined;
  const folder = /apply -k (\S+)/.exec(command)?.[1];
  if (folder !== undefined && spawnSync('kubectl', ['kustomize', join(ROOT, folder)]).status !== 0) return folder;
  const rendered = ['laptop', 'production'].flatMap((overlay) => {
    const { stdout } = spawnSync('kubectl', ['kustomize', join(ROOT, 'deploy/k8s/overlays', overlay)], {
      encoding: 'utf8',
      maxBuffer: 1e8,
    });
    return parseAllDocuments(stdout).map((each) => each.toJS() as { kind: string; metadata: { name: string } });
  });
  const kinds: Readonly<Record<string, string>> = { deploy: 'deployment', svc: 'service' };
  const known = new Set(rendered.map(({ kind, metadata }) => `${kind.toLowerCase()}/${metadata.name}`));
  const named = [
    ...command
      .replaceAll(/-[kf] \S+/g, '')
      .matchAll(/\b(deploy|deployment|statefulset|job|service|scaledobject|svc)[/ ]([a-z][\w-]*)/g),
  ];
  const unknown = named.find(([, kind = '', name = '']) => !known.has(`${kinds[kind] ?? kind}/${name}`));
  return unknown?.[0] ?? programExists(command);
};

const NOT_RUN: readonly Exception[] = [
  {
    document: 'README.md',
    command: /^npm ci && npm (run demo|start)/,
    reason: 'installs everything anew; terminal.e2e.spec.ts runs both commands in a terminal',
    check: scriptsExist,
  },
  {
    document: 'README.md',
    command: /^npm (run verify|test|run test:search)/,
    reason: 'this test is a part of them',
    check: scriptsExist,
  },
  { document: 'docs/operations.md', command: /^docker build/, reason: 'there is no Docker' },
  { document: 'docs/operations.md', command: /^docker compose/, reason: 'there is no Docker', check: composeKnows },
  {
    document: 'docs/operations.md',
    command: /^(for \w+ in [^\n]*\n\s+)?kubectl/,
    reason: 'there is no cluster',
    check: clusterKnows,
  },
  {
    document: 'docs/performance.md',
    command: /^npm run bench/,
    reason: 'takes minutes to hours; the smallest of them, --smoke, is a part of npm test',
    check: scriptsExist,
  },
  { document: 'CONTRIBUTING.md', command: /^npm run dev/, reason: 'runs until Ctrl-C', check: scriptsExist },
  {
    document: 'docs/operations.md',
    command: /batuta -- tenants settings/,
    reason: 'takes an admin of the tenant, and each document has a tenant of its own here',
    check: (command) => unknownCommands(command)[0],
  },
  {
    document: 'docs/operations.md',
    command: /batuta -- doctor/,
    reason: 'fails where it finds something, as on a machine that runs other tests',
    check: (command) => unknownCommands(command)[0],
  },
  {
    document: 'CONTRIBUTING.md',
    command: /^npm run jest/,
    reason: 'takes a minute; a part of npm test',
    check: (command) => scriptsExist(command) ?? programExists(command),
  },
  {
    document: /^(docs\/simulation|CONTRIBUTING)\.md/,
    command: /^npm run simulate -- --seeds/,
    reason: 'so many seeds take minutes',
    instead: (command) => command.replace(/--seeds \d+/, '--seeds 3'),
  },
  {
    document: /^(docs\/simulation|CONTRIBUTING)\.md/,
    command: /^npm run simulate:faults/,
    reason: 'takes minutes; a part of npm test',
    check: scriptsExist,
  },
  {
    document: 'docs/worker-protocol.md',
    command: /^npm run conformance/,
    reason: 'takes a minute; libs/worker/test/conformance.int.spec.ts runs it',
    check: scriptsExist,
  },
  {
    document: 'SECURITY.md',
    command: /^npm run --silent sbom/,
    reason: 'npm lists the packages of a whole checkout, not of links to one',
    instead: (command) => `(cd '${ROOT}' && ${command.replace(/> \S+$/, '> /dev/null')})`,
  },
  {
    document: 'bench/peers/README.md',
    command: /^cd bench|^apt-get|^node/,
    reason: 'installs and measures other engines',
  },
  {
    document: /^(docs\/orchestrations|examples\/worker-without-sdk\/README)\.md/,
    command: /npm install/,
    reason: 'its packages are found among those of the checkout',
    instead: (command) => command.replace(/npm install( --[\w-]+)* && /, ''),
  },
];

const exceptionFor = (document: Document, command: Command): Exception | undefined =>
  NOT_RUN.find((each) => document.path.search(each.document) === 0 && each.command.test(command.text));

/** The script of a block without the commands that cannot run here. Line numbers stay the same. */
function runnable(document: Document, block: Block): string {
  const lines = block.text.split('\n');
  for (const command of commandsOf(block)) {
    const exception = exceptionFor(document, command);
    if (exception === undefined) continue;
    const [first = '', ...others] = (exception.instead?.(command.text) ?? '').split('\n');
    for (let line = 0; line < command.lines; line += 1) {
      lines[command.from + line] = line === 0 ? first : (others[line - 1] ?? '');
    }
  }
  return lines.join('\n');
}

/** The prefix for the names of configs in which a step is tried. */
const STEP_CONFIG = 'step ';

const wordOf = (block: Block, name: string): string | undefined =>
  block.words.find((word) => word.startsWith(`${name}=`))?.slice(name.length + 1);

describe('the documents', () => {
  const blocks = documents.flatMap((document) => document.blocks().map((block) => ({ document, block })));

  it('give every block of code a language that determines how it is checked', () => {
    const known = new Set(['sh', 'json', 'js', 'ts', 'sql', 'text']);
    const wrong = blocks.filter(({ block }) => block.language === undefined || !known.has(block.language));
    expect(wrong.map(({ document, block }) => `${document.path}:${block.line}`)).toEqual([]);
    expect(blocks.length).toBeGreaterThan(40);
  });

  it('hide no command in a block that is not run', () => {
    const hidden = blocks.filter(({ block }) => block.language === 'text' && COMMAND.test(block.text));
    expect(hidden.map(({ document, block }) => `${document.path}:${block.line}`)).toEqual([]);
    for (const text of ['npm run x', 'first\n  curl -s http://a', "DELETE FROM a.b WHERE c = 'd';", 'A=b node c']) {
      expect(text).toMatch(COMMAND);
    }
  });

  it('name existing commands in their sentences', () => {
    const named = documents.flatMap((document) =>
      document.inlineCode().map(({ text, line }) => ({ place: `${document.path}:${line}`, text })),
    );
    const unknown = named.flatMap(({ place, text }) => unknownCommands(text).map((name) => `${place}: ${name}`));
    expect(unknown).toEqual([]);
    expect(unknownCommands('npm run nothing')).toEqual(['npm run nothing']);
    expect(unknownCommands('npm run -s batuta -- retention lst')).toEqual(['batuta retention lst']);
    expect(unknownCommands('batuta nothing <x>')).toEqual(['batuta nothing']);
  });

  it('link to existing files and headings', () => {
    expect(documents.flatMap((document) => document.brokenLinks())).toEqual([]);
  });

  it('name existing files of this repository', () => {
    const path = /^(?:services|libs|cli|test|tools|deploy|examples|proto|bench|docs)\/[\w./-]*[\w-]$/;
    const missing = documents.flatMap((document) =>
      document
        .inlineCode()
        .filter(({ text }) => path.test(text) && !existsSync(join(ROOT, text)))
        .map(({ text, line }) => `${document.path}:${line}: there is no ${text}`),
    );
    expect(missing).toEqual([]);
  });

  it('name settings that the code reads', () => {
    const skipped = ['node_modules', 'dist', '.git', 'docs'].map((name) => `--exclude-dir=${name}`);
    const places = ['services', 'libs', 'cli', 'bench', 'tools', 'deploy', 'docker-compose.yml', 'Dockerfile'];
    const found = spawnSync('grep', ['-rhoE', ...skipped, 'BATUTA_[A-Z_]*[A-Z]', ...places], {
      cwd: ROOT,
      encoding: 'utf8',
      maxBuffer: 1e8,
    });
    const known = new Set(found.stdout.split('\n'));
    const unknown = documents.flatMap((document) =>
      [...document.text.matchAll(/\bBATUTA_[A-Z_]*[A-Z]\b/g)]
        .filter(([name]) => !known.has(name))
        .map(([name]) => `${document.path}: nothing reads ${name}`),
    );
    expect(known.size).toBeGreaterThan(50);
    expect(unknown).toEqual([]);
  });

  it('have shell blocks that bash can parse', () => {
    const wrong = blocks
      .filter(({ block }) => block.language === 'sh')
      .flatMap(({ document, block }) => {
        const mistake = shellMistake(block.text);
        return mistake === undefined ? [] : [`${document.path}:${block.line}: ${mistake}`];
      });
    expect(wrong).toEqual([]);
  });

  it('have commands for every exception of this test, and these commands have no visible mistake', () => {
    const commands = blocks
      .filter(({ block }) => block.language === 'sh')
      .flatMap(({ document, block }) => commandsOf(block).map((command) => ({ document, block, command })));
    const used = new Set(commands.map(({ document, command }) => exceptionFor(document, command)));
    expect(NOT_RUN.filter((each) => !used.has(each)).map(({ document, command }) => `${document} ${command}`)).toEqual(
      [],
    );
    const wrong = commands.flatMap(({ document, block, command }) => {
      const unknown = exceptionFor(document, command)?.check?.(command.text);
      return unknown === undefined ? [] : [`${document.path}:${block.line + command.from}: there is no ${unknown}`];
    });
    expect(wrong).toEqual([]);
  });
});

describe('the instructions of the documents work:', () => {
  let platform: LocalPlatform;

  beforeAll(async () => {
    platform = await LocalPlatform.start({ BATUTA_RUNNER_ALLOWED_ADDRESSES: '127.0.0.1' });
  }, 300_000);

  afterAll(() => platform?.stop(), 300_000);

  it('every route in them is a route of the API', async () => {
    const answer = await platform.admin().get<{ paths: Record<string, object> }>('/docs-json');
    const routes = Object.entries(answer.body.paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => ({ method: method.toUpperCase(), path })),
    );
    const named = documents.flatMap((document) =>
      [...document.text.matchAll(/\b(GET|POST|PUT|PATCH|DELETE) ((?:\/|…)[^\s`"|?]*)/g)].map(
        ([, method = '', path = '']) => ({ document: document.path, method, path: path.replace(/[.,;:)]+$/, '') }),
      ),
    );
    // Of a shortened path, the given end or beginning must match: `…/steps`, `…/executions/{id}/…`.
    const fits = (path: string): RegExp => {
      const [start = '', ...rest] = path
        .replaceAll(/[.*+?^$()|[\]\\]/g, String.raw`\$&`)
        .replaceAll(/\{[^}]*\}|<[^>]*>/g, '[^/]+')
        .split('…');
      const anywhere = start !== '' && !start.startsWith('/api') ? '.*' : '';
      return new RegExp(`^${anywhere}${[start, ...rest].join('.*')}$`);
    };
    const unknown = named.filter(
      ({ method, path }) =>
        // For operators and the scaler, on separate ports.
        !['/log-level', '/demand'].includes(path) &&
        !routes.some((route) => route.method === method && fits(path).test(route.path)),
    );
    expect(named.length).toBeGreaterThan(20);
    expect(unknown).toEqual([]);
  });

  const withCode = documents.filter((document) => document.blocks().some(({ language }) => language !== 'text'));

  /** The documents that create a config of each name. */
  const madeBy = new Map<string, string[]>();
  const makes = async (who: string, api: Api): Promise<void> => {
    for await (const { name } of api.client.configs.list()) {
      if (!name.startsWith(STEP_CONFIG)) madeBy.set(name, [...(madeBy.get(name) ?? []), who]);
    }
  };

  it('the demo, which most of them require', async () => {
    const demo = new BatutaCommand(['demo'], platform.dir);
    expect([await demo.exited(), demo.output]).toEqual([0, expect.stringContaining('● execution completed')]);
    await makes('the demo', platform.admin());
  }, 300_000);

  describe.each(withCode.map((document) => [document.path, document] as const))('%s', (path, document) => {
    let session: DocumentSession;
    let last: Outcome | undefined;

    beforeAll(async () => {
      await platform.releasePools();
      session = await DocumentSession.open(
        platform,
        path
          .toLowerCase()
          .replaceAll(/[^a-z0-9]+/g, '-')
          .slice(-40)
          .replace(/^-/, ''),
      );
    });

    afterAll(async () => {
      if (session === undefined) return;
      await makes(path, session.admin);
      session.close();
    });

    /** Runs a script, and fails with all problems that occurred. */
    const run = async (script: string, line: number, refused: readonly number[] = []): Promise<Outcome> => {
      const outcome = await session.run(script, line);
      const mistakes = [
        ...outcome.failures.map((failure) => `${path}:${failure}`),
        ...outcome.requests
          .filter(({ status }) => (status < 200 || status >= 300) && !refused.includes(status))
          .map(({ status, request }) => `${status} ${request}`),
        ...refused
          .filter((status) => !outcome.requests.some((each) => each.status === status))
          .map((status) => `no request was refused with ${status}`),
      ];
      if (mistakes.length > 0) throw new Error([...mistakes, outcome.output, outcome.errors].join('\n'));
      return outcome;
    };

    const saved = async (config: unknown, block: Block): Promise<void> => {
      session.write('shown-config.json', JSON.stringify(config));
      await run(
        `eval "$(npm run -s batuta env)"\n` +
          `curl -sS "$BATUTA_URL/api/v1/orchestrations/configs" -H "Authorization: Bearer $BATUTA_API_KEY" ` +
          `-H 'Content-Type: application/json' -d @shown-config.json`,
        block.line,
      );
    };

    const checks: Readonly<Record<string, (block: Block) => Promise<void> | void>> = {
      sh: async (block) => {
        const refused = wordOf(block, 'refused')?.split(',').map(Number) ?? [];
        last = await run(runnable(document, block), block.line, refused);
      },
      js: async (block) => {
        if (block.words.includes('part')) {
          const file = `part-${block.line}.mjs`;
          session.write(file, block.text);
          await run(`node --check ${file}`, block.line);
          return;
        }
        const file = wordOf(block, 'file') ?? `block-${block.line}.mjs`;
        session.write(file, block.text);
        if (wordOf(block, 'file') === undefined) last = await run(`node ${file}`, block.line);
      },
      ts: (block) => {
        const folder = join(ROOT, wordOf(block, 'in') ?? '');
        session.write('shown.ts', block.text);
        session.write(
          'tsconfig.shown.json',
          JSON.stringify({
            extends: join(ROOT, 'tsconfig.test.json'),
            compilerOptions: {
              noEmit: true,
              rootDirs: ['.', folder],
              types: ['node'],
              typeRoots: [join(ROOT, 'node_modules/@types')],
            },
            include: [],
            files: ['shown.ts'],
          }),
        );
        const { status, stdout } = spawnSync(
          process.execPath,
          [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', join(session.checkout, 'tsconfig.shown.json')],
          { encoding: 'utf8' },
        );
        expect([status, stdout]).toEqual([0, '']);
      },
      sql: (block) => platform.inDatabase(['BEGIN', block.text, 'ROLLBACK']),
      json: async (block) => {
        const value = JSON.parse(block.text) as Record<string, unknown>;
        const file = wordOf(block, 'file');
        if (file !== undefined) session.write(file, block.text);
        if (block.words.includes('answer')) {
          if (last === undefined) throw new Error('there are no commands before it');
          expect(differences(value, lastAnswer(last.output))).toEqual([]);
        }
        if (block.words.includes('config')) await saved(value, block);
        if (block.words.includes('step')) {
          const { dependencies = [] } = value as { dependencies?: string[] };
          const before = dependencies.map((id) => ({ id, name: id, agent: 'echo' }));
          await saved({ name: `${STEP_CONFIG}${block.line}`, strategy: 'parallel', steps: [...before, value] }, block);
        }
      },
    };

    const titled = document
      .blocks()
      .filter(({ language }) => language !== 'text')
      .map((block) => [block.line, block.language ?? 'nothing', block] as const);
    it.each(titled)(
      'line %i: %s',
      async (_line, language, block) => {
        // Each mistake throws: a refused request, a failed command, a different answer.
        await expect(Promise.resolve(checks[language]?.(block))).resolves.toBeUndefined();
      },
      300_000,
    );
  });

  it('one after the other on the same platform: no two of them, including the demo, create a config of the same name', () => {
    expect(madeBy.size).toBeGreaterThan(10);
    const twice = [...madeBy].filter(([, who]) => who.length > 1);
    expect(twice.map(([name, who]) => `${name}: ${who.join(', ')}`)).toEqual([]);
  });
});

/** The last of several JSON documents. curl prints them one after the other without line ends. */
function lastAnswer(output: string): unknown {
  const starts = [...output.matchAll(/(?:^|\n|[}\]])\s*(?=[{[])/g)].map(({ index, 0: text }) => index + text.length);
  for (const start of starts.toReversed()) {
    try {
      return JSON.parse(output.slice(start));
    } catch {
      // The text begins within a document.
    }
  }
  throw new Error(`no JSON was printed:\n${output}`);
}
