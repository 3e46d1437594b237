/** Holds the layout that the folders' README files promise: imports, one basename in three trees, no `var` without a value. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { filesIn, importsOf, root, sources, text, tops } from '../helpers/sources.js';

/** `but`: a folder in it that has a rule of its own. */
const rules: { readonly folder: string; readonly may: RegExp; readonly but?: string }[] = [
  { folder: 'shaders', may: /^shaders\// },
  { folder: 'engine', may: /^(engine|shaders)\// },
  { folder: 'model', may: /^(model\/|engine\/index\.js)/ },
  {
    folder: 'cli',
    may: /^((cli|model)\/|engine\/index\.js|node:|(webgpu|pngjs|sharp|opentype\.js|commander|undici|csv-parse\/sync|uplot)$)/,
    but: 'cli/queue',
  },
  {
    folder: 'cli/queue',
    may: /^(cli\/|node:|(bullmq|ioredis|@aws-sdk\/client-s3)$)/,
  },
  { folder: 'cli/watch/page', may: /^cli\/watch\/(page\/|snapshot\.js$)|^model\/(image|nearest)\.js$|^uplot$/ },
  {
    folder: 'cli/share/page',
    may: /^(model\/|engine\/index\.js$|cli\/(share|studio|watch)\/page\/)/,
  },
  {
    folder: 'cli/studio/page',
    may: /^(model\/|engine\/index\.js$|cli\/(studio\/page\/|watch\/(page\/|snapshot\.js$)|shared\/rate\.js$))/,
  },
];

for (const { folder, may, but } of rules) {
  test(`${folder}/ imports only what the layout allows`, () => {
    for (const file of sources(folder).filter((each) => but === undefined || !each.startsWith(`${but}/`))) {
      const isDoor = file === 'shaders/parts/wgsl.ts';
      const targets = importsOf(file).map(({ target }) => target);
      const bad = targets.filter((target) => !may.test(target) && !(isDoor && target.startsWith('wgsl-preprocessor/')));
      assert.equal(bad, [], `${file} imports ${bad.join(', ')}`);
    }
  });
}

const modelOrder = ['files', 'vit', 'generators', 'method', 'training', 'anyPair', 'pretraining', 'study', 'compare', 'detail'];
const base = ['shared', 'photos', 'gpu', 'models'];

/** The folders that each folder of `engine`, `model` and `cli` may import, types included; `.` is the files in no folder. */
const neighbours: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  engine: { graph: [], ops: ['graph'], schedule: ['graph', 'ops'], run: ['graph', 'ops', 'schedule'] },
  model: Object.fromEntries(modelOrder.map((folder, i) => [folder, ['.', ...modelOrder.slice(0, i)]])),
  cli: {
    shared: [],
    photos: ['shared'],
    gpu: ['shared'],
    models: ['shared'],
    demo: ['shared', 'photos', 'gpu'],
    watch: ['shared'],
    studio: ['shared', 'models', 'demo', 'watch', 'transfer'],
    share: [...base, 'run', 'study', 'studio', 'watch'],
    run: [...base, 'watch'],
    view: ['shared', 'photos', 'run', 'watch'],
    train: [...base, 'run'],
    transfer: [...base, 'run', 'train'],
    pretrain: [...base, 'run', 'demo'],
    study: [...base, 'run', 'demo', 'transfer'],
    bench: [...base, 'run', 'demo'],
    queue: ['shared', 'gpu', 'models', 'run', 'transfer'],
    commands: [...base, 'run', 'view', 'train', 'transfer', 'pretrain', 'study', 'bench', 'demo', 'queue', 'studio', 'share'],
  },
};

for (const [top, allowed] of Object.entries(neighbours)) {
  const folderOf = (file: string): string => file.split('/').slice(1, -1)[0] ?? '.';
  for (const [folder, others] of Object.entries(allowed)) {
    test(`${top}/${folder}/ imports only ${others.join(', ') || 'its own files'}`, () => {
      const bad = sources(`${top}/${folder}`).flatMap((file) => importsOf(file)
        .filter(({ target }) => target.startsWith(`${top}/`) && ![folder, ...others].includes(folderOf(target)))
        .map(({ target }) => `${file} imports ${target}`));
      assert.equal(bad, []);
    });
  }
  test(`every folder of ${top}/ has its rule`, () => {
    const folders = new Set(sources(top).map(folderOf).filter((folder) => folder !== '.'));
    assert.equal([...folders].sort(), Object.keys(allowed).sort());
  });
}

/** The circles of a graph, each as a path. */
function circlesOf(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const circles: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): void => {
    const at = path.indexOf(file);
    if (at >= 0) circles.push([...path.slice(at), file].join(' -> '));
    if (at >= 0 || done.has(file)) return;
    for (const next of graph.get(file) ?? []) visit(next, [...path, file]);
    done.add(file);
  };
  for (const file of graph.keys()) visit(file, []);
  return circles;
}

