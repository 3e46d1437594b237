/** The work of `splice-gpu apply`: paints other photos with the generator of a transfer. */
import { basename, extname, join, resolve } from 'node:path';
import { startPainting } from '../../model/generators/paint.js';
import { SizeError } from '../../model/generators/parameters.js';
import { readImage, writeImage } from '../photos/photo.js';
import type { Parts } from '../run/parts.js';
import { EXIT_INTERRUPTED, InputError, UsageError } from '../shared/errors.js';
import { exists, prepareFolder } from '../shared/files.js';
import { createProgress } from '../shared/progress.js';
import { version } from '../shared/version.js';
import { readGenerator } from './pairGenerator.js';
import { onEngine } from './study.js';

export interface ApplyOptions {
  /** Folder of a finished transfer. */
  readonly generator: string;
  readonly image: readonly string[];
  readonly out: string;
  /** Shorter side that the photos are resized to; their own size when absent. */
  readonly size?: number;
  /** Memory on the device in MiB above which a photo is painted strip by strip. */
  readonly memory: number;
  readonly force?: boolean;
  readonly json?: boolean;
}

/** Steps of the progress for one picture. */
const PARTS = 100;

/** Writes one picture per photo, under its name. Returns the exit code: 130 when interrupted between two photos. */
export async function apply(options: ApplyOptions, parts: Parts): Promise<number> {
  const { interrupt, stdout, stderr } = parts;
  const { path, sha256, recipe, generator, weights } = await readGenerator(options.generator);
  const targets = await targetsOf(options);
  const undo = await prepareFolder(options.out);
  const text = { Software: `splice-gpu ${version()}`, Generator: resolve(path), 'Generator SHA-256': sha256, Recipe: recipe };
  const progress = createProgress(PARTS * targets.length, stderr);
  const done: { image: string; result: string; size: readonly [width: number, height: number]; inStrips: boolean }[] = [];
  try {
    await onEngine(parts, async (engine) => {
      const { paint } = startPainting(engine, generator, weights);
      for (const [i, { from, to }] of targets.entries()) {
        if (interrupt.aborted) break;
        const image = await readImage(from, { shorterSide: options.size });
        const update = (share: number): void => progress.update(PARTS * i + Math.floor(PARTS * share), `percent, ${from}`);
        const { image: picture, inStrips } = await paint(image, options.memory * 2 ** 20, update).catch((error: unknown) => {
          throw error instanceof SizeError ? new InputError(`${from}: ${error.message}`, { cause: error }) : error;
        });
        await writeImage(to, picture, text);
        done.push({ image: resolve(from), result: resolve(to), size: [picture.width, picture.height], inStrips });
        update(1);
      }
    });
  } finally {
    progress.finish();
    await undo();
  }
  const facts = { generator: resolve(path), recipe, results: done };
  stdout.write(options.json ? `${JSON.stringify(facts)}\n` : done.map(({ result }) => `${result}\n`).join(''));
  return interrupt.aborted ? EXIT_INTERRUPTED : 0;
}

/** The path of each photo's picture. @throws UsageError for two photos of the same name, or a picture that exists already */
async function targetsOf({ image, out, force }: ApplyOptions): Promise<{ from: string; to: string }[]> {
  const targets = image.map((from) => ({ from, to: join(out, `${basename(from, extname(from))}.png`) }));
  const twice = targets.find(({ to }, i) => targets.findIndex((other) => other.to === to) < i);
  if (twice) throw new UsageError(`${twice.from}: another photo has the same name: both would become ${twice.to}`);
  for (const { from, to } of targets) {
    if (resolve(from) === resolve(to)) throw new UsageError(`--out: ${to} is the photo itself, choose another folder`);
    if (!force && (await exists(to))) throw new UsageError(`${to} exists: choose another --out, or --force to replace it`);
  }
  return targets;
}
