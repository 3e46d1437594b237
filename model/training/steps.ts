/** The steps that a training of one pair and one of many pairs share: their order, their losses, and the state. */
import type { Engine, Program } from '../../engine/index.js';
import type { SpliceOptions } from '../method/options.js';
import { recipes, WHOLE_IMAGE_EVERY } from '../method/recipes.js';
import { names, type Setting } from '../method/steps.js';
import type { StepInfo, TrainingRun, TrainingState } from './run.js';

/** Engine parameters that make up the state, by the name of the array. */
export type Stored = Readonly<Record<string, string>>;

export const pairStored: Stored = { weights: names.weights, momentum: names.momentum, variance: names.variance };

/** Submits optimiser step `update` (from 1); returns the program whose output `losses` belongs to `step`. */
export type Submit = (kind: StepInfo['phase'] | 'uncropped', step: number, update: number) => Promise<Program>;

const TERMS = ['structure', 'appearance', 'identity', 'total'] as const;

/** Weights of the loss terms at a step, in the order of `stepGraph`. The paper's recipe begins with the appearance alone. */
export function termWeights(options: SpliceOptions, step: number, whole: boolean): number[] {
  const { recipe, lambdaStructure, lambdaAppearance, lambdaIdentity } = options;
  const alone = recipes[recipe].appearanceFirst && step === 0;
  const crops = [alone ? 0 : lambdaStructure, lambdaAppearance, alone ? 0 : lambdaIdentity];
  return whole ? [...crops, lambdaStructure, lambdaAppearance] : crops;
}

/** @throws Error when a state is of another generator, or has steps that the options do not have */
export function checkState({ layout, options }: Setting, stored: Stored, { counters, arrays }: TrainingState): void {
  for (const name of [...Object.keys(stored), 'losses']) {
    const [length, size] = [arrays.get(name)?.length, name === 'losses' ? TERMS.length : layout.size];
    if (length !== size) throw new Error(`state: ${name} has ${length ?? 'no'} values, this generator needs ${size}`);
  }
  const { warmStepsDone = 0, stepsDone = 0 } = counters;
  if (warmStepsDone > options.warmStart || (stepsDone > 0 && warmStepsDone < options.warmStart)) {
    const found = `${warmStepsDone} steps of warm start and ${stepsDone} after it`;
    throw new Error(`state: ${found}, the options have a warm start of ${options.warmStart}`);
  }
}

/** The part of a run that does not depend on what its programs compute. @throws as `checkState` for `from` */
export function trainingSteps(
  engine: Engine, setting: Setting, stored: Stored, from: TrainingState | undefined, submit: Submit,
): Omit<TrainingRun, 'memory' | 'destroy'> {
  if (from) checkState(setting, stored, from);
  const { options } = setting;
  let { warmStepsDone = 0, stepsDone = 0, updates = 0 } = from?.counters ?? {};
  let last: Program | undefined;

  const step = async (): Promise<StepInfo> => {
    if (warmStepsDone < options.warmStart) {
      last = await submit('warm-start', warmStepsDone, ++updates);
      return { phase: 'warm-start', step: warmStepsDone++ };
    }
    last = await submit('train', stepsDone, ++updates);
    // The losses stay those of the crops.
    const isWhole = recipes[options.recipe].wholeImage === 'step' && stepsDone % WHOLE_IMAGE_EVERY === 0;
    if (isWhole) await submit('uncropped', stepsDone, ++updates);
    return { phase: 'train', step: stepsDone++ };
  };
  /** In the order of TERMS; a step of the warm start has a total alone. */
  const lossValues = async (): Promise<Float32Array> => {
    if (!last) return from?.arrays.get('losses') ?? new Float32Array(TERMS.length).fill(NaN);
    const values = await last.read('losses');
    return values.length === TERMS.length ? values : Float32Array.of(NaN, NaN, NaN, values[2]!);
  };
  return {
    get warmStepsDone() {
      return warmStepsDone;
    },
    get stepsDone() {
      return stepsDone;
    },
    step,
    losses: async () => {
      if (warmStepsDone + stepsDone === 0) throw new Error('losses: no step was made yet');
      const [isWarm, number] = [stepsDone === 0, (stepsDone || warmStepsDone) - 1]; // more steps may be submitted meanwhile
      const values = await lossValues();
      if (isWarm) return { step: number, total: values[3]! };
      return { step: number, ...Object.fromEntries(TERMS.map((term, i) => [term, values[i]!])) };
    },
    state: async () => {
      const arrays = new Map<string, Float32Array>();
      for (const [name, parameter] of Object.entries(stored)) arrays.set(name, await engine.readParameter(parameter));
      return { counters: { warmStepsDone, stepsDone, updates }, arrays: arrays.set('losses', await lossValues()) };
    },
    sync: () => engine.sync(),
  };
}
