/** The file of a generator for any pair: its parameters, the scale of conditions, and everything that using it takes. */
import { showShape } from '../../engine/index.js';
import { isObject } from '../files/json.js';
import type { Safetensors } from '../files/safetensors.js';
import { conditionalUnet } from '../generators/conditional.js';
import { TOKEN_MODES, type ConditionalSizes } from '../generators/sizes.js';
import { RECIPE_NAMES } from '../method/options.js';
import type { Weight, Weights } from '../vit/config.js';
import type { ConditionScale, Looking } from './condition.js';

/** The ViT and the way photos are shown to it, so that conditions are like those of the training. */
export interface AnyPairSetup extends Looking {
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

/** Tensors and metadata of the file; the caller may add metadata. */
export function toAnyPairFile({ setup, weights, scale }: AnyPairFile) {
  const shape = [setup.sizes.layers, setup.sizes.dim];
  const tensors = new Map<string, Weight>(weights)
    .set(MEAN, { shape, data: scale.mean })
    .set(DEVIATION, { shape, data: scale.deviation });
  const metadata: Record<string, string> = { format: ANY_PAIR_FORMAT, setup: JSON.stringify(setup) };
  return { tensors, metadata };
}

/** @throws Error for another format, a damaged setup, and tensors that are not finite or do not have the shapes of its sizes */
export function fromAnyPairFile({ tensors, metadata }: Safetensors): AnyPairFile {
  const format = metadata.get('format');
  if (format === 'splice-gpu generator') throw new Error('it is the generator of one pair: give one that `train` made');
  if (format !== ANY_PAIR_FORMAT) throw new Error(`it is not a "${ANY_PAIR_FORMAT}"`);
  const setup = parseSetup(metadata.get('setup') ?? '');
  const scaleShape = [setup.sizes.layers, setup.sizes.dim];
  const parameters = conditionalUnet(setup.sizes).parameters;
  for (const { name, shape } of [...parameters, { name: MEAN, shape: scaleShape }, { name: DEVIATION, shape: scaleShape }]) {
    const found = tensors.get(name);
    if (found?.shape.join() !== shape.join()) {
      throw new Error(`${name} is ${found ? showShape(found.shape) : 'missing'}, expected ${showShape(shape)} from its sizes`);
    }
    if (!found.data.every(Number.isFinite)) throw new Error(`${name} holds values that are not finite`);
  }
  const weights = new Map(parameters.map(({ name }) => [name, tensors.get(name)!]));
  return { setup, weights, scale: { mean: tensors.get(MEAN)!.data, deviation: tensors.get(DEVIATION)!.data } };
}

type Fields = Readonly<Record<string, unknown>>;

/** @throws Error naming the field that is wrong */
function parseSetup(text: string): AnyPairSetup {
  const { sizes, size, recipe, vitSize, antialias, model } = fieldsOf('setup', JSON.parse(text));
  const { name, sha256 } = fieldsOf('setup.model', model);
  if (typeof antialias !== 'boolean' || typeof name !== 'string' || typeof sha256 !== 'string') {
    throw new Error('setup lacks antialias or model');
  }
  return {
    sizes: parseSizes(fieldsOf('setup.sizes', sizes)), size: count('size', size, 36), model: { name, sha256 },
    recipe: oneOf('setup.recipe', RECIPE_NAMES, recipe), vitSize: count('vitSize', vitSize), antialias,
  };
}

const COUNTS = ['layers', 'dim', 'expanded', 'width', 'heads', 'headSize'] as const;

export function parseSizes(fields: Fields): ConditionalSizes {
  const { channels } = fields;
  if (!Array.isArray(channels) || channels.length !== 5) throw new Error('sizes.channels are not five numbers');
  const tokens = oneOf('sizes.tokens', TOKEN_MODES, fields['tokens']);
  const scales = count('scales', fields['scales'], 0);
  if (scales > 5) throw new Error(`sizes.scales is ${scales}: at most 5`);
  const counts = Object.fromEntries(COUNTS.map((name) => [name, count(name, fields[name])]));
  return { ...counts, channels: channels.map((c) => count('channels', c)), tokens, scales } as unknown as ConditionalSizes;
}

const wrong = (name: string, value: unknown): Error => new Error(`${name} is ${JSON.stringify(value)}`);

/** Far above any sensible size; products of a few are still exact. */
const MOST = 65536;

function count(name: string, value: unknown, least = 1): number {
  if (Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= MOST) return value as number;
  throw wrong(name, value);
}

function oneOf<T extends string>(name: string, known: readonly T[], value: unknown): T {
  if (known.includes(value as T)) return value as T;
  throw wrong(name, value);
}

function fieldsOf(name: string, value: unknown): Fields {
  if (isObject(value)) return value;
  throw wrong(name, value);
}
