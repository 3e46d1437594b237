/** Training runs without a GPU, for tests of everything around them. */
import { stepsIn } from '../../cli/run/checkpoints.js';
import type { DeviceFacts } from '../../cli/gpu/device.js';
import type { OpenedEngine, Parts } from '../../cli/run/parts.js';
import type { TransferOptions } from '../../cli/transfer/options.js';
import type { Engine } from '../../engine/index.js';
import type { startAnyPair } from '../../model/anyPair/training.js';
import type { openJudge } from '../../model/compare/judge.js';
import type { addDetail } from '../../model/detail/detail.js';
import type { Image } from '../../model/image.js';
import { defaultOptions } from '../../model/method/options.js';
import type { Labels } from '../../model/method/regions.js';
import type { startPretrain } from '../../model/pretraining/pretrain.js';
import type { startSplice } from '../../model/training/pair.js';
import type { StepLosses, TrainingRun, TrainingState } from '../../model/training/run.js';

/** How a fake run behaves. */
export interface FakeBehaviour {
  /** Losses are NaN from this step on. */
  readonly nanFrom?: number;
  /** Pictures are NaN after this many steps. */
  readonly nanPictureFrom?: number;
  /** Called before each step with the number of steps done, warm start included. */
  readonly onStep?: (done: number) => void | Promise<void>;
  readonly startError?: Error;
  /** How well the photos match. */
  readonly match?: number;
  /** Bytes of memory that the run reports to need. */
  readonly bytes?: number;
  /** Facts about the device that differ from a software adapter's. */
  readonly device?: Partial<DeviceFacts>;
  /** Called when detail is added, before its progress of one half is reported. */
  readonly onDetail?: () => void | Promise<void>;
}

export interface FakeCalls {
  /** In order: `step`, `losses 10`, `result 250`, … */
  readonly calls: string[];
  destroyed: boolean;
  closed: boolean;
}

/** The part that all trainings have. @param loss name of the loss; `total` comes with its terms; `labelled` adds to every step */
function fakeTraining(
  behaviour: FakeBehaviour, record: FakeCalls, warmStart: number, from: TrainingState | undefined, loss = 'total',
  labelled = (): number => 0,
): TrainingRun & { readonly sum: () => number } {
  const { nanFrom = Infinity, onStep, startError, bytes = 3 * 2 ** 20 } = behaviour;
  if (startError) throw startError;
  let done = from ? stepsIn(from) : 0;
  let sum = from?.arrays.get('sum')?.[0] ?? 0;
  const trained = () => Math.max(0, done - warmStart);
  const losses = (step: number): StepLosses => {
    const total = step >= nanFrom ? NaN : 10 / (1 + Math.max(0, step)) + sum;
    if (loss !== 'total') return { step, [loss]: total };
    return { step, structure: total / 10, appearance: total / 20, identity: total / 5, total };
  };
  return {
    get warmStepsDone() {
      return Math.min(done, warmStart);
    },
    get stepsDone() {
      return trained();
    },
    step: async () => {
      await onStep?.(done);
      record.calls.push('step');
      sum = Math.fround(sum + labelled());
      done++;
      return done <= warmStart ? { phase: 'warm-start', step: done - 1 } : { phase: 'train', step: trained() - 1 };
    },
    losses: async () => {
      record.calls.push(`losses ${trained() - 1}`);
      return losses(trained() - 1);
    },
    state: async (): Promise<TrainingState> => {
      record.calls.push(`state ${done}`);
      const { step: _, ...terms } = losses(trained() - 1);
      const flat = () => Float32Array.of(done, 2, 3);
      const moments = [['weights', flat()], ['momentum', flat()], ['variance', flat()]] as const;
      return {
        counters: { warmStepsDone: Math.min(done, warmStart), stepsDone: trained(), updates: done },
        arrays: new Map([...moments, ['sum', Float32Array.of(sum)], ['losses', Float32Array.from(Object.values(terms))]]),
      };
    },
    sum: () => sum,
    sync: async () => undefined,
    memory: { total: bytes, slots: 2 ** 21, lowerBound: 2 ** 21, largest: 2 ** 20 },
    destroy: () => {
      record.destroyed = true;
    },
  };
}

const weightsOf = (run: TrainingRun) => async () =>
  new Map([['conv.weight', { shape: [1], data: Float32Array.of(run.stepsDone) }]]);

