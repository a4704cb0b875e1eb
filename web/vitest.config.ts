import { defineConfig } from 'vitest/config';
import { alias } from './app/preact.ts';

const source = { conditions: ['parlour-source'] };
const common = { environment: 'happy-dom' } as const;

export default defineConfig({
  test: {
    projects: [
      {
        resolve: source,
        ssr: { resolve: source },
        test: { ...common, name: 'libraries', include: ['{core,react,peer}/test/**/*.test.{ts,tsx}'] },
      },
      {
        // The app's tests run with what the app ships with.
        resolve: { ...source, alias: [...alias, { find: /^@testing-library\/react$/, replacement: '@testing-library/react/dist/@testing-library/react.esm.js' }] },
        ssr: { resolve: source },
        test: { ...common, name: 'app', include: ['app/test/**/*.test.{ts,tsx}'], server: { deps: { inline: [/@testing-library/] } } },
      },
    ],
  },
});
