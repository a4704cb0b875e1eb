import react from '@vitejs/plugin-react';
import { defaultClientConditions, defineConfig } from 'vite';
import { alias } from './preact.ts';

/** Where the server runs that `npm run dev` passes calls on to. */
const server = process.env['PARLOUR_URL'] ?? 'http://localhost:8080';

export default defineConfig({
  plugins: [react()],
  resolve: { alias, conditions: ['parlour-source', ...defaultClientConditions] },
  build: {
    outDir: '../dist',
    emptyOutDir: true,
    sourcemap: false,
    assetsInlineLimit: 0,
    manifest: true,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      output: {
        codeSplitting: {
          // What is loaded later takes what it shares with the first page from one file.
          groups: [{ name: 'shared', minShareCount: 2 }],
        },
      },
    },
  },
  server: {
    proxy: {
      '/v1': { target: server, ws: true, changeOrigin: true },
      '/ca': { target: server, changeOrigin: true },
    },
  },
});
