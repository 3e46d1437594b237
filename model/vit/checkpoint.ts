/** From the tensors of a checkpoint to a ViT: its sizes are read off the shapes, and every tensor is checked. */
import type { StoredTensors } from '../files/tensors.js';
import type { VitConfig, VitModel, Weight, Weights } from './config.js';
import { CheckpointError } from './errors.js';
import { findVit, type FoundVit } from './names.js';
import type { VitSettings } from './settings.js';
import { vitParameters } from './untrained.js';

const HEAD_SIZE = 64;

/**
 * @param weights all tensors in memory, under any names that are known (model/vit/families.ts); those the ViT does not use (classifier heads) are ignored
 * @throws CheckpointError for missing, misshapen or non-finite tensors and for settings that contradict the shapes
 */
export const vitFromWeights = (name: string, weights: Weights, settings: VitSettings = {}): VitModel =>
  vitFromStored(name, new Map([...weights].map(([key, { shape, data }]) => [key, { shape, dtype: 'F32', read: () => data }])), settings);

/** The same for the tensors of a file: only those the ViT uses are read. @throws CheckpointError likewise, CheckpointFileError for damaged tensors */
export const vitFromStored = (name: string, tensors: StoredTensors, settings: VitSettings = {}): VitModel => vitFromFound(name, findVit(tensors), settings);

/** The same for a ViT that was found in a file. @throws likewise */
export function vitFromFound(name: string, found: FoundVit, settings: VitSettings = {}): VitModel {
  const config = inferConfig(found, settings);
  const expected = expectedShapes(config);
  checkShapes(found, expected);
  const weights = new Map([...expected.keys()].map((key): [string, Weight] => {
    const { shape, read } = found.tensors.get(key)!;
    return [key, { shape, data: read() }];
  }));
  checkFinite(found, weights);
  return { name, config, weights };
}

/** Name -> shape of what the losses need: all but the final norm, which comes behind the keys and the CLS token they use. */
const expectedShapes = (config: VitConfig): Map<string, readonly number[]> => new Map(vitParameters(config).filter(([key]) => !key.startsWith('norm.')));

function inferConfig(found: FoundVit, settings: VitSettings): VitConfig {
  const { family, depth } = found;
  const shape = (key: string, rank: number): readonly number[] => shapeOf(found, key, rank);
  const [dim, channels, patch, patchWidth] = shape('patch_embed.proj.weight', 4) as [number, number, number, number];
  if (channels !== 3 || patch !== patchWidth || patch < 1) throw misshapen(found, 'patch_embed.proj.weight', [dim, 3, patch, patch]);
  if (settings.patch !== undefined && settings.patch !== patch) throw new CheckpointError(`patch is given as ${settings.patch}, the weights have ${patch}`);
  const [hidden] = shape('blocks.0.mlp.fc1.weight', 2) as [number, number];
  const heads = settings.heads ?? Math.max(1, Math.floor(dim / HEAD_SIZE));
  if (dim % heads !== 0) throw new CheckpointError(`${heads} heads do not divide the width ${dim}: give the number of heads (--heads, or "heads" in the sidecar)`);
  const activation = settings.activation ?? family.defaults.activation;
  return {
    dim,
    depth,
    heads,
    patch,
    image: gridSide(found) * patch,
    hidden,
    eps: family.defaults.eps,
    mean: settings.mean ?? family.defaults.mean,
    std: settings.std ?? family.defaults.std,
    ...(activation === 'quickGelu' && { activation }),
    ...(found.tensors.has('norm_pre.weight') && { preNorm: true }),
  };
}

/** Patches along a side of the square that the position embeddings, [1, 1 + side * side, D], were made for. */
function gridSide(found: FoundVit): number {
  const shape = shapeOf(found, 'pos_embed', 3);
  const side = Math.round(Math.sqrt(shape[1]! - 1));
  if (side >= 1 && side * side === shape[1]! - 1) return side;
  throw new CheckpointError(`${found.sourceOf('pos_embed')} is ${show(shape)}: expected [1, 1 + n * n, D], one CLS token and a square of patches`);
}

function shapeOf({ tensors, sourceOf }: FoundVit, key: string, rank: number): readonly number[] {
  const { shape } = tensors.get(key)!;
  if (shape.length !== rank) throw new CheckpointError(`${sourceOf(key)} is ${show(shape)}: expected ${rank} sizes`);
  return shape;
}

function checkShapes(found: FoundVit, expected: ReadonlyMap<string, readonly number[]>): void {
  const wrong = [...expected].filter(([key, shape]) => show(found.tensors.get(key)!.shape) !== show(shape));
  if (wrong.length > 0) throw new CheckpointError(`tensors with wrong shapes: ${list(wrong.map(([key, shape]) => misshapen(found, key, shape).message))}`);
}

function checkFinite({ sourceOf }: FoundVit, weights: Weights): void {
  const broken = [...weights].filter(([, { data }]) => data.some((value) => !Number.isFinite(value)));
  if (broken.length > 0) throw new CheckpointError(`values that are not finite (NaN or infinity) in ${list(broken.map(([key]) => sourceOf(key)))}`);
}

const misshapen = ({ tensors, sourceOf }: FoundVit, key: string, expected: readonly number[]): CheckpointError =>
  new CheckpointError(`${sourceOf(key)} is ${show(tensors.get(key)!.shape)}, expected ${show(expected)}`);

const show = (shape: readonly number[]): string => `[${shape.join(', ')}]`;

/** The first few, so that an error stays one readable line. */
const list = (items: readonly string[], most = 4): string =>
  items.slice(0, most).join('; ') + (items.length > most ? `; and ${items.length - most} more` : '');
