/**
 * Compares a generator for any pair with generators of one pair, on photos that it was not trained on: losses of whole squares
 * after some numbers of steps, and the figures of `compare` from the pictures alone.
 *
 *     node dist/test/study/heldOutPairs.js TRAIN_DIR [PAIRS] [STRUCTURES]
 *
 * TRAIN_DIR is the folder of a `splice-gpu train`. For each of PAIRS held-out pairs (4), generators are trained from the one for
 * any pair and from scratch. Each of STRUCTURES held-out structures (4) gets all held-out appearances: the program counts the
 * results that are nearest to their own appearance.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openDevice } from '../../cli/gpu/device.js';
import { readAnyPairGenerator, loadVitOf } from '../../cli/train/generatorFile.js';
import { startFinetune } from '../../cli/transfer/fromGenerator.js';
import { holdOut, imageOf, readFolder } from '../../cli/train/photos.js';
import type { TrainOptions } from '../../cli/train/options.js';
import { createEngine } from '../../engine/index.js';
import { applyGenerator, measureResults } from '../../model/anyPair/apply.js';
import { clsReader, normalised } from '../../model/anyPair/condition.js';
import { centralSquare } from '../../model/squares.js';
import { judgePictures } from '../../model/compare/pictures.js';
import { retrieved } from '../../model/anyPair/retrieval.js';
import type { Image } from '../../model/image.js';
import { defaultOptions, type SpliceOptions } from '../../model/method/options.js';
import { startSplice, type SpliceRun } from '../../model/training/pair.js';

const [folder, pairs = '4', structures = '4'] = process.argv.slice(2) as [string, ...string[]];
const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as { train: TrainOptions };
const generator = await readAnyPairGenerator(join(folder, 'generator.safetensors'));
const { setup, scale, weights } = generator;
const { device } = await openDevice();
const engine = createEngine(device);
const model = await loadVitOf(generator, config.train.model, {});
const { vit } = model;
const { structures: photoFolder, holdOut: heldOut, anyPair: { seed } } = config.train;
const none = (): undefined => undefined;
const photos = await readFolder(photoFolder, setup.size, none, none, none);
const { held } = holdOut(photos, heldOut, seed, photoFolder);
const squares = held.map((photo) => centralSquare(imageOf(photo)));
const reader = await clsReader(engine, vit, setup.size, setup);
const tokens: Float32Array[] = [];
for (const square of squares) tokens.push(await reader.read(square));
const conditions = tokens.map((t) => normalised(t, scale));
const measure = await measureResults(engine, vit, setup.size, setup);
const general = applyGenerator(engine, setup.sizes, weights);

const partner = (i: number): number => (i + 1) % squares.length;
const judges = squares.map((square, i) => judgePictures(square, squares[partner(i)]!));
/** Figures of all pairs, by method. */
const noted = new Map<string, Record<string, number>[]>();
const show = (figures: Record<string, number>): string =>
  Object.entries(figures).map(([name, value]) => `${name} ${value.toFixed(3)}`).join(', ');

async function note(what: string, result: Image, i: number): Promise<void> {
  const { structure, appearance } = await measure.of(result, squares[i]!, squares[partner(i)]!);
  const { structure: edges, ...rest } = judges[i]!(result);
  const figures = { 'loss of structure': structure, 'of appearance': appearance, edges, ...rest };
  noted.set(what, [...(noted.get(what) ?? []), figures]);
  process.stderr.write(`pair ${i + 1}, ${what}: ${show(figures)}\n`);
}

/** Trains on pair `i` and notes its result after each of `at` steps. */
async function train(
  what: string, start: typeof startSplice, i: number, changes: Partial<SpliceOptions>, at: readonly number[],
): Promise<void> {
  const { recipe, vitSize, antialias } = setup;
  const own = createEngine(device); // generators of other sizes have the same name
  const options = { ...defaultOptions, recipe, vitSize, antialias, ...changes };
  const run: SpliceRun = await start(own, vit, squares[i]!, squares[partner(i)]!, options);
  for (const steps of at) {
    while (run.stepsDone < steps) {
      await run.step();
      if (run.stepsDone % 5 === 0) await run.sync();
    }
    await note(`${what}, ${steps} steps`, await run.result(), i);
  }
  run.destroy();
  own.destroy();
}

let found = 0;
for (let s = 0; s < Number(structures); s++) {
  const results: Float32Array[] = [];
  for (const [a, condition] of conditions.entries()) {
    const result = await general.apply(squares[s]!, condition);
    results.push((await measure.of(result, squares[s]!, squares[a]!)).cls);
  }
  found += retrieved(results, tokens.map((t) => t.slice(-vit.config.dim)));
}
console.log(`own appearance found: ${found} of ${Number(structures) * squares.length}`);

for (let i = 0; i < Number(pairs); i++) {
  await note('structure photo unchanged', squares[i]!, i);
  await note('general', await general.apply(squares[i]!, conditions[partner(i)]!), i);
  for (const lr of [0.002, 0.0002]) {
    const start = startFinetune(generator, model, held[partner(i)]!.path);
    await train(`general, fine-tuned at ${lr}`, start, i, { lr, warmStart: 0 }, [50, 100, 200]);
  }
  await train('from scratch', startSplice, i, {}, [50, 100, 200, 600, 2000]);
}
for (const [what, all] of noted) {
  const mean = (name: string): number => all.reduce((sum, figures) => sum + figures[name]!, 0) / all.length;
  console.log(`${what}: ${show(Object.fromEntries(Object.keys(all[0]!).map((name) => [name, mean(name)])))}`);
}
process.exit(0); // a held GPU object keeps Node alive
