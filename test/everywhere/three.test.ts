/** Beside three.js in Chromium: the README's program, with its op and with a generator in its place; textures of images. */
import { join } from 'node:path';
import { build } from 'esbuild';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { blur, createEngine, type Engine, type Tensor, type Tuning } from '../../engine/index.js';
import { bindParameters, flatten, layoutOf, random, recipes } from '../../model/index.js';
import { assertClose } from '../helpers/check.js';
import { openDevice } from '../helpers/device.js';
import { root } from '../helpers/sources.js';
import { example } from './examples.js';
import { openPage } from './places.js';

interface Frame {
  /** RGBA bytes of the canvas: what three rendered, what the engine made of it. */
  readonly left: readonly number[];
  readonly right: readonly number[];
  /** The engine's input. */
  readonly x: readonly number[];
  readonly uncaptured: readonly string[];
  /** Of the whole frame, and of three's for one scene. */
  readonly submits: number;
  readonly own: number;
  readonly subgroups: boolean;
  readonly tuning: Tuning;
}

const code = example('Beside three.js');
const readme = { blur: code, generator: code.replace(/const y = .*;.*/, 'const y = generatorOf(engine, x);') };
assert.not.equal(readme.generator, code);

const { outputFiles } = await build({
  entryPoints: [join(root, 'test/everywhere/threePage.mjs')], bundle: true, format: 'esm', write: false, logLevel: 'silent',
  alias: { 'splice-gpu': join(root, 'dist/engine/index.js'), 'splice-gpu/model': join(root, 'dist/model/index.js') },
  plugins: [{
    name: 'readme',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /\.readme$/ }, ({ path }) => ({ path: path.slice(2, -'.readme'.length), namespace: 'readme' }));
      onLoad({ filter: /./, namespace: 'readme' }, ({ path }) =>
        ({ contents: readme[path as keyof typeof readme], resolveDir: root }));
    },
  }],
});
const opened = await openPage(outputFiles[0]!.text, { paints: true });

/** The same generator as in the page. */
function generated(engine: Engine, x: Tensor): Tensor {
  const generator = recipes.splice.generator();
  const layout = layoutOf(generator);
  const weights = recipes.splice.initialWeights(generator, random(1, 'generator'));
  engine.writeParameter('generator', [layout.size], flatten(layout, weights).map((w) => 4 * w));
  return generator.forward(bindParameters(x.graph, 'generator', layout).get, x);
}
const ops = { blur: (_: Engine, x: Tensor) => blur(x, x.graph.constant(Float32Array.of(1, 2), [2])), generator: generated };

/** A plane of three's has the first row of a texture at its bottom. */
const upright = (bytes: readonly number[]): number[] =>
  Array.from({ length: 64 }, (_, row) => bytes.slice(256 * (63 - row), 256 * (64 - row))).flat();

/** Planes, 0 to 1, of RGBA bytes. */
const planes = (bytes: readonly number[]): number[] =>
  [0, 1, 2].flatMap((c) => bytes.filter((_, i) => i % 4 === c).map((byte) => byte / 255));

for (const what of opened ? ['blur', 'generator'] as const : []) {
  test(`${what}: a texture of three's, through the engine, into the scene`, async () => {
    await opened!.page.evaluate(() => import('/tests.js' as string));
    const found = await opened!.page.evaluate((name) => (globalThis as any).frameBesideThree(name), what) as Frame;
    assert.equal(found.uncaptured, []);
    assert.is(found.submits, 2 * found.own + 1, 'one submit besides three\'s for two scenes');
    assert.ok(found.subgroups, 'three asked for every feature');
    assert.ok(new Set(found.left).size > 20 && new Set(found.right).size > 20, 'there are pictures');
    const engine = createEngine(await openDevice());
    const x = engine.graph().input('x', [1, 3, 64, 64]);
    const program = await engine.compile({ y: ops[what](engine, x) });
    program.write('x', found.x);
    program.run();
    assertClose('what three shows and what the engine read', found.x, planes(upright(found.left)), 1.5 / 255);
    assertClose('what three shows and what Node makes of it', planes(upright(found.right)), await program.read('y'), 1.5 / 255);
  });
}

if (opened) {
  test('textures of an ImageBitmap and of a VideoFrame', async () => {
    const bytes = Array.from({ length: 4 * 20 * 14 }, (_, i) => (i % 4 === 3 ? 255 : (37 * i) % 256));
    const found = await opened.page.evaluate(([values]) => (globalThis as any).planesOf(values, 20, 14), [bytes]) as number[][];
    assertClose('ImageBitmap', found[0]!, planes(bytes), 1e-6);
    assertClose('VideoFrame', found[1]!, planes(bytes), 1.5 / 255);
  });
  test('the page had no error', () => opened.close());
}

test.run();
