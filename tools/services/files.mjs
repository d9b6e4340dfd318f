// What follows from services/services.json in other files. `npm run services` writes them, and a test compares them.
import { ownProcess, packagesIn, pascal, portVariable, services, stopOrder } from './table.mjs';

const NOTE = '// Written by `npm run services` from services/services.json.';
// A list of one text stands on one line.
const json = (value) => `${JSON.stringify(value, null, 2).replaceAll(/\[\n\s+("[^"]*")\n\s+\]/g, '[$1]')}\n`;
const listed = (names) => `[${names.map((name) => `'${name}'`).join(', ')}]`;
const keyOf = (name) => (/^\w+$/.test(name) ? name : `'${name}'`);
const reference = (path) => ({ path: `${path}/tsconfig.build.json` });

function natsServices() {
  return `${NOTE}

/** The services of the platform that connect to NATS. Each has its own user. */
export const NATS_SERVICES = ${listed(services)} as const;
export type NatsService = (typeof NATS_SERVICES)[number];
`;
}

function standaloneServices() {
  const ports = services.map((name) => `  ${keyOf(name)}: '${portVariable(name)}',`).join('\n');
  return `${NOTE}

export const SERVICES = ${listed(services)} as const;
export type ServiceName = (typeof SERVICES)[number];

/** The order in which the services of a process stop. */
export const STOP_ORDER: readonly ServiceName[] = ${listed(stopOrder)};

/** Services that have a process of their own when there are cores for it. */
export const OWN_PROCESS: readonly ServiceName[] = ${listed(ownProcess)};

/** The variable with the port of each service. */
export const PORT_VARIABLES: Readonly<Record<ServiceName, string>> = {
${ports}
};
`;
}

function standalonePrograms() {
  const programs = services
    .map((name) => {
      const [load, start] = [`load${pascal(name)}Settings`, `start${pascal(name)}`];
      return `  ${keyOf(name)}: async () => {
    const { ${load}, ${start} } = await import('@batuta/${name}');
    return (logger: Logger) => ${start}({ settings: ${load}(), logger });
  },`;
    })
    .join('\n');
  return `${NOTE}
import type { Logger } from '@batuta/observability';

/** Loads the program of one service only, because each program takes a second and 20 MiB. */
export const PROGRAMS = {
${programs}
};
`;
}

/** Adds what is missing to a list of references, and removes packages that are gone. */
function references({ references: before, ...config }, folder, wanted, prefix) {
  const isOurs = ({ path }) => path.startsWith(`${prefix}${folder}/`);
  const paths = wanted.map((name) => reference(`${prefix}${folder}/${name}`));
  const kept = before.filter((each) => !isOurs(each) || paths.some(({ path }) => path === each.path));
  const added = paths.filter(({ path }) => !kept.some((each) => each.path === path));
  const place = kept.findLastIndex(isOurs) + 1;
  return { ...config, references: kept.toSpliced(place, 0, ...added) };
}

function nestProjects({ projects: before, ...config }) {
  const project = (folder, name) => ({
    type: folder === 'libs' ? 'library' : 'application',
    root: `${folder}/${name}`,
    entryFile: folder === 'libs' ? 'index' : name === 'standalone' ? 'group' : 'main',
    sourceRoot: `${folder}/${name}/src`,
    compilerOptions: { tsConfigPath: `${folder}/${name}/tsconfig.build.json` },
  });
  const wanted = ['libs', 'services'].flatMap((folder) =>
    packagesIn(folder).map((name) => [name, project(folder, name)]),
  );
  const rank = ([name]) => (Object.hasOwn(before, name) ? Object.keys(before).indexOf(name) : Infinity);
  return { ...config, projects: Object.fromEntries(wanted.toSorted((a, b) => rank(a) - rank(b) || 0)) };
}

function standalonePackage({ dependencies, ...rest }) {
  const own = packagesIn('services');
  const others = Object.entries(dependencies).filter(([name]) => !own.includes(name.replace('@batuta/', '')));
  const all = [...others, ...services.map((name) => [`@batuta/${name}`, '*'])];
  const { devDependencies, ...head } = rest;
  const sorted = Object.fromEntries(all.toSorted(([a], [b]) => (a < b ? -1 : 1)));
  return { ...head, dependencies: sorted, devDependencies };
}

/** Replaces the lines that match, which stand together. */
function lines(text, pattern, wanted) {
  const all = text.split('\n');
  const first = all.findIndex((line) => pattern.test(line));
  const count = all.slice(first).findIndex((line) => !pattern.test(line));
  if (first < 0) throw new Error(`no line matches ${String(pattern)}`);
  return all.toSpliced(first, count, ...wanted).join('\n');
}

function dockerfile(text) {
  const built = lines(
    text,
    /^ {6}services\/[\w-]+\/tsconfig\.build\.json \\$/,
    services.map((name) => `      services/${name}/tsconfig.build.json \\`),
  );
  const installed = lines(
    built,
    /^ {6}--workspace services\/[\w-]+(?: \\)?$/,
    services.map((name, index) => `      --workspace services/${name}${index < services.length - 1 ? ' \\' : ''}`),
  );
  const variables = services.flatMap((name) => {
    const port = portVariable(name);
    return [`${port.replace(/PORT$/, 'HOST')}=0.0.0.0`, `${port}=${name === 'gateway' ? 3000 : 8080}`];
  });
  return lines(
    installed,
    /^ {4}BATUTA_\w+_HTTP_(?:HOST|PORT)=/,
    variables.map((text_, index) => `    ${text_}${index < variables.length - 1 ? ' \\' : ''}`),
  );
}

/** Every file that follows from the table. `read`: the present text of a file. */
export function serviceFiles(read) {
  const parsed = (file) => JSON.parse(read(file));
  const own = services.filter((name) => name !== 'gateway');
  const manifests = services.map((name) => `${name}.yaml`);
  return {
    'libs/contracts/src/nats-services.ts': natsServices(),
    'services/standalone/src/services.ts': standaloneServices(),
    'services/standalone/src/programs.ts': standalonePrograms(),
    'services/standalone/package.json': json(standalonePackage(parsed('services/standalone/package.json'))),
    'services/standalone/tsconfig.build.json': json(
      references(parsed('services/standalone/tsconfig.build.json'), 'services', services, '../../'),
    ),
    'tsconfig.json': json(
      references(
        references(parsed('tsconfig.json'), 'libs', packagesIn('libs'), './'),
        'services',
        packagesIn('services'),
        './',
      ),
    ),
    'nest-cli.json': json(nestProjects(parsed('nest-cli.json'))),
    Dockerfile: dockerfile(read('Dockerfile')),
    'deploy/prometheus/prometheus.yml': read('deploy/prometheus/prometheus.yml').replace(
      /(job_name: batuta\n[^]*?- names: )\[[^\]]*\]/,
      `$1[${own.join(', ')}]`,
    ),
    'deploy/k8s/base/kustomization.yaml': read('deploy/k8s/base/kustomization.yaml').replace(
      /( {2}- migrate\.yaml\n)[^]*?( {2}- nats\.yaml\n)/,
      `$1${manifests.map((file) => `  - ${file}\n`).join('')}$2`,
    ),
  };
}
