/** The figures of the study, each a function from what there is to a sheet. */
import { startPainting } from '../../../model/generators/paint.js';
import { LEAST_MATCH } from '../../../model/compare/match.js';
import { readImage } from '../../photos/photo.js';
import { augmentSheet } from '../augment.js';
import { readGenerator } from '../pairGenerator.js';
import { inversionSheet } from '../invert.js';
import { pcaSheet } from '../pca.js';
import { createProgress } from '../../shared/progress.js';
import type { Sheet, SheetRow } from '../../photos/sheet.js';
import { modelLabel } from '../study.js';
import { onEngine, photosOf, quarters, transferOf, wallFile, type FigureContext } from './context.js';

export interface Figure {
  readonly name: string;
  readonly what: string;
  /** Undefined when interrupted, a text when there is a reason not to make it. */
  readonly make: (context: FigureContext) => Promise<Sheet | string | undefined>;
}

const pcaOptions = { of: 'self-similarity', joint: false, foreground: false } as const;

async function pcaLayers(context: FigureContext): Promise<Sheet> {
  const { models, scale, tell } = context;
  const photos = (await photosOf(context)).slice(0, 1);
  const options = { ...pcaOptions, facets: ['keys', 'queries', 'values', 'tokens'] as const, layers: quarters(models[0]!), vitSize: scale.vitSize, height: scale.height };
  return onEngine(context, (engine) => pcaSheet(engine, models.slice(0, 1), photos, options, tell));
}

async function pcaModels(context: FigureContext): Promise<Sheet | string> {
  const { models, scale, tell } = context;
  if (models.length < 2) return 'it needs two models: --model A,B';
  const depth = Math.min(...models.map(({ vit }) => vit.config.depth));
  const layers = [Math.floor(depth / 2), depth - 1];
  const photos = (await photosOf(context)).slice(0, 2);
  return onEngine(context, (engine) =>
    pcaSheet(engine, models, photos, { ...pcaOptions, facets: ['keys'], layers, vitSize: scale.vitSize, height: scale.height }, tell));
}

/** Inversions of the first photo; undefined when interrupted. */
async function inversions(context: FigureContext, facet: 'cls' | 'keys', layers: readonly number[], repeats: number): Promise<Sheet | undefined> {
  const { models, scale, seed, parts } = context;
  const [photo] = await photosOf(context);
  const progress = createProgress(layers.length * repeats * scale.invertSteps, parts.stderr);
  const options = {
    facet, layers, repeats, painter: scale.painter, steps: scale.invertSteps, lr: 0.01, noise: facet === 'cls', tv: 0, seed, vitSize: scale.invertSize, height: scale.height,
  };
  const { sheet } = await onEngine(context, (engine) => inversionSheet(engine, models[0]!, photo!, options, progress, parts.interrupt));
  progress.finish();
  return parts.interrupt.aborted ? undefined : sheet;
}

const lastLayer = ({ models }: FigureContext): number => models[0]!.vit.config.depth - 1;

async function augmentationsFigure(context: FigureContext): Promise<Sheet> {
  const [structure, appearance] = await photosOf(context);
  return onEngine(context, (engine) => augmentSheet(engine, structure!, appearance!, { count: 6, seed: context.seed, height: context.scale.height }));
}

async function gallery(context: FigureContext): Promise<Sheet | undefined> {
  const rows: SheetRow[] = [];
  for (const pair of context.pairs) {
    const done = await transferOf(context, pair);
    if (!done) return undefined;
    rows.push({ label: pair.name, cells: [done.structure, done.result, done.appearance] });
  }
  return {
    title: 'Transfers', note: `${context.scale.transferSteps} steps each, with ${modelLabel(context.models[0]!)}.`,
    columns: ['structure', 'result', 'appearance'], rows, height: context.scale.height,
  };
}

async function generalisation(context: FigureContext): Promise<Sheet | undefined> {
  const [pair] = context.pairs;
  const done = await transferOf(context, pair!);
  if (!done) return undefined;
  const trained = await readGenerator(done.folder);
  const wall = { name: 'wall', image: await readImage(await wallFile(context)) };
  const others = [...(await photosOf(context)).filter(({ name }) => name !== pair!.structure), wall].slice(0, 4);
  const inputs = [done.structure, ...others.map(({ image }) => image)];
  const outputs = await onEngine(context, async (engine) => {
    const { paint } = startPainting(engine, trained.generator, trained.weights);
    const pictures = [];
    for (const image of inputs) pictures.push((await paint(image, 2 ** 30)).image);
    return pictures;
  });
  return {
    title: 'A generator is trained for its pair',
    note: `The generator of ${pair!.name} on its own structure photo, then on others: what it learned is a picture, not a style.`,
    columns: ['its own', ...others.map(() => 'another')],
    rows: [{ label: 'input', cells: inputs }, { label: 'output', cells: outputs }],
    height: context.scale.height,
  };
}

async function mismatch(context: FigureContext): Promise<Sheet | undefined> {
  const [pair, second] = context.pairs;
  const isOwn = second?.appearance === pair!.structure; // the drawn scenes both ways: neither is a stranger to the other
  const appearance = second && !isOwn ? second.appearance : await wallFile(context);
  const done = await transferOf(context, { name: 'mismatch', structure: pair!.structure, appearance });
  if (!done) return undefined;
  const match = done.match === null ? '' : ` Their match is ${done.match.toFixed(2)}; a trained ViT gives related photos ${LEAST_MATCH} or more.`;
  return {
    title: 'Photos with nothing in common',
    note: `The look has no part to go to, so it lands anywhere.${match}`,
    columns: ['structure', 'result', 'appearance'],
    rows: [{ cells: [done.structure, done.result, done.appearance] }],
    height: context.scale.height,
  };
}

/** In the order they are made: what others build on first, cheap ones before long ones. */
export const FIGURES: readonly Figure[] = [
  { name: 'augmentations', what: 'what training sees', make: augmentationsFigure },
  { name: 'pca-layers', what: 'PCA over layers and facets', make: pcaLayers },
  { name: 'pca-models', what: 'PCA of two models', make: pcaModels },
  { name: 'invert-keys', what: 'inversion of keys', make: (context) => inversions(context, 'keys', quarters(context.models[0]!).slice(-2), 1) },
  { name: 'invert-cls-layers', what: 'inversion of CLS over layers', make: (context) => inversions(context, 'cls', quarters(context.models[0]!), 1) },
  { name: 'invert-cls-repeats', what: 'repeated inversions of the deepest CLS', make: (context) => inversions(context, 'cls', [lastLayer(context)], context.scale.repeats) },
  { name: 'transfers', what: 'a gallery of transfers', make: gallery },
  { name: 'generalisation', what: 'a generator on other pictures', make: generalisation },
  { name: 'mismatch', what: 'photos with nothing in common', make: mismatch },
];
