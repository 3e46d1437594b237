/** Objectives of a pretraining: agreement with its own average (DINO), or with another ViT. */
import type { Graph, Tensor } from '../../engine/index.js';
import type { Layout } from '../generators/parameters.js';
import type { VitModel } from '../vit/config.js';
import { selfDistillationCrops, sharedCrop, type CropKind } from './augment.js';
import { distillGraph, distillationHead, targetsGraph, type Answers } from './distill.js';
import { cropSide, type PretrainOptions } from './options.js';
import type { StepSettings } from './schedules.js';
import { pretrainGraph, stateNames, type PretrainSetting } from './steps.js';
import { networkLayout } from './student.js';

export type StateName = keyof typeof stateNames;

export interface Objective {
  readonly setting: PretrainSetting;
  /** Sizes of the arrays that are a run's state. */
  readonly state: ReadonlyMap<StateName, number>;
  /** The network that is the result. */
  readonly result: 'student' | 'teacher';
  /** Crops of a photo in a step, by the graph's inputs. */
  readonly crops: ReadonlyMap<string, readonly CropKind[]>;
  /** Names of the graph's `stats`. */
  readonly figures: readonly string[];
  readonly graph: (g: Graph) => Record<string, Tensor>;
  /** With crops that come again: what the graph needs to know of them, by its inputs' names. */
  readonly targets?: (g: Graph) => Answers;
  /** Inputs other than crops and the optimiser's. */
  readonly inputs: (settings: StepSettings) => Readonly<Record<string, number>>;
}

/** Student and optimiser, in both objectives. */
const trained = ({ size }: Layout): [StateName, number][] => [['student', size], ['momentum', size], ['variance', size]];

/** DINO: the teacher is the student's moving average. */
export function selfDistillation(options: PretrainOptions): Objective {
  const setting = { options, layout: networkLayout(options) };
  const [first, second, ...locals] = selfDistillationCrops(options);
  return {
    setting,
    state: new Map([...trained(setting.layout), ['teacher', setting.layout.size], ['centre', options.prototypes]]),
    result: 'teacher',
    crops: new Map([['globals', [first!, second!]], ...(locals.length > 0 ? [['locals', locals] as const] : [])]),
    figures: ['loss', 'entropy', 'gradient'],
    graph: (g) => pretrainGraph(g, setting),
    inputs: ({ momentum, teacherTemp }) => ({ inverseTemp: 1 / teacherTemp, momentum, centreMomentum: options.centerMomentum }),
  };
}

/** Another ViT is the teacher and is not trained. */
export function distillation(options: PretrainOptions, teacher: VitModel): Objective {
  const setting = { options, layout: networkLayout(options, distillationHead(options, teacher.config)) };
  return {
    setting,
    state: new Map(trained(setting.layout)),
    result: 'student',
    crops: new Map([['crops', [sharedCrop(cropSide(options, teacher.config), options.globalScale)]]]),
    figures: ['loss', 'cls', 'keys', 'similarity', 'gradient'],
    graph: (g) => distillGraph(g, setting, teacher, options.views > 0),
    ...(options.views > 0 && { targets: (g: Graph) => targetsGraph(g, options, teacher) }),
    inputs: () => ({}),
  };
}
