/** The work of `splice-gpu apply`: paints other photos with the generator of a transfer. */
import { basename, extname, join, resolve } from 'node:path';
import type { Engine } from '../../engine/index.js';
import { startPainting, type Painting } from '../../model/generators/paint.js';
import { SizeError } from '../../model/generators/parameters.js';
import type { Image } from '../../model/image.js';
import { photoSha256, readPhoto, writeImage, type Photo } from '../photos/photo.js';
import { DETAIL_KEYWORD, FRAME_KEYWORD, GENERATOR_KEYWORD, type PngText } from '../photos/pngText.js';
import type { Parts } from '../run/parts.js';
import { EXIT_INTERRUPTED, InputError, UsageError } from '../shared/errors.js';
import { exists, isFolder, prepareFolder } from '../shared/files.js';
import { createProgress, writeLine } from '../shared/progress.js';
import { version } from '../shared/version.js';
import { withDetail, type Fine } from '../transfer/detail.js';
import { targetOf, type OutputOptions } from '../transfer/output.js';
import { framesIn, hasTexts } from '../transfer/sequence.js';
import { photoOf, readGenerator } from './pairGenerator.js';
import { onEngine } from './study.js';

export interface ApplyOptions extends OutputOptions {
  /** Folder of a finished transfer. */
  readonly generator: string;
  /** Photos, and folders of frames: of these, pictures that are there already stay. */
  readonly image: readonly string[];
  readonly out: string;
  /** Shorter side that the photos are resized to; `full`: their own; `auto`: at most that of the training, if it is known. */
  readonly size: number | 'auto' | 'full';
  /** Memory on the device in MiB above which a photo is painted strip by strip. */
  readonly memory: number;
  readonly force?: boolean;
  readonly json?: boolean;
}

/** Steps of the progress for one picture. */
const PARTS = 100;

/** A picture that was made, or one of a frame that was there. */
type Done = { readonly image: string; readonly result: string } & (Made | { readonly kept: true });

interface Made {
  readonly size: readonly [width: number, height: number];
  readonly inStrips: boolean;
  readonly detail: Fine['detail'] | null;
}

/** Writes one picture per photo, under its name. Returns the exit code: 130 when interrupted. */
export async function apply(options: ApplyOptions, parts: Parts): Promise<number> {
  const { interrupt, stdout, stderr } = parts;
  const generator = await readGenerator(options.generator);
  const { path, sha256, recipe } = generator;
  const text = { Software: `splice-gpu ${version()}`, Generator: resolve(path), [GENERATOR_KEYWORD]: sha256, Recipe: recipe };
  const targets = await targetsOf(options, text);
  const appearance = await photoOf(options.generator, 'appearance');
  const undo = await prepareFolder(options.out);
  const progress = createProgress(PARTS * targets.length, stderr);
  const done: Done[] = [];
  try {
    await onEngine(parts, async (engine) => {
      const painting = startPainting(engine, generator.generator, generator.weights);
      const painter = { engine, ...painting, side: generator.side, appearance };
      for (const [i, { from, to, text: own, isDone }] of targets.entries()) {
        if (interrupt.aborted) break;
        if (isDone) {
          done.push({ image: resolve(from), result: resolve(to), kept: true });
          continue;
        }
        const update = (share: number): void => {
          interrupt.throwIfAborted();
          progress.update(PARTS * i + Math.floor(PARTS * share), `percent, ${from}`);
        };
        const { picture, inStrips, detail } = await paintOne(options, from, painter, parts, update);
        await writeImage(to, picture, { ...own, ...(detail && { [DETAIL_KEYWORD]: JSON.stringify(detail) }) });
        const size = [picture.width, picture.height] as const;
        done.push({ image: resolve(from), result: resolve(to), size, inStrips, detail: detail ?? null });
        update(1);
      }
    });
  } catch (error) {
    if (!interrupt.aborted) throw error;
  } finally {
    progress.finish();
    await undo();
  }
  const facts = { generator: resolve(path), recipe, results: done };
  stdout.write(options.json ? `${JSON.stringify(facts)}\n` : done.map(({ result }) => `${result}\n`).join(''));
  return interrupt.aborted ? EXIT_INTERRUPTED : 0;
}

interface Painter extends Painting {
  readonly engine: Engine;
  /** Shorter side of the training's structure photo, if it is known. */
  readonly side: number | undefined;
  /** For texture; absent when it is not found. */
  readonly appearance: Photo | undefined;
}

/** The share of the work that is detail, where there is some. */
const DETAIL_WORK = 0.8;

/** The picture of a photo, with detail if it is smaller than the photo. */
async function paintOne(
  { size, memory, ...output }: ApplyOptions, from: string, { engine, paint, side, appearance }: Painter, parts: Parts,
  update: (share: number) => void,
): Promise<Partial<Fine> & { readonly picture: Image; readonly inStrips: boolean }> {
  const reading = size === 'auto' ? { atMost: side ?? Infinity } : size === 'full' ? {} : { shorterSide: size };
  const photo = await readPhoto(from, reading);
  if (photo.note) writeLine(parts.stderr, photo.note);
  const target = targetOf(output, photo, photo.image);
  const own = target ? 1 - DETAIL_WORK : 1;
  const painted = await paint(photo.image, memory * 2 ** 20, (share) => update(own * share)).catch((error: unknown) => {
    throw error instanceof SizeError ? new InputError(`${from}: ${error.message}`, { cause: error }) : error;
  });
  if (!target) return { picture: painted.image, inStrips: painted.inStrips };
  const job = { result: painted.image, structure: photo, appearance, target, strength: output.detail ?? 0 };
  const fine = await withDetail(engine, parts, job, (share) => update(own + DETAIL_WORK * share));
  return { ...fine, inStrips: painted.inStrips };
}

interface Target {
  readonly from: string;
  readonly to: string;
  /** In the picture. */
  readonly text: PngText;
  /** It is of a folder's frame, and there already. */
  readonly isDone: boolean;
}

/**
 * The path of each photo's picture. @throws UsageError for two photos of the same name, or for a file there that is not the
 * picture of a folder's frame
 */
async function targetsOf({ image, out, force, ...options }: ApplyOptions, text: PngText): Promise<Target[]> {
  const { size, memory, detail = 0, upscale, outputSize } = options;
  const settings = { ...text, Settings: JSON.stringify({ size, memory, detail, upscale, outputSize }) };
  const targets: Target[] = [];
  for (const path of image) {
    const isSequence = await isFolder(path);
    for (const from of isSequence ? await framesIn(path) : [path]) {
      const to = join(out, `${basename(from, extname(from))}.png`);
      const own = isSequence ? { ...settings, [FRAME_KEYWORD]: await photoSha256(from) } : text;
      targets.push({ from, to, text: own, isDone: isSequence && !force && (await hasTexts(to, own)) });
    }
  }
  const twice = targets.find(({ to }, i) => targets.findIndex((other) => other.to === to) < i);
  if (twice) throw new UsageError(`${twice.from}: another photo has the same name: both would become ${twice.to}`);
  for (const { from, to, isDone } of targets) {
    if (resolve(from) === resolve(to)) throw new UsageError(`--out: ${to} is the photo itself, choose another folder`);
    if (force || isDone || !(await exists(to))) continue;
    throw new UsageError(`${to} exists: choose another --out, or --force to replace it`);
  }
  return targets;
}
