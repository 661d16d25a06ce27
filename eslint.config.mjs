import js from '@eslint/js';
import prettier from 'eslint-config-prettier';
import jest from 'eslint-plugin-jest';
import rxjs from 'eslint-plugin-rxjs-x';
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

const doors = [
  { regex: '^rxjs/(?!testing$)', message: "Import RxJS from 'rxjs'." },
  {
    regex: '^(fs|fs/promises|path|os|zlib|crypto|util|events|stream|child_process)$',
    message: 'Write node: before it.',
  },
];
const noVirtualTime = { name: 'rxjs/testing', message: 'Virtual time belongs to spec/ and src/testing/.' };

/** Packages that have one importer each inside src/. */
const oneImporter = {
  'cbor-x': 'src/codec/cborCodec.ts',
  'crc-32': 'src/format/crc.ts',
  'node:diagnostics_channel': 'src/diagnostics.ts',
  '@opentelemetry/api': 'src/opentelemetry.ts',
  'prom-client': 'src/metrics/prometheusMetrics.ts',
  'node:http': 'src/serve/httpServer.ts',
  'node:zlib': 'src/format/crc.ts',
  'node:fs': 'src/store/fileCalls.ts',
  'node:fs/promises': 'src/store/fileCalls.ts',
  'node:worker_threads': 'src/store/threadCalls.ts',
  'fs-native-extensions': 'src/store/lock.ts',
};

/** Directions of dependency inside src/: files, and the relative imports they must not have. */
const boundaries = [
  {
    files: 'src/operators/**/*.ts',
    regex: '^\\./|^\\.\\./(wal|recover|read|index)(\\.js)?$|^\\.\\./(store|testing|cli)/',
    message: 'An operator imports no other operator, not the log, and no store.',
  },
  {
    files: 'src/format/**/*.ts',
    regex: '^\\.\\./(?!(errors|types|codec/cborCodec)(\\.js)?$)',
    message: 'The format imports errors, types and, for a checkpoint, cborCodec only.',
  },
  {
    files: 'src/store/**/*.ts',
    regex: '^\\.\\./(wal|recover|read|index)(\\.js)?$|^\\.\\./(operators|testing|cli)/',
    message: 'A store knows nothing of the log that uses it.',
  },
];

/** The import rule of one set of files; in ESLint a later setting of a rule replaces an earlier one as a whole. */
const imports = (file, { virtualTime = false, boundary } = {}) => ({
  '@typescript-eslint/no-restricted-imports': [
    'error',
    {
      paths: [
        ...Object.entries(oneImporter)
          .filter(([, importer]) => importer !== file)
          .map(([name, importer]) => ({ name, message: `Only ${importer} imports it.` })),
        ...(virtualTime ? [] : [noVirtualTime]),
      ],
      patterns: [...doors, ...(boundary ? [{ regex: boundary.regex, message: boundary.message }] : [])],
    },
  ],
});
const boundaryOf = (file) => boundaries.find(({ files }) => file.startsWith(files.replace('**/*.ts', '')));

export default defineConfig(
  globalIgnores(['api-docs/', 'bench/.work/', 'coverage/', 'dist/']),
  js.configs.recommended,
  {
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: { eqeqeq: 'error', 'no-console': 'error' },
  },
  {
    files: ['**/*.mjs'],
    languageOptions: { globals: { console: 'readonly', process: 'readonly', URL: 'readonly' } },
    rules: { 'no-console': 'off' },
  },
  {
    files: ['src/serve/page/*.js'],
    languageOptions: {
      sourceType: 'script',
      globals: Object.fromEntries(
        [
          ...['EventSource', 'addEventListener', 'clearTimeout', 'document', 'getComputedStyle', 'localStorage'],
          ...['matchMedia', 'setTimeout', 'uPlot'],
        ].map((name) => [name, 'readonly']),
      ),
    },
  },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, rxjs.configs.recommended, rxjs.configs.strict],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-unnecessary-condition': [
        'error',
        { allowConstantLoopConditions: 'only-allowed-literals' },
      ],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      'rxjs-x/no-unsafe-catch': 'error',
      'rxjs-x/no-unsafe-first': 'error',
      'rxjs-x/no-unsafe-switchmap': 'error',
      'rxjs-x/throw-error': ['error', { allowThrowingAny: false, allowThrowingUnknown: true }],
    },
  },

  // src/
  { files: ['src/**/*.ts'], rules: imports() },
  { files: ['src/testing/**/*.ts'], rules: imports(undefined, { virtualTime: true }) },
  ...boundaries.map((boundary) => ({ files: [boundary.files], rules: imports(undefined, { boundary }) })),
  ...[...new Set(Object.values(oneImporter))].map((file) => ({
    files: [file],
    rules: imports(file, { boundary: boundaryOf(file) }),
  })),
  {
    files: ['src/**/*.ts'],
    rules: {
      // What the log waits for emits once or fails; a default would hide that it did neither.
      'rxjs-x/no-ignored-default-value': 'off',
      'rxjs-x/ban-operators': ['error', { bufferTime: 'it ticks when idle and loses values that arrive re-entrantly' }],
    },
  },
  {
    // Byte offsets, bounded by their callers; a check per byte would be the hottest branch of the log.
    files: ['src/format/**/*.ts'],
    rules: { '@typescript-eslint/no-non-null-assertion': 'off' },
  },
  {
    // Time comes from schedulers and work from Observables: marbles cannot see past a promise.
    files: ['src/operators/**/*.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        { selector: ':function[async=true]', message: 'Marbles cannot see past a promise: return an Observable.' },
        { selector: 'AwaitExpression', message: 'Marbles cannot see past a promise: use an Observable.' },
        { selector: 'ForOfStatement[await=true]', message: 'Marbles cannot see past a promise: use an Observable.' },
        { selector: "Identifier[name='Promise']", message: 'Marbles cannot see past a promise: use an Observable.' },
        {
          selector: "Identifier[name='PromiseLike']",
          message: 'Marbles cannot see past a promise: use an Observable.',
        },
      ],
      'no-restricted-globals': [
        'error',
        ...['Date', 'performance', 'queueMicrotask', 'setImmediate', 'setInterval', 'setTimeout'].map((name) => ({
          name,
          message: 'Take time from a scheduler.',
        })),
      ],
    },
  },

  // Outside src/
  {
    files: ['spec/**/*.ts', 'examples/**/*.ts', 'bench/**/*.ts'],
    rules: { 'rxjs-x/no-ignored-default-value': 'off', 'rxjs-x/no-ignored-error': 'off' },
  },
  {
    files: ['examples/**/*.ts', 'bench/**/*.ts'],
    rules: {
      'no-console': 'off',
      '@typescript-eslint/no-restricted-imports': ['error', { paths: [noVirtualTime], patterns: doors }],
    },
  },
  {
    files: ['spec/**/*.ts'],
    extends: [jest.configs['flat/recommended'], jest.configs['flat/style']],
    rules: {
      '@typescript-eslint/no-restricted-imports': ['error', { patterns: doors }],
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/unbound-method': 'off',
      'jest/expect-expect': [
        'error',
        { assertFunctionNames: ['expect', 'expectObservable', 'fc.assert', 'expect*', 'assert*'] },
      ],
      'jest/no-commented-out-tests': 'error',
      'jest/no-disabled-tests': 'error',
      'jest/no-focused-tests': 'error',
      'jest/no-identical-title': 'error',
      'jest/valid-expect': 'error',
    },
  },
  prettier,
);
