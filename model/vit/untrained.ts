/** A small ViT with random weights, to run without a trained one. It recognises nothing. */
import { sizeOf } from '../../engine/index.js';
import { random } from '../random.js';
import { IMAGENET_MEAN, IMAGENET_STD, isTable, type VitConfig, type VitModel, type Weight } from './config.js';
import { defaultPeriods } from './rotary.js';

export const UNTRAINED_CONFIG: VitConfig = {
  dim: 64, depth: 4, heads: 4, patch: 8, image: 96, hidden: 256, eps: 1e-6, mean: IMAGENET_MEAN, std: IMAGENET_STD,
};

/** A parameter's name and shape. */
export type NamedShape = readonly [name: string, shape: readonly number[]];

/** Weight and bias of a linear layer of O outputs and I inputs, and of a norm. */
export const linear = (name: string, O: number, I: number): NamedShape[] => [[`${name}.weight`, [O, I]], [`${name}.bias`, [O]]];
const norm = (name: string, C: number): NamedShape[] => [[`${name}.weight`, [C]], [`${name}.bias`, [C]]];

/** Names and shapes of a ViT's parameters, in file order, under DINO's and timm's keys. */
export function vitParameters(config: VitConfig): NamedShape[] {
  const { dim: C, depth, heads, patch, image, hidden, preNorm, registers, positions, gated } = config;
  const tokens = (image / patch) ** 2 + 1;
  const blocks = Array.from({ length: depth }, (_, i): NamedShape[] => {
    const b = `blocks.${i}`;
    return [
      ...norm(`${b}.norm1`, C), ...linear(`${b}.attn.qkv`, 3 * C, C), ...linear(`${b}.attn.proj`, C, C),
      ...norm(`${b}.norm2`, C), ...linear(`${b}.mlp.fc1`, gated ? 2 * hidden : hidden, C), ...linear(`${b}.mlp.fc2`, C, hidden),
    ];
  });
  return [
    ['cls_token', [1, 1, C]], ...(registers ? [['register_tokens', [1, registers, C]] as const] : []),
    positions === 'rotary' ? ['rope_embed.periods', [C / heads / 4]] : ['pos_embed', [1, tokens, C]],
    ['patch_embed.proj.weight', [C, 3, patch, patch]],
    ...(preNorm ? norm('norm_pre', C) : [['patch_embed.proj.bias', [C]] as const]), ...blocks.flat(), ...norm('norm', C),
  ];
}

/**
 * Random weights: matrices normal with deviation 1.2 / sqrt(inputs), large enough that attention and CLS token depend on the
 * picture (the usual 0.02 would leave both nearly constant); norms 1 and 0, biases 0, positions, CLS token and registers
 * 0.1 N(0, 1).
 */
export function untrainedVit(seed: number, config: VitConfig = UNTRAINED_CONFIG): VitModel {
  const weights = new Map<string, Weight>();
  for (const [name, shape] of vitParameters(config)) {
    if (name === 'rope_embed.periods') {
      weights.set(name, { shape, data: defaultPeriods(shape[0]!) });
      continue;
    }
    const next = random(seed, name);
    const deviation = isTable(name) ? 0.1 : 1.2 / Math.sqrt(sizeOf(shape.slice(1)));
    const isNorm = /norm(\d|_pre)?\.weight/.test(name);
    const draw = isNorm ? () => 1 : name.endsWith('bias') ? () => 0 : () => deviation * next.normal();
    weights.set(name, { shape, data: Float32Array.from({ length: sizeOf(shape) }, draw) });
  }
  return { name: 'untrained', config, weights };
}