test('no imports of values form a circle', () => {
  assert.equal(circlesOf(new Map([['a', ['b']], ['b', ['c']], ['c', ['b', 'd']]])), ['b -> c -> b']);
  const files = tops.flatMap(sources);
  const values = (file: string): string[] =>
    importsOf(file).filter(({ typesOnly }) => !typesOnly).map(({ target }) => target.replace(/\.js$/, '.ts'));
  assert.equal(circlesOf(new Map(files.map((file) => [file, values(file)]))), []);
});

test('the command line shows its help without loading the engine or a kernel', () => {
  const loaded = new Set<string>();
  const load = (file: string): void => {
    if (loaded.has(file)) return;
    loaded.add(file);
    if (!/^(cli|model)\//.test(file)) return;
    const targets = importsOf(file).filter(({ typesOnly, isLazy }) => !typesOnly && !isLazy).map(({ target }) => target);
    for (const target of targets) load(target.replace(/\.js$/, '.ts'));
  };
  load('cli/bin.ts');
  assert.ok(loaded.has('cli/commands/transfer.ts') && loaded.has('commander'));
  assert.equal([...loaded].filter((file) => /^((engine|shaders)\/|webgpu$)/.test(file)), []);
});

test('packages that only a queue needs are loaded when one is used', () => {
  const optional = Object.keys(JSON.parse(text('package.json')).peerDependencies);
  assert.equal(optional, ['@aws-sdk/client-s3', 'bullmq', 'ioredis']);
  const found = sources('cli').flatMap((file) => importsOf(file).filter(({ target }) => optional.includes(target))
    .map((each) => ({ file, ...each })));
  assert.equal(found.filter(({ typesOnly, isLazy }) => !typesOnly && !isLazy), []);
  assert.equal([...new Set(found.filter(({ isLazy }) => isLazy).map(({ file }) => file))], ['cli/queue/optional.ts']);
});

/** The ops of the files right inside a folder. Parts that several ops share are in subfolders. */
const opsIn = (folder: string): string[] =>
  sources(folder).map((file) => file.slice(folder.length + 1, -3)).filter((name) => name !== 'index' && !name.includes('/'));

test('every op has its kernel, its op file and its test under one name', () => {
  const [shaders, ops] = [opsIn('shaders'), opsIn('engine/ops')];
  const tests = opsIn('test/ops').map((name) => name.replace(/\.test$/, ''));
  const launching = ops.filter((name) => name !== 'view'); // a view has no launch, hence no kernel
  /** A shader or a test may have a second file for the gradient. */
  const isOf = (names: readonly string[], name: string): boolean =>
    names.includes(name) || names.includes(name.replace(/Backward$/, ''));
  assert.equal(launching.filter((name) => !shaders.includes(name)), [], 'ops without a kernel');
  assert.equal(shaders.filter((name) => !isOf(ops, name)), [], 'kernels without an op');
  assert.equal(ops.filter((name) => name.endsWith('Backward')), [], 'gradients apart from their op');
  assert.equal(launching.filter((name) => !tests.includes(name)), [], 'ops without a test');
  assert.equal(tests.filter((name) => !isOf([...ops, ...opsIn('engine/ops/launch')], name)), [], 'tests without an op');
});

test('engine/graph, ops and schedule name no type of WebGPU', () => {
  for (const file of ['graph', 'ops', 'schedule'].flatMap((folder) => sources(`engine/${folder}`))) {
    const code = text(file).replace(/\/\*[^]*?\*\/|\/\/.*/g, '');
    assert.not.match(code, /\bGPU[A-Z]/, file);
  }
});

test('no WGSL variable is declared without a value: Dawn does not set it to zero again in loops', () => {
  for (const file of [...sources('shaders'), ...sources('cli')]) {
    const bad = text(file).split('\n').filter((line) => !line.includes('@binding') && /\bvar\s+\w+\s*:\s*[\w<>, ]+;/.test(line));
    assert.equal(bad, [], `${file}: write "var x = T();"`);
  }
});

test('files are read by one bounded reader; readFile is for what the package or the system itself has', () => {
  const own = ['cli/bench/compiled.ts', 'cli/shared/lock.ts', 'cli/watch/assets.ts'];
  const others = sources('cli').filter((file) => /\breadFile\(/.test(text(file)) && !own.includes(file));
  assert.equal(others, []);
});

test('README and sources name no package registry', () => {
  const files = ['README.md', 'package.json', 'package-lock.json', ...tops.flatMap((top) => filesIn(top, ['.ts', '.md']))];
  const host = new RegExp(['registry', 'npmjs', 'org'].join('\\.') + '|' + ['deb', 'debian', 'org'].join('\\.'));
  for (const file of files.filter((f) => existsSync(join(root, f)))) assert.not.match(text(file), host, file);
});

test.run();
