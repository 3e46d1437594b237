/** The packages as a stranger's project finds them: imports, types, weights by name, bundles, in Node, in Deno and on a page. */
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { build } from 'esbuild';
import { publint } from 'publint';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { preview, build as viteBuild } from 'vite';
import { mesaSettings } from '../../cli/gpu/mesa.js';
import { openBrowser, watchTrouble } from '../browser/browser.js';
import { temporaryFolder } from '../helpers/pictures.js';
import { root } from '../helpers/sources.js';
import { ENGINE_PACKAGE, makeEnginePackage } from './enginePackage.js';

const require = createRequire(import.meta.url);
const run = promisify(execFile);

/** A project with the package of the engine, `splice-gpu` itself, and nothing else installed. */
const project = temporaryFolder();
const installed = (name: string): string => join(project, 'node_modules', name);
makeEnginePackage(installed(ENGINE_PACKAGE));
mkdirSync(installed('@webgpu'));
for (const name of ['wgsl-preprocessor', '@webgpu/types']) symlinkSync(join(root, 'node_modules', name), installed(name));
symlinkSync(root, installed('splice-gpu'));
writeFileSync(join(project, 'package.json'), JSON.stringify({ type: 'module', dependencies: { [ENGINE_PACKAGE]: '*' } }));

const file = (name: string, content: string): string => {
  writeFileSync(join(project, name), content);
  return name;
};

/** With an `engine`. */
const multiply = `
const g = engine.graph();
const program = await engine.compile({ y: matmul(g.input('a', [2, 2]), g.input('b', [2, 2])) });
program.write('a', [1, 2, 3, 4]);
program.write('b', [5, 6, 7, 8]);
program.run();
const product = [...await program.read('y')];`;

/** Multiplies two matrices on a device, and reads a ViT by the name of its weights; prints what came out. */
const useIt = (device: string): string => `
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createEngine, deviceDescriptor, matmul } from '${ENGINE_PACKAGE}';
import { openCheckpoint, vitFromStored, parseSidecar } from '${ENGINE_PACKAGE}/model';
import { softmax } from '${ENGINE_PACKAGE}/shaders';
const gpu = ${device};
const adapter = await gpu.requestAdapter();
const device = await adapter.requestDevice(deviceDescriptor(adapter));
const engine = createEngine(device);
${multiply}
const bytes = readFileSync(fileURLToPath(import.meta.resolve('${ENGINE_PACKAGE}/weights/vit_mini8.safetensors')));
const model = [openCheckpoint, vitFromStored, parseSidecar].map((f) => typeof f);
console.log(JSON.stringify({ product, bytes: bytes.length, shaders: typeof softmax, model }));
process.exit(0);
`;

const expected = { product: [19, 22, 43, 50], bytes: 3714600, shaders: 'object', model: ['function', 'function', 'function'] };

test('Node: engine, models, shaders and weights by name', async () => {
  const dawn = JSON.stringify(join(root, 'node_modules/webgpu/index.js'));
  const program = file('node.mjs', useIt(`await import(${dawn}).then(({ create, globals }) => {
    Object.assign(globalThis, globals);
    return (globalThis.kept = create([]));
  })`));
  const { stdout } = await run(process.execPath, [program], { cwd: project, env: { ...process.env, ...mesaSettings() } });
  assert.equal(JSON.parse(stdout), expected);
});

const deno = ((): string | undefined => {
  try {
    return join(dirname(require.resolve('deno/package.json')), 'bin.cjs');
  } catch {
    return undefined;
  }
})();

if (deno) {
  test('Deno: the same, on another implementation of WebGPU', async () => {
    const program = file('deno.mjs', useIt('navigator.gpu').replace(/^/, "import process from 'node:process';"));
    const args = [deno, 'run', '-A', '--no-check', '--node-modules-dir=manual', program];
    const { stdout } = await run(process.execPath, args, { cwd: project, env: { ...process.env, ...mesaSettings() } });
    assert.equal(JSON.parse(stdout), expected);
  });
} else console.log('skipped: Deno is not installed (npm install brings it)');

/** The same on a page: vite gives the address of a file by the name that a package exports. */
const page = `
import { createEngine, deviceDescriptor, matmul } from '${ENGINE_PACKAGE}';
import { parseSafetensors } from '${ENGINE_PACKAGE}/model';
import weights from '${ENGINE_PACKAGE}/weights/vit_mini8.safetensors?url';
const adapter = await navigator.gpu.requestAdapter();
const engine = createEngine(await adapter.requestDevice(deviceDescriptor(adapter)));
${multiply}
const bytes = new Uint8Array(await (await fetch(weights)).arrayBuffer());
document.title = JSON.stringify({ product, bytes: bytes.length, tensors: parseSafetensors(bytes).tensors.size });
`;

test('vite: a page with the engine and the weights by name', async () => {
  file('page.js', page);
  file('index.html', '<!doctype html><link rel="icon" href="data:,"><script type="module" src="page.js"></script>');
  const settings = { root: project, configFile: false as const, logLevel: 'warn' as const, build: { target: 'es2022' } };
  await viteBuild(settings);
  const browser = await openBrowser();
  if (!browser) return;
  const server = await preview({ ...settings, preview: { host: '127.0.0.1', port: 0 } });
  const url = `http://127.0.0.1:${(server.httpServer.address() as AddressInfo).port}/`;
  try {
    const tab = await browser.newPage();
    const trouble = watchTrouble(tab, url);
    await tab.goto(url);
    await tab.waitForFunction(() => document.title).catch(() => undefined);
    assert.equal(trouble, { errors: [], foreign: [] });
    assert.equal(JSON.parse(await tab.title()), { product: expected.product, bytes: expected.bytes, tensors: 54 });
  } finally {
    await browser.close();
    await server.close();
  }
});

