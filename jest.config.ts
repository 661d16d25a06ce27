/** @jest-config-loader esbuild-register */
import type { Config } from 'jest';

const config: Config = {
  testEnvironment: 'node',
  roots: ['<rootDir>/spec'],
  testMatch: ['<rootDir>/spec/**/*.spec.ts'],
  transform: { '^.+\\.ts$': ['ts-jest', { tsconfig: '<rootDir>/tsconfig.json' }] },
  moduleNameMapper: {
    '^(\\.{1,2}/.*)\\.js$': '$1',
    '^rxwal$': '<rootDir>/src/index.ts',
    '^rxwal/opentelemetry$': '<rootDir>/src/opentelemetry.ts',
    '^rxwal/prometheus$': '<rootDir>/src/prometheus.ts',
    '^rxwal/testing$': '<rootDir>/src/testing/index.ts',
    '^rxwal/serve$': '<rootDir>/src/serve/index.ts',
  },
  testTimeout: 120_000,
};

export default config;
