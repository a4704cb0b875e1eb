// Fails when a library, minified and compressed by gzip, is larger than its budget.
import { gzipSync } from 'node:zlib';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const root = fileURLToPath(new URL('..', import.meta.url));
const budgets = [
  { name: '@parlour/client', entry: 'core/src/index.ts', external: [], kB: 15 },
  { name: '@parlour/react', entry: 'react/src/index.ts', external: ['react', 'react/jsx-runtime', '@parlour/client'], kB: 5 },
];

let over = false;
for (const { name, entry, external, kB } of budgets) {
  const [{ output }] = await build({
    root,
    configFile: false,
    logLevel: 'error',
    resolve: { conditions: ['parlour-source'] },
    build: {
      write: false,
      target: 'es2022',
      minify: true,
      lib: { entry, formats: ['es'] },
      // A library build keeps white space so that bundlers can shake it; an application's build does not, and that is what is measured.
      rolldownOptions: { external, output: { minify: true } },
    },
  });
  const code = output.map((chunk) => chunk.code ?? '').join('');
  const size = gzipSync(code, { level: 9 }).length;
  const ok = size <= kB * 1000;
  over ||= !ok;
  console.log(`${ok ? 'ok  ' : 'OVER'} ${name}: ${(code.length / 1000).toFixed(1)} kB minified, ${(size / 1000).toFixed(2)} of ${kB} kB gzip`);
}
process.exit(over ? 1 : 0);
