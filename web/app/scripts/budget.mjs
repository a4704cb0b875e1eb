// Fails when what a browser loads for its first call, in English, grows over the budget: the page and all that it imports without being asked for.
// What opens later on its own (panels, dialogs, the check page, other languages) is listed beside it.
import { readFileSync, rmSync, statSync } from 'node:fs';

const BUDGET = 120_000;
const dist = new URL('../../dist/', import.meta.url);
const manifestUrl = new URL('.vite/manifest.json', dist);
const manifest = JSON.parse(readFileSync(manifestUrl, 'utf8'));
const entry = Object.values(manifest).find((chunk) => chunk.isEntry);

const first = new Set();
const visit = (chunk) => {
  if (first.has(chunk.file)) return;
  for (const file of [chunk.file, ...(chunk.css ?? [])]) first.add(file);
  for (const key of chunk.imports ?? []) visit(manifest[key]);
};
visit(entry);

const all = new Set(Object.values(manifest).flatMap((chunk) => [chunk.file, ...(chunk.css ?? [])]));
const size = (file) => statSync(new URL(`${file}.gz`, dist)).size;
let sum = 0;
for (const file of [...all].sort((a, b) => size(b) - size(a))) {
  if (first.has(file)) sum += size(file);
  console.log(`${first.has(file) ? 'first' : 'later'} ${(size(file) / 1000).toFixed(1).padStart(6)} kB  ${file}`);
}
console.log(`first call: ${(sum / 1000).toFixed(1)} kB gzip of ${BUDGET / 1000} kB`);
// Only this script reads the manifest: it is no part of the site.
rmSync(new URL('.vite', dist), { recursive: true });
if (sum > BUDGET) {
  console.error(`The first call is ${((sum - BUDGET) / 1000).toFixed(1)} kB over its budget: load something later, or write less.`);
  process.exit(1);
}
