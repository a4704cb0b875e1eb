// Writes core/src/protocol.gen.ts from the JSON Schema of the signaling protocol. With --check only says whether it is up to date.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { compile } from 'json-schema-to-typescript';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const schema = JSON.parse(readFileSync(path('../../docs/signaling.schema.json'), 'utf8'));
// Every definition gets its name, and a reference is only that: else the compiler makes copies of what it describes twice.
for (const [name, definition] of Object.entries(schema.$defs)) definition.title = name;
const bare = (node) => {
  if (Array.isArray(node)) return node.map(bare);
  if (typeof node !== 'object' || node === null) return node;
  if (typeof node.$ref === 'string') return { $ref: node.$ref };
  // A schema that only describes takes anything.
  if (Object.keys(node).join() === 'description') return { ...node, tsType: 'unknown' };
  return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, bare(value)]));
};

const target = path('../core/src/protocol.gen.ts');
const text = await compile(bare(schema), 'Message', {
  additionalProperties: false,
  bannerComment: '// Made from docs/signaling.schema.json by `npm run protocol`. Do not edit.',
  format: false,
  unreachableDefinitions: true,
});

if (!process.argv.includes('--check')) writeFileSync(target, text);
else if (readFileSync(target, 'utf8') !== text) {
  console.error('core/src/protocol.gen.ts does not fit docs/signaling.schema.json. Run `npm run protocol` in web/ and commit the result.');
  process.exit(1);
}
