/** The loop of a training, on a run without a GPU: what is logged, saved and refused, and when the loop waits. */
import { setTimeout as wait } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { recentTotal } from '../../model/training/log.js';
import { every, NonFiniteError, trainLoop } from '../../model/training/loop.js';

/** Two steps of warm start, then `steps`; `ms` is how long the device takes for one. */
function fakeRun(ms = 0, nanFrom = Infinity) {
  const done = { warmStepsDone: 0, stepsDone: 0 };
  const calls: string[] = [];
  return Object.assign(done, {
    calls,
    step: async () => {
      calls.push('step');
      if (done.warmStepsDone < 2) return { phase: 'warm-start', step: done.warmStepsDone++ } as const;
      return { phase: 'train', step: done.stepsDone++ } as const;
    },
    losses: async () => ({ step: done.stepsDone - 1, total: done.stepsDone > nanFrom ? NaN : 1 / done.stepsDone }),
    sync: async () => {
      calls.push('sync');
      await wait(ms);
    },
  });
}

test('without hooks it trains to the end', async () => {
  const run = fakeRun();
  assert.is(await trainLoop(run, { warmStart: 2, steps: 7, savesAt: every(5) }), 'finished');
  assert.equal([run.warmStepsDone, run.stepsDone], [2, 7]);
});

test('losses come every ten steps and at the last one, saves as planned', async () => {
  const [logged, saved] = [[] as number[], [] as number[]];
  const run = fakeRun();
  await trainLoop(run, { warmStart: 2, steps: 25, savesAt: every(10) }, {
    onLosses: async ({ step }) => void logged.push(step),
    onSave: async (phase) => void (phase === 'train' && saved.push(run.stepsDone)),
  });
  assert.equal(logged, [0, 10, 20, 24]);
  assert.equal(saved, [10, 20]);
});

test('it submits ahead on a fast device, and waits for each step on a slow one', async () => {
  const waits = async (ms: number): Promise<number> => {
    const run = fakeRun(ms);
    await trainLoop(run, { warmStart: 2, steps: 18, savesAt: () => false });
    return run.calls.filter((call) => call === 'sync').length;
  };
  assert.ok((await waits(0)) < 12);
  assert.ok((await waits(110)) >= 20);
});

test('losses that are not finite end it, with the step and the figure', async () => {
  const plan = { warmStart: 2, steps: 30, savesAt: () => false };
  const error = await trainLoop(fakeRun(0, 10), plan).then(() => undefined, (e) => e);
  assert.instance(error, NonFiniteError);
  assert.match(error.message, /^at step 10 the loss is no longer a finite number \(total NaN\)$/);
});

test('an interrupt, or a result that is good enough, ends it between two steps', async () => {
  const [run, stop] = [fakeRun(), new AbortController()];
  const onStep = (done: number): void => void (done === 6 && stop.abort());
  assert.is(await trainLoop(run, { warmStart: 2, steps: 30, savesAt: () => false }, { onStep }, stop.signal), 'interrupted');
  assert.is(run.stepsDone, 4);
  const enough = fakeRun();
  const isEnough = (): boolean => enough.stepsDone === 3;
  assert.is(await trainLoop(enough, { warmStart: 2, steps: 30, savesAt: () => false }, { isEnough }), 'finished');
  assert.is(enough.stepsDone, 3);
});

test('recentTotal is the mean of the last fifty steps', () => {
  const log = [0, 10, 60, 99].map((step) => ({ step, total: step }));
  assert.is(recentTotal(log, 100), (60 + 99) / 2);
  assert.is(recentTotal([], 100), undefined);
});

test.run();
