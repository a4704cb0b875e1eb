import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: { conditions: ['parlour-source'] },
  ssr: { resolve: { conditions: ['parlour-source'] } },
  test: {
    environment: 'happy-dom',
    include: ['{core,react,peer,app}/test/**/*.test.{ts,tsx}', 'app/src/**/*.test.{ts,tsx}'],
  },
});
