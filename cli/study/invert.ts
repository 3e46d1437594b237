/** The work of `splice-gpu invert`: pictures made from features alone, layer by layer. */
import type { Parts } from '../run/parts.js';
import type { Engine } from '../../engine/index.js';
import { SizeError } from '../../model/generators/parameters.js';
import type { Image } from '../../model/image.js';
import { startInversion, type Inversion } from '../../model/study/invert.js';
import type { InversionOptions } from '../../model/study/options.js';
import { EXIT_INTERRUPTED, InputError, NonFiniteError, UsageError } from '../shared/errors.js';
import { createProgress, type Progress } from '../shared/progress.js';
import type { Sheet, SheetRow } from '../photos/sheet.js';
import { announceSheet, checkSheetPath, layersOr, modelLabel, readModels, readPictures, saveSheet, type NamedImage } from './study.js';
import type { LoadedVit } from '../models/load.js';

export interface InvertOptions extends Omit<InversionOptions, 'layer'> {
  readonly image: string;
  readonly model: string;
  /** 0 is the first; absent: the last. */
  readonly layers?: readonly number[];
  /** Inversions of each layer, from other noise. */
  readonly repeats: number;
  /** Height of the sheet's pictures in pixels. */
  readonly height: number;
  readonly out: string;
  readonly json: boolean;
}

/** Steps between looks at the loss; the GPU's queue runs empty there. */
const LOOK_EVERY = 20;

interface Found {
  readonly layer: number;
  readonly seed: number;
  readonly loss: number;
  readonly image: Image;
}

/** Writes the sheet. Answers with the exit code: 130 when interrupted, the sheet then has what was found so far. */
export async function invert(options: InvertOptions, parts: Parts): Promise<number> {
  const { openEngine, interrupt, stdout, stderr } = parts;
  checkSheetPath(options.out);
  const [picture] = await readPictures([options.image]);
  const models = await readModels([options.model], options.vitSize, options.layers ?? [], parts);
  const [model, layers] = [models[0]!, layersOr(options.layers, models)];
  const { engine, close } = await openEngine();
  const progress = createProgress(layers.length * options.repeats * options.steps, stderr);
  try {
    const { sheet, found } = await inversionSheet(engine, model, picture!, { ...options, layers }, progress, interrupt);
    progress.finish();
    await saveSheet(options.out, sheet);
    const { facet, painter, steps, lr, noise, tv } = options;
    announceSheet(options.out, options.json, {
      model: { name: model.vit.name, sha256: model.sha256 }, facet, painter, steps, lr, noise, tv, status: interrupt.aborted ? 'interrupted' : 'finished',
      inversions: found.map(({ layer, seed, loss }) => ({ layer, seed, loss })),
    }, stdout);
  } finally {
    close();
  }
  return interrupt.aborted ? EXIT_INTERRUPTED : 0;
}

type SheetOptions = Omit<InvertOptions, 'image' | 'model' | 'out' | 'json' | 'layers'> & { readonly layers: readonly number[] };

/** Rows are layers, columns the picture and its inversions from other noise. */
export async function inversionSheet(
  engine: Engine, model: LoadedVit, picture: NamedImage, options: SheetOptions, progress: Progress, interrupt: AbortSignal,
): Promise<{ sheet: Sheet; found: Found[] }> {
  const { layers, repeats, facet, painter, steps, noise } = options;
  const found: Found[] = [];
  const rows: SheetRow[] = [];
  for (const layer of layers) {
    if (interrupt.aborted) break;
    const inversion = await begin(engine, model, picture, { ...options, layer });
    try {
      const cells: Image[] = [];
      for (let repeat = 0; repeat < repeats && !interrupt.aborted; repeat++) {
        const seed = options.seed + repeat;
        inversion.restart(seed);
        const loss = await run(engine, inversion, { done: found.length * steps, steps, phase: `layer ${layer}, ${repeat + 1} of ${repeats}` }, progress, interrupt);
        const image = await inversion.result();
        found.push({ layer, seed, loss, image });
        cells.push(image);
      }
      rows.push({ label: `layer ${layer}`, cells: [inversion.target, ...cells] });
    } finally {
      inversion.destroy();
    }
  }
  const by = painter === 'pixels' ? 'pixels' : `the ${painter} generator`;
  const sheet: Sheet = {
    title: `Inversion of ${facet === 'cls' ? 'the CLS token' : facet}, ${modelLabel(model)}`,
    note: `Pictures whose features are those of the first: ${by}, ${steps} steps each${noise && painter !== 'pixels' ? ', with added noise' : ''}.`,
    columns: ['picture', ...Array.from({ length: repeats }, (_, i) => `seed ${options.seed + i}`)],
    rows,
    height: options.height,
  };
  return { sheet, found };
}

async function begin(engine: Engine, { vit }: LoadedVit, { name, image }: NamedImage, options: InversionOptions): Promise<Inversion> {
  return startInversion(engine, vit, image, options).catch((error: unknown) => {
    throw error instanceof SizeError ? new InputError(`${name} at --vit-size ${options.vitSize}: ${error.message}, that is a larger --vit-size`, { cause: error }) : error;
  });
}

/** Runs one inversion to its end and answers with the last loss. */
async function run(
  engine: Engine, inversion: Inversion, { done, steps, phase }: { done: number; steps: number; phase: string }, progress: Progress, interrupt: AbortSignal,
): Promise<number> {
  let loss = NaN;
  while (inversion.stepsDone() < steps && !interrupt.aborted) {
    inversion.step();
    if (engine.tuning.software) await engine.sync(); // slow: steps submitted ahead would delay Ctrl-C
    const now = inversion.stepsDone();
    if (now % LOOK_EVERY === 0 || now === steps) {
      loss = await inversion.loss();
      if (!Number.isFinite(loss)) throw new NonFiniteError(`${phase}: at step ${now} the loss is not a finite number any more; try a smaller --lr or another --seed`);
    }
    progress.update(done + now, `${phase}${Number.isFinite(loss) ? `, loss ${loss.toPrecision(3)}` : ''}`);
  }
  return Number.isFinite(loss) ? loss : inversion.loss();
}

/** @throws UsageError where an option means nothing for the painter */
export function checkInversion({ painter, noise, facet }: { painter: string; noise: boolean | undefined; facet: string }): boolean {
  if (painter === 'pixels' && noise === true) throw new UsageError('--noise: pixels have no input that noise could be added to, choose a generator');
  return noise ?? (facet === 'cls' && painter !== 'pixels');
}
