/** Test files as one ES module for a page, a worker or Deno. */
import { join } from 'node:path';
import { build, type Plugin } from 'esbuild';
import { root } from '../helpers/sources.js';

const tests = join(root, 'dist/test');

/** Node's part of the helpers gives way to that of pages and Deno. */
const host: Plugin = {
  name: 'host',
  setup: ({ onResolve }) => onResolve({ filter: /\/host\.js$/ }, () => ({ path: join(tests, 'everywhere/host.js') })),
};

/**
 * `runFile(name)` runs one file and resolves with an `Outcome` or, for `steps`, with what they computed. uvu's queue is emptied
 * here: uvu itself writes its counts to the console. A worker answers messages; Deno writes a line for each of its arguments.
 */
const entry = (names: readonly string[]): string => `
globalThis.UVU_DEFER = 1;
const files = { ${names.map((name) => `${JSON.stringify(name)}: () => import('./${name}.test.js')`).join(',\n')} };
async function outcome(name) {
  globalThis.UVU_QUEUE = [[]];
  await files[name]();
  const sum = { errors: '', passed: 0, total: 0 };
  for (const run of globalThis.UVU_QUEUE[0]) {
    const [errors, passed, , total] = await run();
    if (errors !== true) sum.errors += errors;
    sum.passed += passed;
    sum.total += total;
  }
  return sum;
}
globalThis.runFile = (name) =>
  (name === 'steps' ? import('./everywhere/steps.js').then(({ twelveSteps }) => twelveSteps()) : outcome(name))
    .catch((error) => ({ errors: String(error.stack), passed: 0, total: 1 }));
if (globalThis.WorkerGlobalScope && !globalThis.Deno) onmessage = ({ data }) => runFile(data).then(postMessage);
if (globalThis.Deno) for (const name of Deno.args) console.log(JSON.stringify(await runFile(name)));
`;

/** The text of a module with the test files of these names, such as `ops/softmax`. */
export async function bundleTests(names: readonly string[]): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: entry(names.filter((name) => name !== 'steps')), resolveDir: tests },
    bundle: true, format: 'esm', platform: 'browser', write: false,
    loader: { '.safetensors': 'binary' }, plugins: [host], logLevel: 'silent',
  });
  return outputFiles[0]!.text;
}
