/** The work of `splice-gpu invert`: makes pictures from features only, layer by layer. */
import type { Engine } from '../../engine/index.js';
import { SizeError } from '../../model/generators/parameters.js';
import type { Image } from '../../model/image.js';
import { startInversion, type Inversion } from '../../model/study/invert.js';
import type { InversionOptions } from '../../model/study/options.js';
import type { LoadedVit } from '../models/read.js';
import type { Sheet, SheetRow } from '../photos/sheet.js';
import type { Parts } from '../run/parts.js';
import { EXIT_INTERRUPTED, InputError, NonFiniteError } from '../shared/errors.js';
import { createProgress, type Io } from '../shared/progress.js';
import { makeSheet, modelFacts, readModels, readPictures, type LayerOptions, type NamedImage } from './study.js';

export interface InvertOptions extends Omit<InversionOptions, 'layer'>, LayerOptions {
  readonly image: string;
  readonly model: string;
  /** Inversions of each layer, from other noise. */
  readonly repeats: number;
}

/** Steps between reads of the loss; the GPU's queue runs empty there. */
const LOOK_EVERY = 20;

/** Writes the sheet. Returns the exit code: 130 when interrupted, and the sheet then has the inversions found so far. */
export async function invert(options: InvertOptions, parts: Parts): Promise<number> {
  const { facet, painter, steps, lr, noise, tv } = options;
  const { interrupt } = parts;
  const [picture] = await readPictures([options.image]);
  const { models: [model], layers } = await readModels([options.model], options, parts);
  await makeSheet(options, parts, async (engine) => {
    const { sheet, found } = await inversionSheet(engine, model!, picture!, { ...options, layers }, parts);
    const status = interrupt.aborted ? 'interrupted' : 'finished';
    return { sheet, facts: { model: modelFacts(model!), facet, painter, steps, lr, noise, tv, status, inversions: found } };
  });
  return interrupt.aborted ? EXIT_INTERRUPTED : 0;
}

type Settings = Omit<InvertOptions, 'image' | 'model' | 'out' | 'json'> & { readonly layers: readonly number[] };

/** Rows are layers, columns the picture and its inversions from other noise. */
export async function inversionSheet(
  engine: Engine, model: LoadedVit, picture: NamedImage, options: Settings, { stderr, interrupt }: Io,
) {
  const { layers, repeats, facet, painter, steps, noise, height } = options;
  const progress = createProgress(layers.length * repeats * steps, stderr);
  const found: { layer: number; seed: number; loss: number }[] = [];
  const rows: SheetRow[] = [];
  for (const layer of layers) {
    if (interrupt.aborted) break;
    const inversion = await begin(engine, model, picture, { ...options, layer });
    try {
      const cells: Image[] = [];
      for (let repeat = 0; repeat < repeats && !interrupt.aborted; repeat++) {
        const seed = options.seed + repeat;
        const phase = `layer ${layer}, ${repeat + 1} of ${repeats}`;
        inversion.restart(seed);
        const done = found.length * steps;
        const loss = await run(engine, inversion, steps, phase, interrupt, (now, text) => progress.update(done + now, text));
        cells.push(await inversion.result());
        found.push({ layer, seed, loss });
      }
      rows.push({ label: `layer ${layer}`, cells: [inversion.target, ...cells] });
    } finally {
      inversion.destroy();
    }
  }
  progress.finish();
  const by = painter === 'pixels' ? 'pixels' : `the ${painter} generator`;
  const noisy = noise && painter !== 'pixels' ? ', with added noise' : '';
  const sheet: Sheet = {
    title: `Inversion of ${facet === 'cls' ? 'the CLS token' : facet}, ${model.vit.name}`,
    note: `Pictures whose features are those of the first: ${by}, ${steps} steps each${noisy}.`,
    columns: ['picture', ...Array.from({ length: repeats }, (_, i) => `seed ${options.seed + i}`)],
    rows,
    height,
  };
  return { sheet, found };
}

const begin = (engine: Engine, { vit }: LoadedVit, { name, image }: NamedImage, options: InversionOptions): Promise<Inversion> =>
  startInversion(engine, vit, image, options).catch((error: unknown) => {
    if (!(error instanceof SizeError)) throw error;
    const problem = `${name} at --vit-size ${options.vitSize}: ${error.message}`;
    throw new InputError(`${problem}, that is a larger --vit-size`, { cause: error });
  });

type OnStep = (done: number, text: string) => void;

/** Runs one inversion to its end and returns the last loss. @throws NonFiniteError */
async function run(
  engine: Engine, inversion: Inversion, steps: number, phase: string, interrupt: AbortSignal, onStep: OnStep,
): Promise<number> {
  let loss = NaN;
  while (inversion.stepsDone() < steps && !interrupt.aborted) {
    inversion.step();
    if (engine.tuning.software) await engine.sync(); // slow: steps submitted ahead would delay Ctrl-C
    const now = inversion.stepsDone();
    if (now % LOOK_EVERY === 0 || now === steps) {
      loss = await inversion.loss();
      const problem = `at step ${now} the loss is no longer a finite number`;
      if (!Number.isFinite(loss)) throw new NonFiniteError(`${phase}: ${problem}; try a smaller --lr or another --seed`);
    }
    onStep(now, `${phase}${Number.isFinite(loss) ? `, loss ${loss.toPrecision(3)}` : ''}`);
  }
  return Number.isFinite(loss) ? loss : inversion.loss();
}