const consumer = `
import { conv2d, createEngine, deviceDescriptor, EngineError, gradients, mse, type Tensor } from 'PACKAGE';
import { startSplice, type SpliceRun } from 'PACKAGE/model';
import { copy } from 'PACKAGE/shaders';
export async function use(adapter: GPUAdapter): Promise<Float32Array> {
  const engine = createEngine(await adapter.requestDevice(deviceDescriptor(adapter)), { label: 'mine' });
  const x: Tensor = engine.graph().input('x', [1, 3, 8, 8]);
  const w = x.graph.parameter('w', [4, 3, 3, 3]);
  const [dw] = gradients(mse(conv2d(x, w), conv2d(x, w)), [w]);
  const program = await engine.compile({ dw: dw! });
  const buffer: GPUBuffer = program.buffer('dw').buffer;
  program.bind('dw', { buffer });
  return program.read('dw');
}
// @ts-expect-error a number is no device: fails where GPUDevice is any in silence
createEngine(42);
// @ts-expect-error a device has no foo
export const foo = (engine: ReturnType<typeof createEngine>) => engine.device.foo;
export const [start, shader, code]: [typeof startSplice, string, (e: EngineError) => string] =
  [startSplice, copy.copyForward, ({ code }) => code];
export type Run = SpliceRun;
`;

const compilers = [
  ['5', join(dirname(require.resolve('typescript', { paths: [require.resolve('@arethetypeswrong/core')] })), 'tsc.js')],
  ['7', join(root, 'node_modules/typescript/bin/tsc')],
] as const;

for (const [version, compiler] of compilers) {
  for (const [module, moduleResolution] of [['esnext', 'bundler'], ['nodenext', 'nodenext']] as const) {
    for (const skipLibCheck of [true, false]) {
      const name = `TypeScript ${version}, ${moduleResolution}, ${skipLibCheck ? 'without' : 'with'} a check of libraries`;
      test(`types: ${name}`, async () => {
        const files = [ENGINE_PACKAGE, 'splice-gpu'].map((each, i) => file(`use${i}.ts`, consumer.replaceAll('PACKAGE', each)));
        const compilerOptions = {
          target: 'es2022', lib: ['es2023', 'dom'], types: [], strict: true, noEmit: true, module, moduleResolution, skipLibCheck,
        };
        const config = file('tsconfig.json', JSON.stringify({ compilerOptions, files }));
        const failed = ({ stdout }: { stdout: string }): string => stdout;
        const compiling = run(process.execPath, [compiler, '-p', config], { cwd: project });
        assert.is(await compiling.then(({ stdout }) => stdout, failed), '');
      });
    }
  }
}

/** Kilobytes of a minified and gzipped bundle for browsers. */
async function bundled(contents: string): Promise<number> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: project }, bundle: true, minify: true, format: 'esm', platform: 'browser', write: false,
    logLevel: 'silent',
  });
  return gzipSync(outputFiles[0]!.contents).length / 1000;
}

const all = ['createEngine', 'conv2d', 'gradients', 'mse'].join(', ');
/** What bundles took when they were measured; a tenth more fails. */
const bundles: readonly (readonly [what: string, kilobytes: number, code: string])[] = [
  ['one op', 16, `import { createEngine, blur } from '${ENGINE_PACKAGE}'; console.log(createEngine, blur);`],
  ['the first program of the README', 25, `import { ${all} } from '${ENGINE_PACKAGE}'; console.log(${all});`],
  ['a training', 90, `import { startSplice, openCheckpoint, vitFromStored } from '${ENGINE_PACKAGE}/model';
    import { createEngine } from '${ENGINE_PACKAGE}'; console.log(startSplice, openCheckpoint, vitFromStored, createEngine);`],
];

for (const [what, kilobytes, code] of bundles) {
  test(`a bundle with ${what} needs no shim and stays below ${kilobytes} kB`, async () => {
    const size = await bundled(code);
    console.log(`${what}: ${size.toFixed(1)} kB`);
    assert.ok(size < 1.1 * kilobytes, `${size.toFixed(1)} kB`);
    assert.ok(size > 0.5 * kilobytes, `${size.toFixed(1)} kB: the limit is out of date`);
  });
}

test('publint finds nothing', async () => {
  for (const pkgDir of [installed(ENGINE_PACKAGE), root]) {
    const { messages } = await publint({ pkgDir, strict: true });
    assert.equal(messages.map(({ code, path }) => `${code} ${path.join('.')}`), [], pkgDir);
  }
});

test('the package is small; its types resolve wherever ES modules do', async () => {
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', project, '--ignore-scripts'],
    { cwd: installed(ENGINE_PACKAGE), shell: process.platform === 'win32' });
  const [{ filename, size, files }] = JSON.parse(stdout) as [{ filename: string; size: number; files: { path: string }[] }];
  assert.ok(size < 4.2e6, `${size} bytes`);
  assert.equal(files.filter(({ path }) => /^(dist\/(cli|test)|cli|node_modules)\//.test(path)), []);
  const result = await checkPackage(createPackageFromTarballData(readFileSync(join(project, filename))));
  assert.ok(result.types !== false);
  // Packages of ES modules alone are not found by node10's rules, and CommonJS loads them by import() alone: as meant.
  const meant = ['NoResolution', 'CJSResolvesToESM'];
  const problems = result.problems.filter(({ kind, ...where }) =>
    !(meant.includes(kind) && 'resolutionKind' in where && ['node10', 'node16-cjs'].includes(where.resolutionKind)));
  const ofTypes = problems.filter((problem) => !('entrypoint' in problem && /weights|package\.json/.test(problem.entrypoint)));
  assert.equal(ofTypes, []);
});

test.run();
