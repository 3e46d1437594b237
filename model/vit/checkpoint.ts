/** From the tensors of a DINO or timm checkpoint to a ViT: its sizes are read off the shapes, and every tensor is checked. */
import { IMAGENET_MEAN, IMAGENET_STD, type VitConfig, type VitModel, type Weights } from './config.js';
import { vitParameters } from './untrained.js';

type Rgb = readonly [number, number, number];

/** What shapes cannot tell. Sources are merged: options over sidecar over defaults. */
export interface VitSettings {
  readonly heads?: number;
  /** Must agree with the weights: it guards against a sidecar of another model. */
  readonly patch?: number;
  readonly mean?: Rgb;
  readonly std?: Rgb;
}

/** Weights or sidecar do not make a ViT. The message names the tensor or field, what was expected and what is there. */
export class CheckpointError extends Error {
  override readonly name = 'CheckpointError';
}

const EPS = 1e-6;
const HEAD_SIZE = 64;
/** Parts of other architectures: leaving them out would compute wrong features without a word. */
const FOREIGN = /^(blocks\.\d+\.|reg_token|register_tokens|dist_token|norm_pre\.|pos_drop\.)/;

/**
 * @param weights all tensors of the file; those the ViT does not use (classifier heads) are ignored
 * @throws CheckpointError for missing, misshapen or non-finite tensors and for settings that contradict the shapes
 */
export function vitFromWeights(name: string, weights: Weights, settings: VitSettings = {}): VitModel {
  const config = inferConfig(weights, settings);
  const expected = expectedShapes(config);
  const known = new Map([...weights].filter(([key]) => expected.has(key)));
  checkShapes(known, expected);
  const foreign = [...weights.keys()].find((key) => FOREIGN.test(key) && !expected.has(key));
  if (foreign) throw new CheckpointError(`${foreign} belongs to a kind of ViT that is not supported: use DINO's or timm's plain ViT`);
  checkFinite(known);
  return { name, config, weights: known };
}

/** Settings from a sidecar, a JSON object such as `{ "heads": 3, "patch": 16, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5] }`. */
export function parseSidecar(value: unknown): VitSettings {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new CheckpointError('a JSON object is expected');
  const { heads, patch, mean, std } = value as Record<string, unknown>;
  return {
    ...(heads !== undefined && { heads: sizeField('heads', heads) }),
    ...(patch !== undefined && { patch: sizeField('patch', patch) }),
    ...(mean !== undefined && { mean: rgbField('mean', mean) }),
    ...(std !== undefined && { std: rgbField('std', std) }),
  };
}

/** Name -> shape of what the losses need: all but the final norm, which comes behind the keys and the CLS token they use. */
const expectedShapes = (config: VitConfig): Map<string, readonly number[]> => new Map(vitParameters(config).filter(([key]) => !key.startsWith('norm.')));

function inferConfig(weights: Weights, settings: VitSettings): VitConfig {
  const [dim, channels, patch, patchWidth] = shapeOf(weights, 'patch_embed.proj.weight', 4) as [number, number, number, number];
  if (channels !== 3 || patch !== patchWidth || patch < 1) {
    throw misshapen('patch_embed.proj.weight', [dim, 3, patch, patch], weights.get('patch_embed.proj.weight')!.shape);
  }
  if (settings.patch !== undefined && settings.patch !== patch) throw new CheckpointError(`patch is given as ${settings.patch}, the weights have ${patch}`);
  const [hidden] = shapeOf(weights, 'blocks.0.mlp.fc1.weight', 2) as [number, number];
  const side = gridSide(weights);
  const heads = settings.heads ?? Math.max(1, Math.floor(dim / HEAD_SIZE));
  if (dim % heads !== 0) throw new CheckpointError(`${heads} heads do not divide the width ${dim}: give the number of heads (--heads, or "heads" in the sidecar)`);
  return {
    dim,
    depth: countBlocks(weights),
    heads,
    patch,
    image: side * patch,
    hidden,
    eps: EPS,
    mean: settings.mean ?? IMAGENET_MEAN,
    std: settings.std ?? IMAGENET_STD,
  };
}

/** Patches along a side of the square that the position embeddings, [1, 1 + side * side, D], were made for. */
function gridSide(weights: Weights): number {
  const shape = shapeOf(weights, 'pos_embed', 3);
  const side = Math.round(Math.sqrt(shape[1]! - 1));
  if (side >= 1 && side * side === shape[1]! - 1) return side;
  throw new CheckpointError(`pos_embed is ${show(shape)}: expected [1, 1 + n * n, D], one CLS token and a square of patches`);
}

function countBlocks(weights: Weights): number {
  const numbers = new Set([...weights.keys()].map((key) => Number(/^blocks\.(\d+)\./.exec(key)?.[1] ?? -1)));
  numbers.delete(-1);
  const gap = [...numbers.keys()].findIndex((_, i) => !numbers.has(i));
  if (gap >= 0) throw new CheckpointError(`block ${gap} is missing: the file has blocks up to ${Math.max(...numbers)}`);
  return numbers.size;
}

function shapeOf(weights: Weights, key: string, rank: number): readonly number[] {
  const weight = weights.get(key);
  if (!weight) throw new CheckpointError(`${key} is missing: these are not the weights of a ViT with DINO's or timm's names`);
  if (weight.shape.length !== rank) throw new CheckpointError(`${key} is ${show(weight.shape)}: expected ${rank} sizes`);
  return weight.shape;
}

function checkShapes(weights: Weights, expected: ReadonlyMap<string, readonly number[]>): void {
  const missing = [...expected.keys()].filter((key) => !weights.has(key));
  if (missing.length > 0) {
    const wanted = list(missing.map((key) => `${key} ${show(expected.get(key)!)}`));
    throw new CheckpointError(missing.length === 1 ? `a tensor is missing: ${wanted}` : `${missing.length} tensors are missing: ${wanted}`);
  }
  const wrong = [...expected].filter(([key, shape]) => show(weights.get(key)!.shape) !== show(shape));
  if (wrong.length > 0) {
    throw new CheckpointError(`tensors with wrong shapes: ${list(wrong.map(([key, shape]) => misshapen(key, shape, weights.get(key)!.shape).message))}`);
  }
}

function checkFinite(weights: Weights): void {
  const broken = [...weights].filter(([, { data }]) => data.some((value) => !Number.isFinite(value)));
  if (broken.length > 0) throw new CheckpointError(`values that are not finite (NaN or infinity) in ${list(broken.map(([key]) => key))}`);
}

const misshapen = (key: string, expected: readonly number[], found: readonly number[]): CheckpointError =>
  new CheckpointError(`${key} is ${show(found)}, expected ${show(expected)}`);

function sizeField(name: string, value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 1) return value;
  throw new CheckpointError(`"${name}" is ${JSON.stringify(value)}: expected a whole number above 0`);
}

function rgbField(name: 'mean' | 'std', value: unknown): Rgb {
  const isRgb = Array.isArray(value) && value.length === 3 && value.every((v) => Number.isFinite(v) && (name === 'mean' || v > 0));
  if (isRgb) return value as unknown as Rgb;
  throw new CheckpointError(`"${name}" is ${JSON.stringify(value)}: expected three ${name === 'std' ? 'positive ' : ''}numbers, of red, green and blue`);
}

const show = (shape: readonly number[]): string => `[${shape.join(', ')}]`;

/** The first few, so that an error stays one readable line. */
const list = (items: readonly string[], most = 4): string =>
  items.slice(0, most).join('; ') + (items.length > most ? `; and ${items.length - most} more` : '');
