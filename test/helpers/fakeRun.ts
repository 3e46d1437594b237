/** A training run without a GPU, for tests of everything around it. */
import type { OpenedEngine, Parts } from '../../cli/run/parts.js';
import type { TransferOptions } from '../../cli/transfer/options.js';
import type { openJudge } from '../../model/compare/judge.js';
import type { StepLosses, TrainingState } from '../../model/training/run.js';
import type { SpliceRun, startSplice } from '../../model/training/pair.js';
import type { Engine } from '../../engine/index.js';
import { startAnyPair } from '../../model/anyPair/training.js';
import type { Image } from '../../model/image.js';
import { startPretrain } from '../../model/pretraining/pretrain.js';
import { stepsIn } from '../../cli/run/checkpoints.js';
import { defaultOptions } from '../../model/method/options.js';

/** What a fake run does at which step. */
export interface FakeBehaviour {
  /** Losses are NaN from this step on. */
  readonly nanFrom?: number;
  /** Pictures are NaN after so many steps. */
  readonly nanPictureFrom?: number;
  /** Called with the number of steps, warm start included, before each. */
  readonly onStep?: (done: number) => void;
  readonly startError?: Error;
  /** How well the photos match. */
  readonly match?: number;
}

export interface FakeCalls {
  /** In order: `step`, `losses 10`, `result 250`, … */
  readonly calls: string[];
  destroyed: boolean;
  closed: boolean;
}

/** Pictures are a flat grey of steps / 1000. */
export function fakeStart({ nanFrom = Infinity, nanPictureFrom = Infinity, onStep, startError }: FakeBehaviour, record: FakeCalls): typeof startSplice {
  return async (_engine, _vit, structure, _appearance, options, from): Promise<SpliceRun> => {
    if (startError) throw startError;
    let done = from ? stepsIn(from) : 0;
    const trained = () => Math.max(0, done - options.warmStart);
    const losses = (step: number): StepLosses => {
      const total = step >= nanFrom ? NaN : 10 / (1 + Math.max(0, step));
      return { step, structure: total / 10, appearance: total / 20, identity: total / 5, total };
    };
    return {
      get warmStepsDone() {
        return Math.min(done, options.warmStart);
      },
      get stepsDone() {
        return trained();
      },
      step: async () => {
        onStep?.(done);
        record.calls.push('step');
        done++;
        return done <= options.warmStart ? { phase: 'warm-start', step: done - 1 } : { phase: 'train', step: trained() - 1 };
      },
      losses: async () => {
        record.calls.push(`losses ${trained() - 1}`);
        return losses(trained() - 1);
      },
      result: async (): Promise<Image> => {
        record.calls.push(`result ${trained()}`);
        const value = trained() >= nanPictureFrom ? NaN : trained() / 1000;
        return { ...structure, data: new Float32Array(structure.data.length).fill(value) };
      },
      weights: async () => new Map([['conv.weight', { shape: [1], data: Float32Array.of(trained()) }]]),
      state: async (): Promise<TrainingState> => {
        record.calls.push(`state ${done}`);
        const { step: _, ...terms } = losses(trained() - 1);
        const flat = () => Float32Array.of(done, 2, 3);
        const counters = { warmStepsDone: Math.min(done, options.warmStart), stepsDone: trained(), updates: done };
        const moments = [['weights', flat()], ['momentum', flat()], ['variance', flat()]] as const;
        return { counters, arrays: new Map([...moments, ['losses', Float32Array.from(Object.values(terms))]]) };
      },
      sync: async () => undefined,
      memory: { total: 3 * 2 ** 20, slots: 2 ** 21, lowerBound: 2 ** 21, largest: 2 ** 20 },
      destroy: () => {
        record.destroyed = true;
      },
    };
  };
}

/** Figures of a picture tell its red, as `sharpness`. */
export const fakeJudge = (match: number): typeof openJudge => async () => ({
  match,
  judge: async ({ data }) => ({ structure: 1, colour: 0, patches: 0, leak: 0, sharpness: data[0]!, selfSimilarity: 0, cls: 1, segments: 1 }),
});

export interface Heard extends FakeCalls {
  stdout: string;
  stderr: string;
}

/** Parts for `transfer` around a fake run, and what happens to them. */
export function fakeParts(behaviour: FakeBehaviour = {}, interrupt: AbortSignal = new AbortController().signal): { parts: Parts; heard: Heard } {
  const heard: Heard = { stdout: '', stderr: '', calls: [], destroyed: false, closed: false };
  const adapter = { vendor: 'test', architecture: '', device: 'fake', driver: '', software: true };
  const close = () => {
    heard.closed = true;
  };
  const parts: Parts = {
    openEngine: async (): Promise<OpenedEngine> => ({ engine: undefined as unknown as Engine, adapter, close }),
    startSplice: fakeStart(behaviour, heard),
    startAnyPair,
    startPretrain,
    openJudge: fakeJudge(behaviour.match ?? 0.6),
    interrupt,
    stdout: { write: (text) => (heard.stdout += text) },
    stderr: { write: (text) => (heard.stderr += text) },
  };
  return { parts, heard };
}

/** Options of a short run. */
export const shortRun = (files: Pick<TransferOptions, 'structure' | 'appearance' | 'model' | 'out'>, change: Partial<TransferOptions['splice']> = {}): TransferOptions => ({
  ...files,
  vit: {},
  saveEvery: 10,
  json: false,
  force: false,
  splice: { ...defaultOptions, steps: 25, warmStart: 5, ...change },
});
