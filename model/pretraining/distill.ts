/** Learning from another ViT, a fixed one: CLS token and keys, the inputs of a transfer's losses, should equal the teacher's. */
import {
  add, concat, layernorm, mse, normalize, resize, scale, selfSimilarity, type Graph, type Tensor,
} from '../../engine/index.js';
import type { VitConfig, VitModel } from '../vit/config.js';
import { linear, type NamedShape } from '../vit/untrained.js';
import { vitFeatures } from '../vit/vit.js';
import { teacherSide, vitConfigOf, type PretrainOptions } from './options.js';
import { learned, stateNames, type PretrainSetting } from './steps.js';
import { bindNetwork } from './student.js';

/** Weight of the keys' similarity relative to the features: its errors are small numbers. */
const SIMILARITY_WEIGHT = 5;

/** Linear layers from the student's features to the teacher's: [teacher's width, student's]. */
export const distillationHead = ({ dim }: PretrainOptions, { dim: wide }: VitConfig): NamedShape[] =>
  ['cls', 'keys'].flatMap((name) => linear(`head.${name}`, wide, dim));

/** Tokens of mean 0 and deviation 1. */
function standardised(x: Tensor, eps: number): Tensor {
  const C = x.shape.at(-1)!;
  return layernorm(x, x.graph.constant(new Float32Array(C).fill(1), [C]), x.graph.constant(new Float32Array(C), [C]), eps);
}

/**
 * One step. Inputs: `crops` [B, 3, S, S] in 0..1, S the teacher's side, reduced for the student; and `hyper` [10] as `adamw`
 * takes it. The loss is mse(W_c norm(cls), cls') + mse(W_k keys, keys') + 5 mse(similarity(keys), similarity(keys')). Primed are
 * the teacher's, except for the similarity standardised token by token. Outputs: `stats` [5] = loss, its three unweighted parts,
 * the gradient's length; and the state (in place).
 */
export function distillGraph(g: Graph, setting: PretrainSetting, teacher: VitModel): Record<string, Tensor> {
  const { options, layout } = setting;
  const { batch: B, imageSize: S } = options;
  const [own, other] = [vitConfigOf(options), teacher.config];
  const side = teacherSide(options, other);
  const crops = g.input('crops', [B, 3, side, side]);
  const student = bindNetwork(g, stateNames.student, layout, own);

  const seen = vitFeatures(g, teacher, normalize(crops, other.mean, other.std));
  const reduced = side === S ? crops : resize(crops, [S, S], { mode: 'bicubic', antialias: true });
  const { keys, cls } = student.features(normalize(reduced, own.mean, own.std));
  const parts = [
    mse(student.layer(student.norm(cls), 'head.cls'), standardised(seen.cls, other.eps)),
    mse(student.layer(keys, 'head.keys'), standardised(seen.keys, other.eps)),
    mse(selfSimilarity(keys), selfSimilarity(seen.keys)),
  ] as const;
  const loss = add(add(parts[0], parts[1]), scale(parts[2], SIMILARITY_WEIGHT));

  const { w, norm } = learned(g, student, loss, setting);
  return { stats: concat([loss, ...parts, norm], 0), student: w };
}
