// Puts a `.br` and a `.gz` beside each built text file, so that the server never compresses while it serves.
// The same input gives the same bytes on every machine: gzip's header carries neither time nor operating system.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const dist = new URL('../../dist/', import.meta.url).pathname;
const TEXT = /\.(html|js|css|svg|json|webmanifest|txt)$/;
const GZIP_OS_BYTE = 9;
const GZIP_OS_UNKNOWN = 255;

for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || !TEXT.test(entry.name)) continue;
  const path = join(entry.parentPath, entry.name);
  const bytes = readFileSync(path);
  const gzip = gzipSync(bytes, { level: 9 });
  gzip[GZIP_OS_BYTE] = GZIP_OS_UNKNOWN;
  writeFileSync(`${path}.gz`, gzip);
  writeFileSync(
    `${path}.br`,
    brotliCompressSync(bytes, {
      params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
    }),
  );
}
