/** The work of `splice-gpu apply`: a run's generator on other photos. */
import type { Parts } from '../run/parts.js';
import { access } from 'node:fs/promises';
import { basename, extname, join, resolve } from 'node:path';
import { startPainting } from '../../model/generators/paint.js';
import { SizeError } from '../../model/generators/parameters.js';
import { EXIT_INTERRUPTED, InputError, UsageError } from '../shared/errors.js';
import { prepareFolder } from '../shared/files.js';
import { readGenerator, type TrainedGenerator } from './pairGenerator.js';
import { readPhoto, writeImage } from '../photos/photo.js';
import { createProgress } from '../shared/progress.js';
import { version } from '../shared/version.js';

export interface ApplyOptions {
  /** Folder of a finished transfer. */
  readonly generator: string;
  readonly images: readonly string[];
  readonly out: string;
  /** Shorter side the photos are brought to; as they are when absent. */
  readonly size?: number;
  /** Memory on the device in MiB above which a photo is painted strip by strip. */
  readonly memory: number;
  readonly force: boolean;
  readonly json: boolean;
}

interface Applied {
  readonly image: string;
  readonly result: string;
  readonly size: readonly [width: number, height: number];
  readonly inStrips: boolean;
}

/** Steps of the progress of one picture. */
const PARTS = 100;

/** Writes one picture per photo, under its name. Answers with the exit code: 130 when interrupted between two photos. */
export async function apply(options: ApplyOptions, { openEngine, interrupt, stdout, stderr }: Parts): Promise<number> {
  const trained = await readGenerator(options.generator);
  const targets = await targetsOf(options);
  const undo = await prepareFolder(options.out);
  const { engine, close } = await openEngine();
  const progress = createProgress(PARTS * targets.length, stderr);
  const done: Applied[] = [];
  try {
    const { paint } = startPainting(engine, trained.generator, trained.weights);
    for (const [i, { from, to }] of targets.entries()) {
      if (interrupt.aborted) break;
      const { image } = await readPhoto(from, options.size === undefined ? {} : { shorterSide: options.size });
      const { image: picture, inStrips } = await paint(image, options.memory * 2 ** 20, (share) => progress.update(PARTS * i + Math.floor(PARTS * share), `percent, ${from}`))
        .catch((error: unknown) => {
          throw error instanceof SizeError ? new InputError(`${from}: ${error.message}`, { cause: error }) : error;
        });
      await writeImage(to, picture, describe(trained));
      done.push({ image: resolve(from), result: resolve(to), size: [picture.width, picture.height], inStrips });
      progress.update(PARTS * (i + 1), `percent, ${from}`);
    }
  } finally {
    progress.finish();
    close();
    await undo();
  }
  stdout.write(options.json ? `${JSON.stringify({ generator: resolve(trained.path), recipe: trained.recipe, results: done })}\n` : done.map(({ result }) => `${result}\n`).join(''));
  return interrupt.aborted ? EXIT_INTERRUPTED : 0;
}

const describe = ({ path, sha256, recipe }: TrainedGenerator) =>
  ({ Software: `splice-gpu ${version()}`, Generator: resolve(path), 'Generator SHA-256': sha256, Recipe: recipe });

/** Where each photo's picture goes. @throws UsageError for two photos of one name, or a picture that is there already */
async function targetsOf({ images, out, force }: ApplyOptions): Promise<{ from: string; to: string }[]> {
  const targets = images.map((from) => ({ from, to: join(out, `${basename(from, extname(from))}.png`) }));
  const twice = targets.find(({ to }, i) => targets.findIndex((other) => other.to === to) < i);
  if (twice) throw new UsageError(`${twice.from}: another photo of this name is given: both would become ${twice.to}`);
  for (const { from, to } of targets) {
    if (resolve(from) === resolve(to)) throw new UsageError(`--out: ${to} is the photo itself, choose another folder`);
    const exists = await access(to).then(() => true, () => false);
    if (exists && !force) throw new UsageError(`${to} exists: choose another --out, or --force to replace it`);
  }
  return targets;
}
