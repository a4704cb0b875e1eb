// Fails when the app grows over its budget: all of it, every panel, dialog and the check page, in the language that takes most. What a browser loads
// before its first call is marked, and summed for itself.
import { readFileSync, rmSync, statSync } from 'node:fs';

const BUDGET = 120_000;
const dist = new URL('../../dist/', import.meta.url);
const manifestUrl = new URL('.vite/manifest.json', dist);
const manifest = JSON.parse(readFileSync(manifestUrl, 'utf8'));
const size = (file) => statSync(new URL(`${file}.gz`, dist)).size;
const sum = (files) => [...files].reduce((total, file) => total + size(file), 0);
const kB = (bytes) => (bytes / 1000).toFixed(1).padStart(6);

const first = new Set(['index.html']);
const visit = (chunk) => {
  if (first.has(chunk.file)) return;
  for (const file of [chunk.file, ...(chunk.css ?? [])]) first.add(file);
  for (const key of chunk.imports ?? []) visit(manifest[key]);
};
visit(Object.values(manifest).find((chunk) => chunk.isEntry));

// English is part of the app's own files; each other language has files of its own, for the app and for the check page.
const all = new Set(['index.html']);
const languages = new Map();
for (const [source, chunk] of Object.entries(manifest)) {
  const language = /\/(?:i18n|texts)\/(\w+)\.ts$/.exec(source)?.[1];
  const files = [chunk.file, ...(chunk.css ?? [])];
  if (chunk.isDynamicEntry && language) languages.set(language, [...(languages.get(language) ?? []), ...files]);
  else for (const file of files) all.add(file);
}
for (const file of [...all].sort((a, b) => size(b) - size(a))) console.log(`${first.has(file) ? 'first' : 'later'} ${kB(size(file))} kB  ${file}`);
for (const [language, files] of languages) console.log(`words ${kB(sum(files))} kB  ${language}`);

const words = Math.max(...[...languages.values()].map(sum));
const whole = sum(all) + words;
console.log(`before the first call ${kB(sum(first))} kB gzip; the whole app ${kB(whole)} of ${BUDGET / 1000} kB`);
// Only this script reads the manifest: it is no part of the site.
rmSync(new URL('.vite', dist), { recursive: true });
if (!first.size || languages.size !== 4) {
  console.error(`Four languages beside English were expected, ${languages.size} found: the budget is not measured right.`);
  process.exit(1);
}
if (whole > BUDGET) {
  console.error(`The app is ${kB(whole - BUDGET)} kB over its budget: write less.`);
  process.exit(1);
}
