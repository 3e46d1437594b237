/** A small ViT with random weights: something to run where no trained one is at hand. It recognises nothing. */
import { random } from '../random.js';
import { IMAGENET_MEAN, IMAGENET_STD, type VitConfig, type VitModel, type Weight } from './config.js';

export const UNTRAINED_CONFIG: VitConfig = {
  dim: 64, depth: 4, heads: 4, patch: 8, image: 96, hidden: 256, eps: 1e-6, mean: IMAGENET_MEAN, std: IMAGENET_STD,
};

/** Names and shapes of a ViT's parameters, in file order, under DINO's and timm's keys. */
export function vitParameters({ dim: C, depth, patch, image, hidden, preNorm }: VitConfig): [string, number[]][] {
  const tokens = (image / patch) ** 2 + 1;
  const blocks = Array.from({ length: depth }, (_, i): [string, number[]][] => [
    ['norm1.weight', [C]], ['norm1.bias', [C]],
    ['attn.qkv.weight', [3 * C, C]], ['attn.qkv.bias', [3 * C]], ['attn.proj.weight', [C, C]], ['attn.proj.bias', [C]],
    ['norm2.weight', [C]], ['norm2.bias', [C]],
    ['mlp.fc1.weight', [hidden, C]], ['mlp.fc1.bias', [hidden]], ['mlp.fc2.weight', [C, hidden]], ['mlp.fc2.bias', [C]],
  ].map(([name, shape]) => [`blocks.${i}.${name as string}`, shape as number[]]));
  return [
    ['cls_token', [1, 1, C]], ['pos_embed', [1, tokens, C]],
    ['patch_embed.proj.weight', [C, 3, patch, patch]],
    ...(preNorm ? norm('norm_pre', C) : [['patch_embed.proj.bias', [C]] as [string, number[]]]),
    ...blocks.flat(), ...norm('norm', C),
  ];
}

const norm = (name: string, C: number): [string, number[]][] => [[`${name}.weight`, [C]], [`${name}.bias`, [C]]];

/**
 * Random weights: matrices normal with deviation 1.2 / sqrt(inputs), large enough that attention and CLS token depend on the
 * picture (the usual 0.02 would leave both nearly constant); norms 1 and 0, biases 0, positions and CLS token 0.1 N(0, 1).
 */
export function untrainedVit(seed: number, config: VitConfig = UNTRAINED_CONFIG): VitModel {
  const weights = new Map<string, Weight>();
  for (const [name, shape] of vitParameters(config)) {
    const next = random(seed, name);
    const size = shape.reduce((n, s) => n * s, 1);
    const deviation = /pos_embed|cls_token/.test(name) ? 0.1 : 1.2 / Math.sqrt(shape.slice(1).reduce((n, s) => n * s, 1));
    const draw = /norm(\d|_pre)?\.weight/.test(name) ? () => 1 : name.endsWith('bias') ? () => 0 : () => deviation * next.normal();
    weights.set(name, { shape, data: Float32Array.from({ length: size }, draw) });
  }
  return { name: 'untrained', config, weights };
}
