/**
 * Bundles the scripts of the pages out of what tsc made, into dist/pages: `npm run build`. A page is one file then, and the
 * worker of the studio one more. Not part of the package, which has the bundles.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const dist = fileURLToPath(new URL('../dist/', import.meta.url));
const entries = {
  watch: 'watch/page/main.js', studio: 'studio/page/main.js', worker: 'studio/page/worker.js', share: 'share/page/main.js',
};

await build({
  entryPoints: Object.fromEntries(Object.entries(entries).map(([name, path]) => [name, join(dist, 'cli', path)])),
  outdir: join(dist, 'pages'),
  bundle: true, minify: true, format: 'esm', target: 'es2022', platform: 'browser', legalComments: 'eof', logLevel: 'warning',
});
