/** The work of `transfer --generator`: one forward pass, or a strip of mixed appearances. */
import { resolve } from 'node:path';
import { applyGenerator } from '../../model/anyPair/apply.js';
import { mixed } from '../../model/anyPair/condition.js';
import { SizeError } from '../../model/generators/parameters.js';
import type { Image } from '../../model/image.js';
import { sideBySide, triptych } from '../photos/grid.js';
import { readPhoto, writeImage } from '../photos/photo.js';
import { nameOf } from '../run/about.js';
import { openFolder } from '../run/folder.js';
import type { OpenedEngine, Parts } from '../run/parts.js';
import { InputError } from '../shared/errors.js';
import { version } from '../shared/version.js';
import { conditionsOf, loadVitOf, readAnyPairGenerator, type LoadedGenerator } from '../train/generatorFile.js';

export interface OnePassOptions {
  readonly generator: string;
  readonly structure: string;
  /** One, or two with `mix`. */
  readonly appearances: readonly string[];
  readonly out: string;
  /** The ViT; when absent, the one that the generator was trained with, by its name. */
  readonly model?: string;
  /** Shorter side that the structure photo is scaled to; the training size when absent. */
  readonly size?: number;
  /** Shares of the second appearance, 0 to 1. */
  readonly mix?: readonly number[];
  readonly force: boolean;
  readonly json: boolean;
}

/** Returns the exit code. @throws before anything is created if an input is wrong */
export async function onePass(options: OnePassOptions, parts: Parts): Promise<number> {
  const { appearances, mix } = options;
  const generator = await readAnyPairGenerator(options.generator);
  const model = await loadVitOf(generator, options.model, { signal: parts.interrupt, output: parts.stderr });
  const reading = { shorterSide: options.size ?? generator.setup.size };
  const { image: structure } = await readPhoto(options.structure, reading);
  const looks: Image[] = [];
  for (const path of appearances) looks.push((await readPhoto(path, reading)).image);
  const folder = await openFolder(options.out, options.force, [options.generator, options.structure, ...appearances, model.path]);
  let opened: OpenedEngine | undefined;
  try {
    opened = await parts.openEngine();
    const conditions = await conditionsOf(opened.engine, model, generator, appearances);
    const wanted = mix ? mix.map((share) => mixed(conditions, [1 - share, share])) : conditions;
    const { results, milliseconds } = await pictures(opened, generator, structure, wanted, options.structure);
    const [first, look] = [results[0]!, looks[0]!];
    await folder.begin();
    const text = { Software: `splice-gpu ${version()}`, Generator: generator.sha256 };
    await writeImage(folder.at('result.png'), first, text);
    await writeImage(folder.at('triptych.png'), await triptych(structure, first, look));
    const strip = mix && await sideBySide([look, ...results, looks[1]!], structure.height);
    if (strip) await writeImage(folder.at('strip.png'), strip);
    const [result, size] = [resolve(folder.at(mix ? 'strip.png' : 'result.png')), [structure.width, structure.height]];
    const summary = { status: 'finished', result, milliseconds, size };
    await folder.config({ ...describe(options, generator), device: opened.adapter, ...summary });
    const passes = `${results.length} forward pass${results.length > 1 ? 'es' : ''} of ${size.join(' x ')} pixels`;
    const sentence = `${result}: ${passes}, ${milliseconds.map((ms) => ms.toFixed(0)).join(', ')} ms`;
    parts.stdout.write(`${options.json ? JSON.stringify(summary) : sentence}\n`);
    return 0;
  } finally {
    opened?.close();
    await folder.close();
  }
}

/** The structure image with each condition. The first pass compiles; the measured ones come after it. */
async function pictures(
  { engine }: OpenedEngine, generator: LoadedGenerator, structure: Image, conditions: readonly Float32Array[], path: string,
) {
  const applied = applyGenerator(engine, generator.setup.sizes, generator.weights);
  await applied.apply(structure, conditions[0]!).catch((error: unknown) => {
    throw error instanceof SizeError ? new InputError(`${path}: ${error.message}`, { cause: error }) : error;
  });
  const [results, milliseconds]: [Image[], number[]] = [[], []];
  for (const condition of conditions) {
    const began = performance.now();
    results.push(await applied.apply(structure, condition));
    milliseconds.push(Number((performance.now() - began).toFixed(2)));
  }
  applied.destroy();
  return { results, milliseconds };
}

/** config.json besides device and summary. */
const describe = ({ structure, appearances, mix, generator: path }: OnePassOptions, { sha256 }: LoadedGenerator) => ({
  program: 'splice-gpu', version: version(), command: 'transfer --generator',
  structure: resolve(structure), appearances: appearances.map((appearance) => resolve(appearance)), mix: mix ?? null,
  generator: { path: resolve(path), sha256 },
  page: { title: `${nameOf(structure)} as ${appearances.map(nameOf).join(' and ')}` },
});
