/** The work of `transfer --generator`: one forward pass, or a strip of mixed appearances. */
import { join, resolve } from 'node:path';
import { applyGenerator } from '../../model/anyPair/apply.js';
import { mixed } from '../../model/anyPair/condition.js';
import type { Image } from '../../model/image.js';
import { InputError } from '../shared/errors.js';
import { writeImage, readPhoto } from '../photos/photo.js';
import { openOutputs } from '../run/folder.js';
import type { Output } from '../shared/progress.js';
import type { OpenedEngine } from './transfer.js';
import { sideBySide, triptych } from '../photos/grid.js';
import { version } from '../shared/version.js';
import { conditionsOf, loadVitOf, readGenerator } from '../train/generatorFile.js';

export interface ApplyOptions {
  readonly generator: string;
  readonly structure: string;
  /** One, or two with `mix`. */
  readonly appearances: readonly string[];
  readonly out: string;
  /** The ViT; the one the generator was trained with, by its name, when absent. */
  readonly model?: string;
  /** Shorter side the structure photo is brought to; the training size when absent. */
  readonly size?: number;
  /** Shares of the second appearance, 0 to 1. */
  readonly mix?: readonly number[];
  readonly force: boolean;
  readonly json: boolean;
}

export interface ApplyParts {
  openEngine(): Promise<OpenedEngine>;
  readonly interrupt: AbortSignal;
  readonly stdout: Output;
  readonly stderr: Output;
}

/** Answers with the exit code. Throws before anything is created if an input is wrong. */
export async function applyToPair(options: ApplyOptions, parts: ApplyParts): Promise<number> {
  const { appearances, mix } = options;
  const generator = await readGenerator(options.generator);
  const model = await loadVitOf(generator, options.model, { signal: parts.interrupt, output: parts.stderr });
  const reading = { shorterSide: options.size ?? generator.setup.size };
  const { image: structure } = await readPhoto(options.structure, reading);
  const looks: Image[] = [];
  for (const path of appearances) looks.push((await readPhoto(path, reading)).image);
  const outputs = await openOutputs(options.out, options.force);
  let opened: OpenedEngine | undefined;
  try {
    opened = await parts.openEngine();
    const conditions = await conditionsOf(opened.engine, model, generator, appearances);
    const applied = applyGenerator(opened.engine, generator.setup.sizes, generator.weights);
    const wanted = mix ? mix.map((share) => mixed(conditions, [1 - share, share])) : conditions;
    await applied.apply(structure, wanted[0]!).catch((error: Error) => {
      throw new InputError(`${options.structure}: ${error.message}`, { cause: error });
    }); // compiles; the pass after it is what one costs
    const results: Image[] = [];
    const times: number[] = [];
    for (const condition of wanted) {
      const began = performance.now();
      results.push(await applied.apply(structure, condition));
      times.push(Number((performance.now() - began).toFixed(2)));
    }
    applied.destroy();
    await outputs.begin();
    const paths = { result: join(outputs.folder, 'result.png'), strip: join(outputs.folder, 'strip.png') };
    if (mix) await writeImage(paths.strip, await sideBySide([looks[0]!, ...results, looks[1]!], structure.height));
    await outputs.result(results[0]!, { Software: `splice-gpu ${version()}`, Generator: generator.sha256 });
    await outputs.triptych(await triptych(structure, results[0]!, looks[0]!));
    const summary = { status: 'finished', result: resolve(mix ? paths.strip : paths.result), milliseconds: times, size: [structure.width, structure.height] };
    await outputs.config({ program: 'splice-gpu', version: version(), kind: 'applied generator', structure: resolve(options.structure), appearances: appearances.map((p) => resolve(p)), mix: mix ?? null, generator: { path: resolve(generator.path), sha256: generator.sha256 }, device: opened.adapter, ...summary });
    parts.stdout.write(options.json ? `${JSON.stringify(summary)}\n` : `${summary.result}: ${results.length} forward pass${results.length > 1 ? 'es' : ''} of ${structure.width} x ${structure.height} pixels, ${times.map((t) => t.toFixed(0)).join(', ')} ms\n`);
    return 0;
  } finally {
    opened?.close();
    await outputs.close();
  }
}
