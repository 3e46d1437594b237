/** The oracle's models with weights from the formula; names, shapes and scales as in test/golden/oracle/oracle.py. */
import type { Generator } from '../../model/generators/parameters.js';
import { IMAGENET_MEAN, IMAGENET_STD, type VitConfig, type VitModel, type Weight } from '../../model/vit/config.js';
import { fill } from './golden.js';

const vit = (dim: number, depth: number, heads: number, patch: number, image: number): VitConfig =>
  ({ dim, depth, heads, patch, image, hidden: 4 * dim, eps: 1e-6, mean: IMAGENET_MEAN, std: IMAGENET_STD });

export const vitConfigs = {
  vits8: vit(384, 12, 6, 8, 224),
  probe8: vit(48, 4, 3, 8, 32),
  probe4: vit(64, 3, 4, 4, 24),
  dino8: vit(32, 2, 2, 8, 32),
  teacher16: vit(40, 3, 4, 16, 48),
} as const;

/** `vit_params` of the oracle. */
export function formulaVit(kind: keyof typeof vitConfigs, tag: string, gain = 1): VitModel {
  const config = vitConfigs[kind];
  const { dim: d, hidden, depth, patch, image } = config;
  const weights = new Map<string, Weight>();
  const put = (name: string, shape: number[], scale: number, offset = 0): void => {
    const gained = name.startsWith('blocks') && shape.length === 2 ? scale * gain : scale;
    weights.set(name, { shape, data: fill(`${tag}.${name}`, shape, gained, offset) });
  };
  put('cls_token', [1, 1, d], 0.5);
  put('pos_embed', [1, (image / patch) ** 2 + 1, d], 0.5);
  put('patch_embed.proj.weight', [d, 3, patch, patch], 2 / Math.sqrt(3 * patch ** 2));
  put('patch_embed.proj.bias', [d], 0.1);
  for (let i = 0; i < depth; i++) {
    const b = `blocks.${i}.`;
    put(`${b}norm1.weight`, [d], 0.2, 1);
    put(`${b}norm1.bias`, [d], 0.2);
    put(`${b}attn.qkv.weight`, [3 * d, d], 2.5 / Math.sqrt(d));
    put(`${b}attn.qkv.bias`, [3 * d], 0.2);
    put(`${b}attn.proj.weight`, [d, d], 1.5 / Math.sqrt(d));
    put(`${b}attn.proj.bias`, [d], 0.1);
    put(`${b}norm2.weight`, [d], 0.2, 1);
    put(`${b}norm2.bias`, [d], 0.2);
    put(`${b}mlp.fc1.weight`, [hidden, d], 2 / Math.sqrt(d));
    put(`${b}mlp.fc1.bias`, [hidden], 0.1);
    put(`${b}mlp.fc2.weight`, [d, hidden], 2 / Math.sqrt(hidden));
    put(`${b}mlp.fc2.bias`, [d], 0.1);
  }
  put('norm.weight', [d], 0.2, 1);
  put('norm.bias', [d], 0.2);
  return { name: `${tag}.${kind}.${gain}`, config, weights };
}

/** A parameter of a golden file of `oracle/vits.py`: a scale and an offset for the formula, or the values. */
type GoldenParameter = readonly [name: string, shape: number[], ...rest: [scale: number, offset: number] | [values: number[]]];

/** The parameters of such a file, under the names of published checkpoints. */
export const goldenParameters = ({ tag, params }: Record<string, unknown>): Map<string, Weight> =>
  new Map((params as GoldenParameter[]).map(([name, shape, values, offset]) =>
    [name, { shape, data: Array.isArray(values) ? Float32Array.from(values) : fill(`${tag}.${name}`, shape, values, offset) }]));

/** `skip_params`, `unet_params` and `conditional_params` of the oracle; parameters that start as zeros get other values. */
export function formulaGenerator({ parameters }: Generator, tag: string): Map<string, Weight> {
  return new Map(parameters.map(({ name, shape, kind }) => {
    const fanIn = shape.slice(1).reduce((n, s) => n * s, 1);
    const matrix = [Math.sqrt(3 / fanIn), 0];
    const [scale, offset] = {
      'conv.weight': matrix, 'conv.bias': [0.1, 0], 'norm.weight': [0.2, 1], 'norm.bias': [0.2, 0],
      'linear.weight': matrix, 'linear.bias': [0.1, 0], embedding: [1, 0], zero: matrix,
    }[kind] as [number, number];
    return [name, { shape, data: fill(`${tag}.${name}`, shape, scale, offset) }];
  }));
}
