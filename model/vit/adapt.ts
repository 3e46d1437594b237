/**
 * What a file's parameters are for the blocks of `vit.ts`: parts that only change other parameters are multiplied into those, and
 * a further token besides CLS and patches becomes a register.
 */
import { showShape } from '../../engine/index.js';
import type { StoredTensor } from '../files/tensors.js';
import { CheckpointError } from './errors.js';
import type { FoundVit } from './names.js';

type Found = Pick<FoundVit, 'tensors' | 'sourceOf' | 'depth' | 'family'>;

export type AdaptedVit = ReturnType<typeof adapted>;

/**
 * `found` with parameters of the names of `vitParameters` only. Nothing is read yet.
 * @throws CheckpointError for a misshapen part
 */
export function adapted(found: Found) {
  const tensors = new Map(found.tensors);
  const rules = [layerScale, maskedBias, missingBias, distillationToken, classPosition];
  for (const rule of rules) rule(tensors, found);
  // The registers of DINOv2 came with another interpolation, and so do timm's.
  const learned = found.tensors.has('register_tokens') ? ('antialiased' as const) : undefined;
  const positions = found.family.defaults.positions ?? learned;
  return { ...found, tensors, positions };
}

type Rule = (tensors: Map<string, StoredTensor>, found: Found) => void;

/** @throws CheckpointError unless the tensor has that shape */
function expectShape({ sourceOf }: Found, name: string, { shape }: StoredTensor, expected: readonly number[]): void {
  if (showShape(shape) === showShape(expected)) return;
  throw new CheckpointError(`${sourceOf(name)} is ${showShape(shape)}, expected ${showShape(expected)}`);
}

/** The tensor's rows, each multiplied by one of `factors`. A factor of 0 gives 0, also of what is not a number. */
const multiplied = (tensor: StoredTensor, factors: StoredTensor): StoredTensor => ({
  ...tensor,
  read: () => {
    const [data, by] = [tensor.read(), factors.read()];
    const inner = data.length / by.length;
    return data.map((value, i) => (by[Math.floor(i / inner)] === 0 ? 0 : value * by[Math.floor(i / inner)]!));
  },
});

/** Layer scale multiplies the output of a linear layer: the layer with its rows multiplied does the same. */
const layerScale: Rule = (tensors, found) => {
  for (let i = 0; i < found.depth; i++) {
    for (const [name, target] of [['ls1', 'attn.proj'], ['ls2', 'mlp.fc2']] as const) {
      const factors = tensors.get(`blocks.${i}.${name}`);
      if (!factors) continue;
      tensors.delete(`blocks.${i}.${name}`);
      for (const part of ['weight', 'bias']) {
        const key = `blocks.${i}.${target}.${part}`;
        const tensor = tensors.get(key)!;
        expectShape(found, `blocks.${i}.${name}`, factors, tensor.shape.slice(0, 1));
        tensors.set(key, multiplied(tensor, factors));
      }
    }
  }
};

/** DINOv3 masks the keys' part of the bias. */
const maskedBias: Rule = (tensors, found) => {
  for (let i = 0; i < found.depth; i++) {
    const key = `blocks.${i}.attn.qkv.bias`;
    const [bias, mask] = [tensors.get(key), tensors.get(`${key}_mask`)];
    tensors.delete(`${key}_mask`);
    if (!bias || !mask) continue;
    expectShape(found, `${key}_mask`, mask, bias.shape);
    tensors.set(key, multiplied(bias, mask));
  }
};

/** A family may have no bias of queries, keys and values. */
const missingBias: Rule = (tensors, { depth }) => {
  for (let i = 0; i < depth; i++) {
    const { shape: [O], dtype } = tensors.get(`blocks.${i}.attn.qkv.weight`)!;
    const key = `blocks.${i}.attn.qkv.bias`;
    if (!tensors.has(key)) tensors.set(key, { shape: [O ?? 0], dtype, read: () => new Float32Array(O ?? 0) });
  }
};

/** Whether position embeddings are `[1, extra + n * n, C]`. */
const isSquareAfter = ({ shape }: StoredTensor, extra: number): boolean =>
  shape.length === 3 && shape[1]! > extra && Number.isInteger(Math.sqrt(shape[1]! - extra));

/** The distillation token of DeiT (arXiv 2012.12877) with its position is a register: it only takes part in attention. */
const distillationToken: Rule = (tensors, found) => {
  const [token, positions] = [tensors.get('dist_token'), tensors.get('pos_embed')];
  tensors.delete('dist_token');
  if (!token || !positions) return;
  const { shape: [, T, C] } = positions;
  if (!isSquareAfter(positions, 2)) {
    const expected = '[1, 2 + n * n, D], a CLS token, a distillation token and a square of patches';
    throw new CheckpointError(`${found.sourceOf('pos_embed')} is ${showShape(positions.shape)}: expected ${expected}`);
  }
  expectShape(found, 'dist_token', token, [1, 1, C!]);
  if (tensors.has('register_tokens')) throw new CheckpointError('it has both register tokens and a distillation token');
  tensors.set('register_tokens', {
    ...token, read: () => {
      const own = positions.read().subarray(C, 2 * C!);
      return token.read().map((value, i) => value + own[i]!);
    },
  });
  tensors.set('pos_embed', {
    ...positions, shape: [1, T! - 1, C!], read: () => {
      const all = positions.read();
      const rest = all.slice(C);
      rest.set(all.subarray(0, C));
      return rest;
    },
  });
};

/** Position embeddings of the patches alone, as in DeiT III and in timm's ViTs with registers: the CLS token's is zero. */
const classPosition: Rule = (tensors) => {
  const positions = tensors.get('pos_embed');
  if (!positions || !isSquareAfter(positions, 0) || isSquareAfter(positions, 1)) return;
  const [, T, C] = positions.shape as [number, number, number];
  tensors.set('pos_embed', {
    ...positions, shape: [1, T + 1, C], read: () => {
      const all = new Float32Array((T + 1) * C);
      all.set(positions.read(), C);
      return all;
    },
  });
};
