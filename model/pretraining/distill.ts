/** Learning from another ViT, a fixed one: CLS token and keys, the inputs of a transfer's losses, should equal the teacher's. */
import {
  Graph, add, concat, layernorm, mse, normalize, resize, scale, selfSimilarity, slice, type Tensor,
} from '../../engine/index.js';
import { keyBlocks, type VitConfig, type VitModel } from '../vit/config.js';
import { linear, type NamedShape } from '../vit/untrained.js';
import { facet, vitLayers } from '../vit/vit.js';
import { cropSide, studentSides, teacherSide, vitConfigOf, type PretrainOptions } from './options.js';
import { learned, stateNames, type PretrainSetting } from './steps.js';
import { bindNetwork } from './student.js';

/** Weight of the CLS token: it is one token where keys are many, and the hardest to learn. */
const CLS_WEIGHT = 3;
/** Weight of the keys' similarity: its errors are small numbers. With 20 it is as heavy as the keys are. */
const SIMILARITY_WEIGHT = 20;

/** The linear layer from the student's CLS token to the teacher's. */
export const CLS_HEAD = 'head.cls';

/** Linear layers from the student's features to the teacher's: [teacher's width, student's], for keys of all blocks at once. */
export const distillationHead = ({ dim }: PretrainOptions, teacher: VitConfig): NamedShape[] =>
  [...linear(CLS_HEAD, teacher.dim, dim), ...linear('head.keys', keyBlocks(teacher).length * teacher.dim, dim)];

/** Tokens of mean 0 and deviation 1. */
function standardised(x: Tensor, eps: number): Tensor {
  const C = x.shape.at(-1)!;
  return layernorm(x, x.graph.constant(new Float32Array(C).fill(1), [C]), x.graph.constant(new Float32Array(C), [C]), eps);
}

/** The mean of tensors of one shape. */
const average = (tensors: readonly Tensor[]): Tensor => scale(tensors.reduce(add), 1 / tensors.length);

/** A teacher's answers to some crops at a size: CLS token, keys and their similarity. */
type Targets = Readonly<Record<'cls' | 'keys' | 'similarity', Tensor>>;

/** What a student learns of a ViT: its answers to some crops at every size, by names with the student's side. */
export type Answers = Readonly<Record<string, Tensor>>;

/** `crops` at another side, or as they are. */
const atSide = (crops: Tensor, side: number): Tensor =>
  (crops.shape[2] === side ? crops : resize(crops, [side, side], { mode: 'bicubic', antialias: true }));

/**
 * The teacher's answers to `crops` [B, 3, S, S] in 0..1: CLS token [B, 1, C] and keys [B, T, n C], standardised token by token,
 * and the mean similarity [B, P, P] of the keys, of the n `keyBlocks` side by side.
 */
function targetsOf(g: Graph, teacher: VitModel, crops: Tensor): Targets {
  const { mean, std, eps } = teacher.config;
  const layers = vitLayers(g, teacher, normalize(crops, mean, std));
  const keys = keyBlocks(teacher.config).map((block) => facet(layers[block]!, 'keys'));
  return {
    cls: standardised(slice(layers.at(-1)!.tokens, 1, 0, 1), eps),
    keys: concat(keys.map((k) => standardised(k, eps)), 2),
    similarity: average(keys.map(selfSimilarity)),
  };
}

const cropsInput = (g: Graph, options: PretrainOptions, teacher: VitConfig): Tensor => {
  const side = cropSide(options, teacher);
  return g.input('crops', [options.batch, 3, side, side]);
};

const answerName = (part: string, side: number): string => `${part} at ${side}`;

/** The teacher's answers to `crops` at every size. */
const answersTo = (g: Graph, options: PretrainOptions, teacher: VitModel, crops: Tensor): Answers =>
  Object.fromEntries(studentSides(options).flatMap((side) => {
    const targets = targetsOf(g, teacher, atSide(crops, teacherSide(side, options, teacher.config)));
    return Object.entries(targets).map(([part, target]) => [answerName(part, side), target]);
  }));

/** The teacher alone: its answers to the input `crops`, for `distillGraph` without it. */
export const targetsGraph = (g: Graph, options: PretrainOptions, teacher: VitModel): Answers =>
  answersTo(g, options, teacher, cropsInput(g, options, teacher.config));

/**
 * One step. Inputs: `crops` [B, 3, S, S] in 0..1, S the largest side that the teacher sees, reduced for the student and smaller
 * sizes; `hyper` [10] as `adamw` takes it; and if `answered`, the teacher's answers, which it computes otherwise. The loss is
 * 3 mse(W_c norm(cls), cls') + mse(W_k keys, keys') + 20 mse(similarity(keys), similarity'), primed the answers, the mean over
 * the student's sizes. Outputs: `stats` [5] = loss, its three unweighted parts, the gradient's length; and the state (in place).
 */
export function distillGraph(g: Graph, setting: PretrainSetting, teacher: VitModel, answered = false): Record<string, Tensor> {
  const { options, layout } = setting;
  const own = vitConfigOf(options);
  const crops = cropsInput(g, options, teacher.config);
  const student = bindNetwork(g, stateNames.student, layout, own);
  const answers = answered
    ? inputsLike(g, targetsGraph(new Graph(), options, teacher)) : answersTo(g, options, teacher, crops);

  const atSides = studentSides(options).map((side) => ({
    ...student.features(normalize(atSide(crops, side), own.mean, own.std)),
    answer: (part: keyof Targets): Tensor => answers[answerName(part, side)]!,
  }));
  const parts = [
    average(atSides.map(({ cls, answer }) => mse(student.layer(student.norm(cls), CLS_HEAD), answer('cls')))),
    average(atSides.map(({ keys, answer }) => mse(student.layer(keys, 'head.keys'), answer('keys')))),
    average(atSides.map(({ keys, answer }) => mse(selfSimilarity(keys), answer('similarity')))),
  ] as const;
  const loss = add(add(scale(parts[0], CLS_WEIGHT), parts[1]), scale(parts[2], SIMILARITY_WEIGHT));

  const { w, norm } = learned(g, student, loss, setting);
  return { stats: concat([loss, ...parts, norm], 0), student: w };
}

/** Inputs of the names and shapes of `answers`, which belong to another graph. */
const inputsLike = (g: Graph, answers: Answers): Answers =>
  Object.fromEntries(Object.entries(answers).map(([name, { shape }]) => [name, g.input(name, shape)]));
