// Where pictures, logs and test media go: tests/browser/out, which git ignores.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const here = path.join(path.dirname(fileURLToPath(import.meta.url)), '..');
const OUT = path.join(here, 'out');

/** A path below out/, whose folder exists. */
export function out(...parts) {
  const file = path.join(OUT, ...parts.map((part) => part.replace(/[^\w.-]+/g, '-')));
  fs.mkdirSync(path.dirname(file), { recursive: true });
  return file;
}
