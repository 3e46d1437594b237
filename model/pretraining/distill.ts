/** Learning from another ViT, a fixed one: CLS token and keys, the inputs of a transfer's losses, should equal the teacher's. */
import {
  add, concat, layernorm, mse, normalize, resize, scale, selfSimilarity, slice, type Graph, type Tensor,
} from '../../engine/index.js';
import type { VitConfig, VitModel } from '../vit/config.js';
import { linear, type NamedShape } from '../vit/untrained.js';
import { facet, vitLayers } from '../vit/vit.js';
import { teacherSide, vitConfigOf, type PretrainOptions } from './options.js';
import { learned, stateNames, type PretrainSetting } from './steps.js';
import { bindNetwork } from './student.js';

/** Weight of the keys' similarity relative to the features: its errors are small numbers. With 20 it is as heavy as they are. */
const SIMILARITY_WEIGHT = 20;

/**
 * Blocks of the teacher whose keys are learned, from 0: the last one, and the one after two thirds. Keys of the last block know
 * what a thing is; those before still tell its parts and the grounds around it apart.
 */
const keyBlocks = ({ depth }: VitConfig): number[] => [...new Set([Math.max(0, Math.round((2 / 3) * depth) - 1), depth - 1])];

/** Linear layers from the student's features to the teacher's: [teacher's width, student's], for keys of all blocks at once. */
export const distillationHead = ({ dim }: PretrainOptions, teacher: VitConfig): NamedShape[] =>
  [...linear('head.cls', teacher.dim, dim), ...linear('head.keys', keyBlocks(teacher).length * teacher.dim, dim)];

/** Tokens of mean 0 and deviation 1. */
function standardised(x: Tensor, eps: number): Tensor {
  const C = x.shape.at(-1)!;
  return layernorm(x, x.graph.constant(new Float32Array(C).fill(1), [C]), x.graph.constant(new Float32Array(C), [C]), eps);
}

/** What a student learns of the teacher, of normalised images: CLS token [B, 1, C], and keys [B, T, C] of each of `keyBlocks`. */
function targets(g: Graph, teacher: VitModel, x: Tensor): { cls: Tensor; keys: Tensor[] } {
  const layers = vitLayers(g, teacher, x);
  return {
    cls: slice(layers.at(-1)!.tokens, 1, 0, 1), keys: keyBlocks(teacher.config).map((block) => facet(layers[block]!, 'keys')),
  };
}

/**
 * One step. Inputs: `crops` [B, 3, S, S] in 0..1, S the teacher's side, reduced for the student; and `hyper` [10] as `adamw`
 * takes it. The loss is mse(W_c norm(cls), cls') + mse(W_k keys, keys') + 20 mse(similarity(keys), similarity(keys')). Primed are
 * the teacher's, except for the similarity standardised token by token; keys' are those of `keyBlocks` side by side, and their
 * similarity is the mean of the blocks'. Outputs: `stats` [5] = loss, its three unweighted parts, the gradient's length; and the
 * state (in place).
 */
export function distillGraph(g: Graph, setting: PretrainSetting, teacher: VitModel): Record<string, Tensor> {
  const { options, layout } = setting;
  const { batch: B, imageSize: S } = options;
  const [own, other] = [vitConfigOf(options), teacher.config];
  const side = teacherSide(options, other);
  const crops = g.input('crops', [B, 3, side, side]);
  const student = bindNetwork(g, stateNames.student, layout, own);

  const seen = targets(g, teacher, normalize(crops, other.mean, other.std));
  const similarity = scale(seen.keys.map(selfSimilarity).reduce(add), 1 / seen.keys.length);
  const reduced = side === S ? crops : resize(crops, [S, S], { mode: 'bicubic', antialias: true });
  const { keys, cls } = student.features(normalize(reduced, own.mean, own.std));
  const parts = [
    mse(student.layer(student.norm(cls), 'head.cls'), standardised(seen.cls, other.eps)),
    mse(student.layer(keys, 'head.keys'), concat(seen.keys.map((k) => standardised(k, other.eps)), 2)),
    mse(selfSimilarity(keys), similarity),
  ] as const;
  const loss = add(add(parts[0], parts[1]), scale(parts[2], SIMILARITY_WEIGHT));

  const { w, norm } = learned(g, student, loss, setting);
  return { stats: concat([loss, ...parts, norm], 0), student: w };
}
