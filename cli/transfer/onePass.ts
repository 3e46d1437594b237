/** The work of `transfer --generator`: one forward pass, or a strip of mixed appearances. */
import { resolve } from 'node:path';
import { applyGenerator } from '../../model/anyPair/apply.js';
import { mixed } from '../../model/anyPair/condition.js';
import { SizeError } from '../../model/generators/parameters.js';
import type { Image } from '../../model/image.js';
import type { VitModel } from '../../model/vit/config.js';
import { sideBySide } from '../photos/grid.js';
import { readPhoto, shorterSide, writeImage, type Photo, type Size } from '../photos/photo.js';
import { DETAIL_KEYWORD } from '../photos/pngText.js';
import { nameOf } from '../run/about.js';
import { openFolder, type RunFolder } from '../run/folder.js';
import type { OpenedEngine, Parts } from '../run/parts.js';
import { InputError } from '../shared/errors.js';
import { createProgress, writeLine } from '../shared/progress.js';
import { version } from '../shared/version.js';
import { conditionsOf, loadVitOf, readAnyPairGenerator, type LoadedGenerator } from '../train/generatorFile.js';
import { viewingTriptych, withDetail, type Fine } from './detail.js';
import { showSize, targetOf, type OutputOptions } from './output.js';

export interface OnePassOptions extends OutputOptions {
  readonly generator: string;
  readonly structure: string;
  /** One, or two with `mix`. */
  readonly appearances: readonly string[];
  readonly out: string;
  /** The ViT; when absent, the one that the generator was trained with, by its name. */
  readonly model?: string;
  /** Shorter side that the structure photo is scaled to, or `full` for its own; the training size when absent. */
  readonly size?: number | 'full';
  /** Shares of the second appearance, 0 to 1. */
  readonly mix?: readonly number[];
  readonly force: boolean;
  readonly json: boolean;
}

/** The pictures of a strip are for viewing: they get no more detail than this shorter side shows, unless it is asked for. */
const STRIP_SIDE = 512;

interface Job {
  readonly options: OnePassOptions;
  readonly generator: LoadedGenerator;
  readonly vit: VitModel;
  readonly structure: Photo;
  readonly looks: readonly Photo[];
  /** Size of the results with detail; absent when they are what the generator makes. */
  readonly target: Size | undefined;
}

/** Returns the exit code. @throws before anything is created if an input is wrong */
export async function onePass(options: OnePassOptions, parts: Parts): Promise<number> {
  const { appearances, size } = options;
  const generator = await readAnyPairGenerator(options.generator);
  const model = await loadVitOf(generator, options.model, { signal: parts.interrupt, output: parts.stderr });
  const reading = size === 'full' ? {} : { shorterSide: size ?? generator.setup.size };
  const structure = await readPhoto(options.structure, reading);
  const looks: Photo[] = [];
  for (const path of appearances) looks.push(await readPhoto(path, reading));
  for (const { note } of [structure, ...looks]) if (note) writeLine(parts.stderr, note);
  const target = targetOf(wantedOutput(options, structure), structure, structure.image);
  const folder = await openFolder(options.out, options.force, [options.generator, options.structure, ...appearances, model.path]);
  let opened: OpenedEngine | undefined;
  try {
    opened = await parts.openEngine();
    const conditions = await conditionsOf(opened.engine, model, generator, appearances);
    await writeResults({ options, generator, vit: model.vit, structure, looks, target }, conditions, folder, opened, parts);
    return 0;
  } finally {
    opened?.close();
    await folder.close();
  }
}

/** What is asked for, or a size for a strip. */
function wantedOutput({ mix, detail = 0, upscale, outputSize }: OnePassOptions, structure: Photo): OutputOptions {
  const asked = { detail, ...(upscale !== undefined && { upscale }), ...(outputSize !== undefined && { outputSize }) };
  if (!mix || upscale !== undefined || outputSize !== undefined) return asked;
  return { detail, outputSize: Math.max(shorterSide(structure.image), Math.min(STRIP_SIDE, shorterSide(structure))) };
}

async function writeResults(
  job: Job, conditions: readonly Float32Array[], folder: RunFolder, opened: OpenedEngine, parts: Parts,
): Promise<void> {
  const { options, generator, structure, looks, target } = job;
  const { mix } = options;
  const wanted = mix ? mix.map((share) => mixed(conditions, [1 - share, share])) : conditions;
  const { results: plain, milliseconds } = await pictures(opened, generator, structure.image, wanted, options.structure);
  const began = performance.now();
  const fine = target && await detailed(job, plain, opened, parts);
  const detailSeconds = fine && Number(((performance.now() - began) / 1000).toFixed(2));
  const results = fine?.map(({ picture }) => picture) ?? plain;
  const first = results[0]!;
  await folder.begin();
  const text = { Software: `splice-gpu ${version()}`, Generator: generator.sha256 };
  if (fine) await writeImage(folder.at('trained.png'), plain[0]!, text);
  const added = fine && { [DETAIL_KEYWORD]: JSON.stringify(fine[0]!.detail) };
  await writeImage(folder.at('result.png'), first, { ...text, ...added });
  await writeImage(folder.at('triptych.png'), await viewingTriptych([structure, looks[0]!], first, target !== undefined));
  const ends = mix && [await lookBeside(looks[0]!, target), await lookBeside(looks[1]!, target)];
  if (ends) await writeImage(folder.at('strip.png'), await sideBySide([ends[0]!, ...results, ends[1]!], first.height));
  const result = resolve(folder.at(mix ? 'strip.png' : 'result.png'));
  const summary = { status: 'finished', result, milliseconds, size: [first.width, first.height], ...(fine && { detailSeconds }) };
  await folder.config({ ...describe(options, generator), device: opened.adapter, ...summary });
  const passes = `${plain.length} forward pass${plain.length > 1 ? 'es' : ''} of ${showSize(plain[0]!)} pixels`;
  const then = fine ? `; detail at ${showSize(first)} in ${detailSeconds} s` : '';
  const sentence = `${result}: ${passes}, ${milliseconds.map((ms) => ms.toFixed(0)).join(', ')} ms${then}`;
  parts.stdout.write(`${options.json ? JSON.stringify(summary) : sentence}\n`);
}

/** Each picture with detail. A mix has the texture of the appearance that it has more of. */
async function detailed(
  { options: { mix, detail = 0 }, generator: { setup }, vit, structure, looks, target }: Job, plain: readonly Image[],
  { engine }: OpenedEngine, parts: Parts,
): Promise<Fine[]> {
  const progress = createProgress(100, parts.stderr);
  const fine: Fine[] = [];
  for (const [i, result] of plain.entries()) {
    const appearance = (mix?.[i] ?? 0) > 0.5 ? looks[1]! : looks[0]!;
    const job = { result, structure, appearance, target: target!, strength: detail, seeing: { vit, vitSize: setup.vitSize } };
    fine.push(await withDetail(engine, parts, job, (share) => {
      parts.interrupt.throwIfAborted();
      progress.update(Math.floor((100 * (i + share)) / plain.length), `percent of detail at ${showSize(target!)}`);
    }));
  }
  progress.finish();
  return fine;
}

/** An appearance at the end of a strip. */
const lookBeside = async (look: Photo, target: Size | undefined): Promise<Image> =>
  (target ? look.again({ atMost: shorterSide(target) }) : look.image);

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
