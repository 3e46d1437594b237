/** The work of `splice-gpu invert`: makes pictures from features only, layer by layer. */
import type { Engine } from '../../engine/index.js';
import { glanceAt, type Glance } from '../../model/compare/pictures.js';
import { SizeError } from '../../model/generators/parameters.js';
import type { Image } from '../../model/image.js';
import { startInversion, type Inversion } from '../../model/study/invert.js';
import type { InversionOptions, InvertedFacet } from '../../model/study/options.js';
import { checkFinite } from '../../model/training/loop.js';
import type { LoadedVit } from '../models/read.js';
import type { Sheet, SheetRow } from '../photos/sheet.js';
import type { Parts } from '../run/parts.js';
import { EXIT_INTERRUPTED, InputError } from '../shared/errors.js';
import { createProgress, type Io } from '../shared/progress.js';
import { listed, makeSheet, modelFacts, readModels, readPictures, titleOf, type LayerOptions, type NamedImage } from './study.js';

export interface InvertOptions extends Omit<InversionOptions, 'facet' | 'layer'>, LayerOptions {
  readonly image: string;
  readonly model: string;
  readonly facets: readonly InvertedFacet[];
  /** Inversions of each layer, from other noise. */
  readonly repeats: number;
}

/** Steps between reads of the loss; the GPU's queue runs empty there. */
const LOOK_EVERY = 20;

/** Writes the sheet. Returns the exit code: 130 when interrupted, and the sheet then has the inversions found so far. */
export async function invert(options: InvertOptions, parts: Parts): Promise<number> {
  const { facets, painter, steps, lr, lrDecay, noise, tv } = options;
  const { interrupt } = parts;
  const [picture] = await readPictures([options.image]);
  const { models: [model], layers } = await readModels([options.model], options, parts);
  await makeSheet(options, parts, async (engine) => {
    const { sheet, found } = await inversionSheet(engine, model!, picture!, { ...options, layers }, parts);
    const status = interrupt.aborted ? 'interrupted' : 'finished';
    const settings = { facets, painter, steps, lr, lrDecay, noise, tv };
    return { sheet, facts: { model: modelFacts(model!), ...settings, status, inversions: found } };
  });
  return interrupt.aborted ? EXIT_INTERRUPTED : 0;
}

type Settings = Omit<InvertOptions, 'image' | 'model' | 'out' | 'json'> & { readonly layers: readonly number[] };

/** One inversion, and its figures next to the picture whose features it has. */
interface Found extends Glance {
  readonly facet: InvertedFacet;
  readonly layer: number;
  readonly seed: number;
  readonly loss: number;
}

/** Rows are facets and layers, columns the picture and its inversions from other noise. */
export async function inversionSheet(
  engine: Engine, model: LoadedVit, picture: NamedImage, options: Settings, { stderr, interrupt }: Io,
) {
  const { facets, layers, repeats, painter, steps, noise, height } = options;
  const progress = createProgress(facets.length * layers.length * repeats * steps, stderr);
  const found: Found[] = [];
  const rows: SheetRow[] = [];
  for (const [facet, layer] of facets.flatMap((each) => layers.map((depth) => [each, depth] as const))) {
    if (interrupt.aborted) break;
    const inversion = await begin(engine, model, picture, { ...options, facet, layer });
    const { target } = inversion;
    const glance = glanceAt(target, target);
    try {
      const [cells, captions]: [Image[], string[]] = [[], []];
      for (let repeat = 0; repeat < repeats && !interrupt.aborted; repeat++) {
        const seed = options.seed + repeat;
        const phase = `${facet} of layer ${layer}, ${repeat + 1} of ${repeats}`;
        inversion.restart(seed);
        const done = found.length * steps;
        const loss = await run(engine, inversion, steps, phase, interrupt, (now, text) => progress.update(done + now, text));
        const result = await inversion.result();
        const figures = glance(result);
        const [structure, sharpness] = [figures.structure.toFixed(2), figures.sharpness.toFixed(2)];
        cells.push(result);
        captions.push(`loss ${loss.toPrecision(2)}, structure ${structure}, sharpness ${sharpness}`);
        found.push({ facet, layer, seed, loss, ...figures });
      }
      rows.push({ label: `${nameOf(facet)}, layer ${layer}`, cells: [target, ...cells], captions: ['', ...captions] });
    } finally {
      inversion.destroy();
    }
  }
  progress.finish();
  const by = `${painter === 'pixels' ? 'pixels' : `the ${painter} generator`}, ${steps} steps each`;
  const sheet: Sheet = {
    title: `Inversion of ${listed(facets.map((facet) => (facet === 'cls' ? 'the CLS token' : facet)))}: ${titleOf(model)}`,
    note: `Pictures whose features are those of the first: ${by}${noise ? ', with added noise' : ''}.`,
    columns: ['picture', ...Array.from({ length: repeats }, (_, i) => `seed ${options.seed + i}`)],
    rows,
    height,
  };
  return { sheet, found };
}

const nameOf = (facet: InvertedFacet): string => (facet === 'cls' ? 'CLS' : facet);

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
      checkFinite(`step ${now} of ${phase}`, { step: now, loss }, 'try another --seed or a smaller --lr');
    }
    onStep(now, `${phase}${Number.isFinite(loss) ? `, loss ${loss.toPrecision(3)}` : ''}`);
  }
  return Number.isFinite(loss) ? loss : inversion.loss();
}
