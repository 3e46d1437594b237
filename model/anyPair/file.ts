/** The file of a generator for all pairs: its parameters, how conditions are scaled, and all that using it takes. */
import { conditionalUnet, type ConditionalSizes } from '../generators/conditional.js';
import type { RecipeName, SpliceOptions } from '../method/options.js';
import type { Safetensors } from '../files/safetensors.js';
import type { Weight, Weights } from '../vit/config.js';
import type { ConditionScale } from './condition.js';

/** How photos must be looked at, and by which ViT, for conditions like those it was trained with. */
export interface AnyPairSetup extends Pick<SpliceOptions, 'recipe' | 'vitSize' | 'antialias'> {
  readonly sizes: ConditionalSizes;
  /** Side of the squares it was trained on. */
  readonly size: number;
  readonly model: { readonly name: string; readonly sha256: string };
}

export interface AnyPairFile {
  readonly setup: AnyPairSetup;
  readonly weights: Weights;
  readonly scale: ConditionScale;
}

export const ANY_PAIR_FORMAT = 'splice-gpu general generator 1';
const [MEAN, DEVIATION] = ['condition.mean', 'condition.deviation'] as const;
const RECIPES: readonly RecipeName[] = ['splice', 'splice-transfer'];

/** Tensors and metadata as they are stored; `steps` and the like may be added. */
export function toAnyPairFile({ setup, weights, scale }: AnyPairFile): { tensors: Map<string, Weight>; metadata: Record<string, string> } {
  const shape = [setup.sizes.layers, setup.sizes.dim];
  const tensors = new Map([...weights, [MEAN, { shape, data: scale.mean }], [DEVIATION, { shape, data: scale.deviation }]]);
  return { tensors, metadata: { format: ANY_PAIR_FORMAT, setup: JSON.stringify(setup) } };
}

/** @throws Error that says what is wrong, for files that are none, or whose tensors are not those of their sizes */
export function fromAnyPairFile({ tensors, metadata }: Safetensors): AnyPairFile {
  const format = metadata.get('format');
  if (format !== ANY_PAIR_FORMAT) throw new Error(format === 'splice-gpu generator' ? 'it is the generator of one pair: give one that `train` made' : `it is no "${ANY_PAIR_FORMAT}"`);
  const setup = parseSetup(metadata.get('setup') ?? '');
  const expected = new Map(conditionalUnet(setup.sizes).parameters.map((p) => [p.name, p.shape]));
  for (const name of [MEAN, DEVIATION]) expected.set(name, [setup.sizes.layers, setup.sizes.dim]);
  for (const [name, shape] of expected) {
    const found = tensors.get(name);
    if (!found || found.shape.join() !== shape.join()) throw new Error(`${name} is ${found ? `[${found.shape.join(', ')}]` : 'missing'}, its sizes say [${shape.join(', ')}]`);
    if (!found.data.every(Number.isFinite)) throw new Error(`${name} holds values that are not finite`);
  }
  const weights = new Map([...tensors].filter(([name]) => expected.has(name) && name !== MEAN && name !== DEVIATION));
  return { setup, weights, scale: { mean: tensors.get(MEAN)!.data, deviation: tensors.get(DEVIATION)!.data } };
}

type Fields = Readonly<Record<string, unknown>>;

/** @throws Error naming the field that is wrong */
function parseSetup(text: string): AnyPairSetup {
  const { sizes, size, recipe, vitSize, antialias, model } = fieldsOf('setup', JSON.parse(text));
  const { name, sha256 } = fieldsOf('setup.model', model);
  if (!RECIPES.includes(recipe as RecipeName)) throw new Error(`setup.recipe is ${JSON.stringify(recipe)}`);
  if (typeof antialias !== 'boolean' || typeof name !== 'string' || typeof sha256 !== 'string') throw new Error('setup lacks antialias or model');
  return { sizes: parseSizes(fieldsOf('setup.sizes', sizes)), size: count('size', size, 36), recipe: recipe as RecipeName, vitSize: count('vitSize', vitSize), antialias, model: { name, sha256 } };
}

export function parseSizes({ layers, dim, channels, tokens, expanded, width, heads, headSize, scales }: Fields): ConditionalSizes {
  if (!Array.isArray(channels) || channels.length !== 5) throw new Error('sizes.channels are not five numbers');
  if (tokens !== 'layers' && tokens !== 'expanded' && tokens !== 'single') throw new Error(`sizes.tokens is ${JSON.stringify(tokens)}`);
  const places = count('scales', scales, 0);
  if (places > 5) throw new Error(`sizes.scales is ${places}: at most 5`);
  return {
    layers: count('layers', layers), dim: count('dim', dim), channels: channels.map((c) => count('channels', c)) as unknown as ConditionalSizes['channels'],
    tokens, expanded: count('expanded', expanded), width: count('width', width), heads: count('heads', heads), headSize: count('headSize', headSize), scales: places,
  };
}

/** Far above any sensible size, and products of a few stay exact. */
const MOST = 65536;

function count(name: string, value: unknown, least = 1): number {
  if (Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= MOST) return value as number;
  throw new Error(`${name} is ${JSON.stringify(value)}`);
}

function fieldsOf(name: string, value: unknown): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw new Error(`${name} is ${JSON.stringify(value)}`);
}
