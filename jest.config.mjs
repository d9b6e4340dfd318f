// One project a kind of test, chosen by file name and place: `npm run test:unit`, `test:prop`, `test:int`, `test:e2e`, `test:hostile`,
// `test:chaos`.
// tools/check-boundaries.mjs refuses a spec file that no project here would run.

// No result may depend on the host's time zone, so tests run in one that is not UTC and differs from it by no whole hour.
process.env.TZ = 'America/St_Johns';

const common = {
  rootDir: import.meta.dirname,
  testEnvironment: 'node',
  // Tests import workspace packages from source, so they need no build.
  testEnvironmentOptions: { customExportConditions: ['batuta-source', 'node', 'node-addons'] },
  resolver: '<rootDir>/tools/jest-resolver.cjs',
  moduleFileExtensions: ['ts', 'js', 'mjs', 'cjs', 'json', 'node'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '^.+\\.ts$': '@swc/jest' },
  modulePathIgnorePatterns: ['<rootDir>/.*/dist/', '<rootDir>/.batuta/', '<rootDir>/.reports/'],
};

const project = (displayName, testMatch) => ({
  ...common,
  displayName,
  testMatch: testMatch.map((glob) => `<rootDir>/${glob}`),
});

const beside = (kind) => [
  `{libs,services}/*/src/**/*.${kind}.spec.ts`,
  `{cli,bench}/src/**/*.${kind}.spec.ts`,
  `tools/**/*.${kind}.spec.ts`,
];

export default {
  projects: [
    project('unit', beside('unit')),
    { ...project('prop', beside('prop')), setupFiles: ['<rootDir>/tools/jest-properties.ts'] },
    {
      ...project('int', ['{libs,services}/*/test/**/*.int.spec.ts', '{cli,bench}/test/**/*.int.spec.ts']),
      // One PostgreSQL for the whole run; the files get databases of their own from it.
      globalSetup: '<rootDir>/libs/testing/jest/global-setup.mjs',
      globalTeardown: '<rootDir>/libs/testing/jest/global-teardown.mjs',
    },
    project('e2e', ['test/e2e/**/*.e2e.spec.ts']),
    project('hostile', ['test/hostile/**/*.hostile.spec.ts']),
    project('chaos', ['test/chaos/**/*.chaos.spec.ts']),
    // With programs that only their own command builds: `npm run test:jaeger`.
    project('jaeger', ['test/jaeger/**/*.jaeger.spec.ts']),
  ],
  maxWorkers: 2,
  // A test that is slower hangs. On a machine that does other things an ordinary one takes many seconds.
  testTimeout: 300_000,
};
