// Fails when a library, minified and compressed by gzip, is larger than its budget: all that is loaded before `join` has brought somebody into a room.
import { gzipSync } from 'node:zlib';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const root = fileURLToPath(new URL('..', import.meta.url));
const budgets = [
  { name: '@parlour/client', entry: 'core/src/index.ts', external: [], kB: 15 },
  { name: '@parlour/peer', entry: 'peer/src/index.ts', external: [], kB: 6 },
  { name: '@parlour/react', entry: 'react/src/index.ts', external: ['react', 'react/jsx-runtime', '@parlour/client'], kB: 5 },
];

let over = false;
for (const { name, entry, external, kB } of budgets) {
  const { output } = await build({
    root,
    configFile: false,
    logLevel: 'error',
    resolve: { conditions: ['parlour-source'] },
    build: {
      write: false,
      target: 'es2022',
      minify: true,
      modulePreload: false,
      rolldownOptions: { input: entry, preserveEntrySignatures: 'strict', external },
    },
  });
  const gzip = (chunks) => chunks.reduce((sum, chunk) => sum + gzipSync(chunk.code ?? '', { level: 9 }).length, 0) / 1000;
  // What is imported on demand comes after: a test of the library (`lean`) holds it to that. It is told for itself.
  const first = new Set(output.filter((chunk) => chunk.isEntry));
  for (const chunk of first) for (const other of output) if (chunk.imports.includes(other.fileName)) first.add(other);
  const size = gzip([...first]);
  const later = gzip(output.filter((chunk) => !first.has(chunk)));
  const ok = size <= kB;
  over ||= !ok;
  console.log(`${ok ? 'ok  ' : 'OVER'} ${name}: ${size.toFixed(2)} of ${kB} kB gzip${later ? `, and ${later.toFixed(2)} kB on demand` : ''}`);
}
process.exit(over ? 1 : 0);
