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
  { folder: 'engine/ops', may: /^(engine\/(ops\/|graph\.js|kernel\.js|shape\.js)|shaders\/)/ },
  { folder: 'engine', may: /^(engine|shaders)\// },
  { folder: 'model', may: /^(model\/|engine\/index\.js)/ },
  { folder: 'cli', may: /^(cli|model)\/|^engine\/index\.js|^(node:|webgpu$|pngjs$|sharp$|commander$|undici$|csv-parse\/sync$|uplot$)/ },
  { folder: 'cli/watch/page', may: /^cli\/watch\/(page\/|snapshot\.js$)|^uplot$/ },
];

for (const { folder, may } of rules) {
  test(`${folder}/ imports only what the layout allows`, () => {
    for (const file of sources(folder)) {
      const isDoor = file === 'shaders/wgsl.ts';
      const bad = importsOf(file).filter((target) => !may.test(target) && !(isDoor && target.startsWith('wgsl-preprocessor/')));
      assert.equal(bad, [], `${file} imports ${bad.join(', ')}`);
    }
  });
}

/** What several kernels share is no op. */
const fragments = ['common', 'wgsl', 'index', 'activations', 'pointwise', 'rows', 'heads', 'headLanes', 'tile', 'tileProduct', 'roof', 'halfStorage', 'workQueue'].map((name) => `shaders/${name}.ts`);
/** Ops without a launch have no shader, and what several ops share is none. */
const withoutShader = ['index', 'view', 'pointwise', 'rows', 'heads'].map((name) => `engine/ops/${name}.ts`);

test('every op has its kernel, its op file and its test under one name', () => {
  for (const file of sources('engine/ops').filter((f) => !withoutShader.includes(f))) {
    const name = file.slice('engine/ops/'.length, -3);
    assert.ok(existsSync(join(root, `shaders/${name}.ts`)), `${file} has no twin shaders/${name}.ts`);
    assert.ok(existsSync(join(root, `test/ops/${name}.test.ts`)), `${file} has no test test/ops/${name}.test.ts`);
  }
  for (const file of sources('shaders').filter((f) => !fragments.includes(f))) {
    const name = file.slice('shaders/'.length, -3);
    assert.ok(existsSync(join(root, `engine/ops/${name}.ts`)), `${file} has no twin engine/ops/${name}.ts`);
  }
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