/** Pictures are a flat grey of steps / 1000, and lighter by what was labelled at each step. */
export function fakeStart(behaviour: FakeBehaviour, record: FakeCalls): typeof startSplice {
  const { nanPictureFrom = Infinity } = behaviour;
  return async (_engine, _vit, structure, _appearance, options, from, { regions } = {}) => {
    const mean = ({ data }: Labels): number => data.reduce((all, label) => all + label, 0) / data.length;
    const labelled = () => (regions ? (mean(regions.structure) + 2 * mean(regions.appearances[0]!)) / 100 : 0);
    const run = fakeTraining(behaviour, record, options.warmStart, from, 'total', labelled);
    const result = async (): Promise<Image> => {
      record.calls.push(`result ${run.stepsDone}`);
      const value = run.stepsDone >= nanPictureFrom ? NaN : run.stepsDone / 1000 + run.sum();
      return { ...structure, data: new Float32Array(structure.data.length).fill(value) };
    };
    const encodeResult = (): never => {
      throw new Error('a fake run has no buffer');
    };
    const meanLosses = async () => ({ total: 10 / (1 + run.stepsDone) });
    return Object.assign(run, { result, encodeResult, weights: weightsOf(run), meanLosses });
  };
}

const fakeAnyPair = (behaviour: FakeBehaviour, record: FakeCalls): typeof startAnyPair =>
  async (_engine, _vit, options, _draw, from) => {
    const run = fakeTraining(behaviour, record, options.warmStart, from);
    return Object.assign(run, { average: weightsOf(run) });
  };

const fakePretrain = (behaviour: FakeBehaviour, record: FakeCalls): typeof startPretrain =>
  async (_engine, _photos, { dim }, start = {}) => {
    const run = fakeTraining(behaviour, record, 0, start.state, 'loss');
    const tokens = 5;
    const keys = async (images: Float32Array, side: number) => {
      const count = images.length / (3 * side * side);
      return { data: new Float32Array(count * tokens * dim).fill(0.5), tokens };
    };
    return Object.assign(run, { weights: weightsOf(run), keys });
  };

/** The result in white, at the size of the structure photo. */
const fakeDetail = ({ onDetail }: FakeBehaviour, record: FakeCalls): typeof addDetail =>
  async (_engine, { structure, result, appearance }, { gain } = {}, onProgress) => {
    const sizes = [result, structure, appearance].map(({ width, height }) => `${width}x${height}`);
    record.calls.push(`detail ${gain} ${sizes.join(' ')}`);
    await onDetail?.();
    onProgress?.(0.5);
    return { ...structure, data: new Float32Array(structure.data.length).fill(1) };
  };

const figures = { structure: 1, colour: 0, patches: 0, leak: 0, selfSimilarity: 0, cls: 1, segments: 1 };

/** Returns the red of a picture's first pixel as its `sharpness`. */
export const fakeJudge = (match: number): typeof openJudge => async () =>
  ({
    match,
    judge: async ({ data }) => ({ ...figures, sharpness: data[0]! }),
    glance: ({ data }) => ({ structure: 1, colour: 0, sharpness: data[0]! }),
  });

export interface Heard extends FakeCalls {
  stdout: string;
  stderr: string;
}

/** Parts that run a command around fake runs, and a record of their output and calls. */
export function fakeParts(
  behaviour: FakeBehaviour = {}, interrupt = new AbortController().signal,
): { parts: Parts; heard: Heard } {
  const heard: Heard = { stdout: '', stderr: '', calls: [], destroyed: false, closed: false };
  const adapter = { vendor: 'test', architecture: '', device: 'fake', driver: '', software: true };
  const close = () => {
    heard.closed = true;
  };
  const parts: Parts = {
    openEngine: async (): Promise<OpenedEngine> => ({ engine: undefined as unknown as Engine, adapter, close }),
    deviceFacts: async () => ({ software: true, cores: 2, memory: 8e9, largestBinding: 2 ** 27, ...behaviour.device }),
    addDetail: fakeDetail(behaviour, heard),
    tokenMatches: async () => ({ picture: [1, 1], appearance: [1, 1], best: new Int32Array(1), count: 1 }),
    startSplice: fakeStart(behaviour, heard),
    startAnyPair: fakeAnyPair(behaviour, heard),
    startPretrain: fakePretrain(behaviour, heard),
    openJudge: fakeJudge(behaviour.match ?? 0.6),
    interrupt,
    stdout: { write: (text) => (heard.stdout += text) },
    stderr: { write: (text) => (heard.stderr += text) },
  };
  return { parts, heard };
}

/** Options of a short run. */
export const shortRun = (
  files: Pick<TransferOptions, 'structure' | 'appearance' | 'model' | 'out'>, change: Partial<TransferOptions['splice']> = {},
): TransferOptions => ({
  ...files, vit: {}, saveEvery: 10, json: false, force: false,
  splice: { ...defaultOptions, steps: 25, warmStart: 5, ...change },
});
