/** Holds the layout the README promises: who imports whom, one basename in three trees, no uninitialised `var`. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const root = fileURLToPath(new URL('../../../', import.meta.url));

const sources = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((f) => f.endsWith('.ts') && !f.endsWith('.d.ts'))
    .map((f) => `${folder}/${f.replaceAll('\\', '/')}`);

const text = (file: string): string => readFileSync(join(root, file), 'utf8');

/** What a file imports: packages as they are, own files relative to the root. */
const importsOf = (file: string): string[] =>
  [...text(file).matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map(([, target]) =>
    target!.startsWith('.') ? relative(root, join(root, file, '..', target!)).replaceAll('\\', '/') : target!);

const rules: { readonly folder: string; readonly may: RegExp }[] = [
  { folder: 'shaders', may: /^shaders\// },
  { folder: 'engine/ops', may: /^(engine\/(ops|graph)\/|shaders\/)/ },
  { folder: 'engine', may: /^(engine|shaders)\// },
  { folder: 'model', may: /^(model\/|engine\/index\.js)/ },
  { folder: 'cli', may: /^(cli|model)\/|^engine\/index\.js|^(node:|webgpu$|pngjs$|sharp$|commander$|undici$|csv-parse\/sync$|uplot$)/ },
  { folder: 'cli/watch/page', may: /^cli\/watch\/(page\/|snapshot\.js$)|^uplot$/ },
];

for (const { folder, may } of rules) {
  test(`${folder}/ imports only what the layout allows`, () => {
    for (const file of sources(folder)) {
      const isDoor = file === 'shaders/parts/wgsl.ts';
      const bad = importsOf(file).filter((target) => !may.test(target) && !(isDoor && target.startsWith('wgsl-preprocessor/')));
      assert.equal(bad, [], `${file} imports ${bad.join(', ')}`);
    }
  });
}

/** The op of a file right inside a folder; what several ops share lies in folders of its own. */
const opsIn = (folder: string): string[] =>
  sources(folder).map((file) => file.slice(folder.length + 1, -3)).filter((name) => name !== 'index' && !name.includes('/'));

test('every op has its kernel, its op file and its test under one name', () => {
  const [shaders, ops] = [opsIn('shaders'), opsIn('engine/ops')];
  const launching = ops.filter((name) => name !== 'view'); // a view has no launch, hence no kernel
  assert.equal(launching.filter((name) => !shaders.includes(name)), [], 'ops without a kernel');
  assert.equal(shaders.filter((name) => !ops.includes(name)), [], 'kernels without an op');
  assert.equal(launching.filter((name) => !existsSync(join(root, `test/ops/${name}.test.ts`))), [], 'ops without a test');
});

test('no WGSL variable is declared without a value: Dawn does not set it to zero again in loops', () => {
  for (const file of [...sources('shaders'), ...sources('cli')]) {
    const bad = text(file).split('\n').filter((line) => /\bvar\s+\w+\s*:\s*[\w<>, ]+;/.test(line));
    assert.equal(bad, [], `${file}: write "var x = T();"`);
  }
});

test('README and sources name no package registry', () => {
  const files = ['README.md', 'package.json', 'package-lock.json', ...['engine', 'shaders', 'model', 'cli', 'test'].flatMap(sources)];
  const host = new RegExp(['registry', 'npmjs', 'org'].join('\\.') + '|' + ['deb', 'debian', 'org'].join('\\.'));
  for (const file of files.filter((f) => existsSync(join(root, f)))) assert.not.match(text(file), host, file);
});

test.run();
