/** The graphs of a pretraining: one optimiser step, and the teacher's keys of a few photos. */
import {
  adamw, concat, crossEntropy, ema, globalNorm, gradients, mean, mul, normalize, pack, reshape, sub, type Graph, type Tensor,
} from '../../engine/index.js';
import type { Layout } from '../generators/parameters.js';
import type { VitConfig } from '../vit/config.js';
import { batchCentre, dinoLoss, teacherTargets } from './loss.js';
import { vitConfigOf, type PretrainOptions } from './options.js';
import { bindNetwork, networkRoles, type BoundNetwork } from './student.js';

/** Everything that the graphs of a pretraining are made from. */
export interface PretrainSetting {
  readonly options: PretrainOptions;
  readonly layout: Layout;
}

/** Names of the run's tensors in the engine; together they are its state. */
export const stateNames = {
  student: 'dino.student', momentum: 'dino.adamw.m', variance: 'dino.adamw.v', teacher: 'dino.teacher', centre: 'dino.centre',
} as const;

/** One step of AdamW on `student` by the gradient of `loss`, of limited length `norm`; input `hyper` [10] as `adamw` takes it. */
export function learned(g: Graph, student: BoundNetwork, loss: Tensor, { layout }: PretrainSetting): { w: Tensor; norm: Tensor } {
  const dw = pack(gradients(loss, student.views));
  const roles = g.constant(networkRoles(layout));
  const norm = globalNorm(dw, roles);
  const [m, v] = [g.parameter(stateNames.momentum, [layout.size]), g.parameter(stateNames.variance, [layout.size])];
  return { w: adamw(student.flat, m, v, dw, roles, norm, g.input('hyper', [10])).w, norm };
}

/** The input `name`, normalised: N squares of `side` pixels in 0..1. */
const images = (g: Graph, name: string, N: number, side: number, { mean, std }: VitConfig): Tensor =>
  normalize(g.input(name, [N, 3, side, side]), mean, std);

/** CLS tokens of several batches of images, one after the other: [N, C]. */
const clsOf = (network: BoundNetwork, batches: readonly Tensor[]): Tensor => concat(batches.map((x) => {
  const { cls } = network.features(x);
  return reshape(cls, [cls.shape[0]!, cls.shape[2]!]);
}), 0);

/**
 * One step: the student learns from the teacher, then teacher and centre follow. Inputs: `globals` [2B, 3, G, G] and `locals`
 * [L*B, 3, S, S] in 0..1, crop by crop; `inverseTemp` [1], `momentum` [1], `centreMomentum` [1], and `hyper` [10] as `adamw`
 * takes it. Outputs: `stats` [3] = loss, the teacher's mean entropy, the gradient's length; and the state (in place).
 */
export function pretrainGraph(g: Graph, setting: PretrainSetting): Record<string, Tensor> {
  const { options, layout } = setting;
  const { batch: B, imageSize: G, localSize: S, locals: L, prototypes: K } = options;
  const config = vitConfigOf(options);
  const globals = images(g, 'globals', 2 * B, G, config);
  const crops = L > 0 ? [globals, images(g, 'locals', L * B, S, config)] : [globals];
  const student = bindNetwork(g, stateNames.student, layout, config);
  const teacher = bindNetwork(g, stateNames.teacher, layout, config);

  const t = teacher.project(clsOf(teacher, [globals]));
  const centre = g.parameter(stateNames.centre, [K]);
  const inverseTemp = g.input('inverseTemp', [1]);
  const q = teacherTargets(t, centre, inverseTemp);
  const loss = dinoLoss(student.project(clsOf(student, crops)), q, options.studentTemp);

  const { w, norm } = learned(g, student, loss, setting);
  const entropy = mean(crossEntropy(mul(sub(t, centre), inverseTemp), q));
  return {
    stats: concat([loss, entropy, norm], 0),
    student: w,
    teacher: ema(teacher.flat, w, g.input('momentum', [1])),
    centre: ema(centre, batchCentre(t), g.input('centreMomentum', [1])),
  };
}

/** Student's or teacher's keys of the last block, [N, T, C], of `images` [N, 3, side, side] in 0..1. */
export function keysGraph(
  g: Graph, { options, layout }: PretrainSetting, whose: 'student' | 'teacher', N: number, side: number,
): Record<string, Tensor> {
  const config = vitConfigOf(options);
  return { keys: bindNetwork(g, stateNames[whose], layout, config).features(images(g, 'images', N, side, config)).keys };
}
