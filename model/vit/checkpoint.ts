/** A ViT from the tensors of a checkpoint: its sizes follow from the shapes, and every tensor is checked. */
import { showShape } from '../../engine/index.js';
import type { StoredTensors } from '../files/tensors.js';
import { adapted, type AdaptedVit } from './adapt.js';
import type { VitConfig, VitModel, Weight, Weights } from './config.js';
import { CheckpointError } from './errors.js';
import { findVit, type FoundVit } from './names.js';
import { withRegisterNeurons } from './registers.js';
import { defaultPeriods } from './rotary.js';
import type { VitSettings } from './settings.js';
import { vitParameters } from './untrained.js';

const HEAD_SIZE = 64;
/** Patches along a side of the pictures that DINOv3 has seen most; its positions go with any size. */
const ROTARY_SIDE = 14;

/**
 * @param weights all tensors in memory, under any known names (model/vit/families.ts); others (classifier heads) are ignored
 * @throws CheckpointError for missing, misshapen or non-finite tensors and for settings that contradict the shapes
 */
export function vitFromWeights(name: string, weights: Weights, settings: VitSettings = {}): VitModel {
  const stored = [...weights].map(([key, { shape, data }]) => [key, { shape, dtype: 'F32', read: () => data }] as const);
  return vitFromStored(name, new Map(stored), settings);
}

/** The same for a file's tensors; only the ViT's are read. @throws CheckpointError as above, CheckpointFileError if damaged */
export const vitFromStored = (name: string, tensors: StoredTensors, settings: VitSettings = {}): VitModel =>
  vitFromFound(name, findVit(tensors), settings);

/** The same for a ViT that was found in a file. @throws CheckpointError, CheckpointFileError as above */
export function vitFromFound(name: string, given: FoundVit, settings: VitSettings = {}): VitModel {
  const found = adapted(given);
  const config = inferConfig(found, settings);
  if (config.positions === 'rotary') completePeriods(found, config);
  // The losses do not need the final norm: it follows the keys and the CLS token.
  const expected = new Map(vitParameters(config).filter(([key]) => !key.startsWith('norm.')));
  checkShapes(found, expected);
  const weights = new Map([...expected.keys()].map((key): [string, Weight] => {
    const { shape, read } = found.tensors.get(key)!;
    return [key, { shape, data: read() }];
  }));
  checkFinite(found, weights);
  const vit = { name, config, weights };
  return settings.registerNeurons ? withRegisterNeurons(vit, settings.registerNeurons) : vit;
}

function inferConfig(found: AdaptedVit, settings: VitSettings): VitConfig {
  const { depth, positions, family: { defaults } } = found;
  const embedding = 'patch_embed.proj.weight';
  const [dim, channels, patch, patchWidth] = shapeOf(found, embedding, 4) as [number, number, number, number];
  if (channels !== 3 || patch !== patchWidth || patch < 1) throw misshapen(found, embedding, [dim, 3, patch, patch]);
  const periods = found.tensors.get('rope_embed.periods')?.shape[0];
  const headSize = periods ? 4 * periods : HEAD_SIZE;
  const { patch: given = patch, heads = Math.max(1, Math.floor(dim / headSize)) } = settings;
  if (given !== patch) throw new CheckpointError(`patch is given as ${given}, the weights have ${patch}`, 'leave the patch out');
  const [wide] = shapeOf(found, 'blocks.0.mlp.fc1.weight', 2) as [number, number];
  const [, hidden] = shapeOf(found, 'blocks.0.mlp.fc2.weight', 2) as [number, number];
  if (dim % heads !== 0) {
    const remedy = 'give the number of heads (--heads, or "heads" in the sidecar)';
    throw new CheckpointError(`${heads} heads do not divide the width ${dim}`, remedy);
  }
  const { activation, eps, mean, std } = { ...defaults, ...settings };
  const registers = found.tensors.has('register_tokens') ? shapeOf(found, 'register_tokens', 3)[1]! : 0;
  return {
    dim, depth, heads, patch, image: (positions === 'rotary' ? ROTARY_SIDE : gridSide(found)) * patch, hidden, eps, mean, std,
    ...(activation === 'quickGelu' && { activation }),
    ...(found.tensors.has('norm_pre.weight') && { preNorm: true }),
    ...(registers > 0 && { registers }),
    ...(positions && { positions }),
    ...(wide === 2 * hidden && { gated: true }),
  };
}

/**
 * Adds the published periods of rotary positions to files without them, and checks them in files that have them.
 * @throws CheckpointError when a head cannot be rotated, or a period is not above 0
 */
function completePeriods({ tensors, sourceOf }: AdaptedVit, { dim, heads }: VitConfig): void {
  const key = 'rope_embed.periods';
  const count = dim / heads / 4;
  if (!Number.isInteger(count)) {
    throw new CheckpointError(`heads of ${dim / heads} cannot have rotary positions: their size must be a multiple of 4`);
  }
  const own = tensors.get(key);
  if (!own) tensors.set(key, { shape: [count], dtype: 'F32', read: () => defaultPeriods(count) });
  else if (own.read().some((value) => value <= 0)) throw new CheckpointError(`${sourceOf(key)} has values that are not above 0`);
}

/** Patches along a side of the square of the position embeddings [1, 1 + side * side, D]. */
function gridSide(found: AdaptedVit): number {
  const shape = shapeOf(found, 'pos_embed', 3);
  const side = Math.round(Math.sqrt(shape[1]! - 1));
  if (side >= 1 && side * side === shape[1]! - 1) return side;
  const name = found.sourceOf('pos_embed');
  throw new CheckpointError(`${name} is ${showShape(shape)}: expected [1, 1 + n * n, D], one CLS token and a square of patches`);
}

function shapeOf({ tensors, sourceOf }: AdaptedVit, key: string, rank: number): readonly number[] {
  const { shape } = tensors.get(key)!;
  if (shape.length !== rank) throw new CheckpointError(`${sourceOf(key)} is ${showShape(shape)}: expected ${rank} sizes`);
  return shape;
}

function checkShapes(found: AdaptedVit, expected: ReadonlyMap<string, readonly number[]>): void {
  const wrong = [...expected].filter(([key, shape]) => showShape(found.tensors.get(key)!.shape) !== showShape(shape));
  const messages = wrong.map(([key, shape]) => misshapen(found, key, shape).message);
  if (wrong.length > 0) throw new CheckpointError(`tensors with wrong shapes: ${list(messages)}`);
}

function checkFinite({ sourceOf }: AdaptedVit, weights: Weights): void {
  const broken = [...weights].filter(([, { data }]) => !data.every(Number.isFinite)).map(([key]) => sourceOf(key));
  const remedy = 'use a checkpoint from before its training diverged';
  if (broken.length > 0) throw new CheckpointError(`values that are not finite (NaN or infinity) in ${list(broken)}`, remedy);
}

const misshapen = ({ tensors, sourceOf }: AdaptedVit, key: string, expected: readonly number[]): CheckpointError =>
  new CheckpointError(`${sourceOf(key)} is ${showShape(tensors.get(key)!.shape)}, expected ${showShape(expected)}`);

/** The first few, so that an error stays one readable line. */
const list = (items: readonly string[], most = 4): string =>
  items.slice(0, most).join('; ') + (items.length > most ? `; and ${items.length - most} more` : '');
