/** Learning from another ViT, which stays as it is: the two things a transfer looks at, CLS token and keys, are to say what its own say. */
import { add, concat, layernorm, mse, normalize, resize, scale, selfSimilarity, type Graph, type Tensor } from '../../engine/index.js';
import type { VitConfig, VitModel } from '../vit/config.js';
import { vitFeatures } from '../vit/vit.js';
import { teacherSide, vitConfigOf, type PretrainOptions } from './options.js';
import { learned, stateNames, type PretrainSetting } from './steps.js';
import { bindNetwork } from './student.js';

/** What the similarity of keys counts beside the features themselves: its errors are small numbers. */
const SIMILARITY_WEIGHT = 5;

/** Linear layers from the student's features to the teacher's: [teacher's width, student's]. */
export const distillationHead = ({ dim }: PretrainOptions, { dim: wide }: VitConfig): [string, number[]][] =>
  ['cls', 'keys'].flatMap((name) => [[`head.${name}.weight`, [wide, dim]], [`head.${name}.bias`, [wide]]] as [string, number[]][]);

/** Tokens of mean 0 and deviation 1. */
function standardised(x: Tensor, eps: number): Tensor {
  const C = x.shape.at(-1)!;
  return layernorm(x, x.graph.constant(new Float32Array(C).fill(1), [C]), x.graph.constant(new Float32Array(C), [C]), eps);
}

/**
 * One step. Inputs: `crops` [B, 3, S, S] in 0..1, S the teacher's side, reduced for the student; and `hyper` [10] as `adamw` takes it. The loss is
 * mse(W_c norm(cls), cls') + mse(W_k keys, keys') + 5 mse(similarity(keys), similarity(keys')), where what is primed is the teacher's and, but for the
 * similarity, standardised token by token. Outputs: `stats` [5] = loss, its three parts unweighted, the gradient's length; and the state (in place).
 */
export function distillGraph(g: Graph, setting: PretrainSetting, teacher: VitModel): Record<string, Tensor> {
  const { options, layout } = setting;
  const { batch: B, imageSize: S } = options;
  const [own, other] = [vitConfigOf(options), teacher.config];
  const side = teacherSide(options, other);
  const crops = g.input('crops', [B, 3, side, side]);
  const student = bindNetwork(g, stateNames.student, layout, own);

  const seen = vitFeatures(g, teacher, normalize(crops, other.mean, other.std));
  const { keys, cls } = student.features(normalize(side === S ? crops : resize(crops, [S, S], { mode: 'bicubic', antialias: true }), own.mean, own.std));
  const parts = [
    mse(student.layer(student.norm(cls), 'head.cls'), standardised(seen.cls, other.eps)),
    mse(student.layer(keys, 'head.keys'), standardised(seen.keys, other.eps)),
    mse(selfSimilarity(keys), selfSimilarity(seen.keys)),
  ] as const;
  const loss = add(add(parts[0], parts[1]), scale(parts[2], SIMILARITY_WEIGHT));

  const { w, norm } = learned(g, student, loss, setting);
  return { stats: concat([loss, ...parts, norm], 0), student: w };
}
