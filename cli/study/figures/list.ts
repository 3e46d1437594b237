/** The figures of the study: a function that makes a sheet for each. */
import { LEAST_MATCH } from '../../../model/compare/match.js';
import { startPainting } from '../../../model/generators/paint.js';
import { inversionDefaults } from '../../../model/study/options.js';
import type { Facet } from '../../../model/vit/config.js';
import type { LoadedVit } from '../../models/read.js';
import { readImage } from '../../photos/photo.js';
import type { Sheet, SheetRow } from '../../photos/sheet.js';
import { augmentSheet } from '../augment.js';
import { inversionSheet } from '../invert.js';
import { readGenerator } from '../pairGenerator.js';
import { pcaSheet } from '../pca.js';
import { onEngine } from '../study.js';
import { photosOf, quarters, transferOf, wallFile, type FigureContext } from './context.js';

export interface Figure {
  readonly name: string;
  readonly what: string;
  /** Returns undefined when interrupted, and the reason when the figure cannot be made. */
  readonly make: (context: FigureContext) => Promise<Sheet | string | undefined>;
}

/** Components of the first `photoCount` photos. */
async function pcaOf(
  context: FigureContext, models: readonly LoadedVit[], photoCount: number, facets: readonly Facet[], layers: readonly number[],
): Promise<Sheet> {
  const { scale: { vitSize, height }, parts, note } = context;
  const photos = (await photosOf(context)).slice(0, photoCount);
  const settings = { of: 'self-similarity', joint: false, foreground: false, facets, layers, vitSize, height } as const;
  return onEngine(parts, (engine) => pcaSheet(engine, models, photos, settings, note));
}

async function pcaLayers(context: FigureContext): Promise<Sheet> {
  const [model] = context.models;
  return pcaOf(context, [model!], 1, ['keys', 'queries', 'values', 'tokens'], quarters(model!));
}

async function pcaModels(context: FigureContext): Promise<Sheet | string> {
  const { models } = context;
  if (models.length < 2) return 'it needs two models: --model A,B';
  const depth = Math.min(...models.map(({ vit }) => vit.config.depth));
  return pcaOf(context, models, 2, ['keys'], [Math.floor(depth / 2), depth - 1]);
}

/** Inversions of the first photo at quarters of the model's depth, from index `first` on. */
const inversions = (facet: 'cls' | 'keys', first = 0, isRepeated = false): Figure['make'] => async (context) => {
  const { models, scale: { painter, invertSize: vitSize, invertSteps: steps, height }, seed, parts } = context;
  const [photo] = await photosOf(context);
  const layers = quarters(models[0]!).slice(first);
  const repeats = isRepeated ? context.scale.repeats : 1;
  const method = { painter, steps, ...inversionDefaults, noise: false, tv: 0, seed, vitSize };
  const settings = { facets: [facet], layers, repeats, ...method, height };
  const { sheet } = await onEngine(parts, (engine) => inversionSheet(engine, models[0]!, photo!, settings, parts));
  return parts.interrupt.aborted ? undefined : sheet;
};

async function augmentations(context: FigureContext): Promise<Sheet> {
  const { seed, scale: { height }, parts } = context;
  const [structure, appearance] = await photosOf(context);
  return onEngine(parts, (engine) => augmentSheet(engine, structure!, appearance!, { count: 6, seed, height }));
}

async function gallery(context: FigureContext): Promise<Sheet | undefined> {
  const { models, pairs, scale: { transferSteps, height } } = context;
  const rows: SheetRow[] = [];
  for (const pair of pairs) {
    const done = await transferOf(context, pair);
    if (!done) return undefined;
    rows.push({ label: pair.name.replaceAll('-as-', ' as '), cells: [done.structure, done.result, done.appearance] });
  }
  const note = `${transferSteps} steps each, with ${models[0]!.vit.name}.`;
  return { title: 'Transfers', note, columns: ['structure', 'result', 'appearance'], rows, height };
}

async function generalisation(context: FigureContext): Promise<Sheet | undefined> {
  const [pair] = context.pairs;
  const done = await transferOf(context, pair!);
  if (!done) return undefined;
  const trained = await readGenerator(done.folder);
  const wall = { name: 'wall', image: await readImage(await wallFile(context)) };
  const others = [...(await photosOf(context)).filter(({ path }) => path !== pair!.structure), wall].slice(0, 4);
  const inputs = [done.structure, ...others.map(({ image }) => image)];
  const outputs = await onEngine(context.parts, async (engine) => {
    const { paint } = startPainting(engine, trained.generator, trained.weights);
    const pictures = [];
    for (const image of inputs) pictures.push((await paint(image, 2 ** 30)).image);
    return pictures;
  });
  return {
    title: 'A generator is trained for its pair',
    note: `The generator of ${pair!.name} on its own structure photo, then on others: what it learned is a picture, not a style.`,
    columns: ['its own', ...others.map(({ name }) => name)],
    rows: [{ label: 'input', cells: inputs }, { label: 'output', cells: outputs }],
    height: context.scale.height,
  };
}

async function mismatch(context: FigureContext): Promise<Sheet | undefined> {
  const [pair, second] = context.pairs;
  const isOwn = second?.appearance === pair!.structure; // the drawn scenes, which have much in common
  const appearance = second && !isOwn ? second.appearance : await wallFile(context);
  const done = await transferOf(context, { name: 'mismatch', structure: pair!.structure, appearance });
  if (!done) return undefined;
  const related = `a trained ViT gives related photos ${LEAST_MATCH} or more`;
  const match = done.match === null ? '' : ` Their match is ${done.match.toFixed(2)}; ${related}.`;
  return {
    title: 'Photos with nothing in common',
    note: `The look has no part to go to, so it lands anywhere.${match}`,
    columns: ['structure', 'result', 'appearance'],
    rows: [{ cells: [done.structure, done.result, done.appearance] }],
    height: context.scale.height,
  };
}

/** In the order of their making: what others build on first, cheap ones before long ones. */
export const FIGURES: readonly Figure[] = [
  { name: 'augmentations', what: 'what training sees', make: augmentations },
  { name: 'pca-layers', what: 'PCA over layers and facets', make: pcaLayers },
  { name: 'pca-models', what: 'PCA of two models', make: pcaModels },
  { name: 'invert-keys', what: 'inversion of keys', make: inversions('keys', -2) },
  { name: 'invert-cls-layers', what: 'inversion of CLS over layers', make: inversions('cls') },
  { name: 'invert-cls-repeats', what: 'repeated inversions of the deepest CLS', make: inversions('cls', -1, true) },
  { name: 'transfers', what: 'a gallery of transfers', make: gallery },
  { name: 'generalisation', what: 'a generator on other pictures', make: generalisation },
  { name: 'mismatch', what: 'photos with nothing in common', make: mismatch },
];
