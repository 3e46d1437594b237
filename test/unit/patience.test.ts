/** Waiting without taking the processor from a device that is the processor. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isDawnForNode, waitCalmly } from '../../engine/run/patience.js';

const after = (ms: number): Promise<string> => new Promise((resolve) => setTimeout(() => resolve('done'), ms));

/** Turns of the event loop until `work` is done, with a function that polls in every turn. */
async function turnsDuring(work: Promise<unknown>): Promise<number> {
  let turns = 0;
  let isOpen = true;
  const poll = (): void => {
    turns++;
    if (isOpen) setImmediate(poll);
  };
  setImmediate(poll);
  await work;
  isOpen = false;
  return turns;
}

test('results and errors are passed on', async () => {
  assert.is(await waitCalmly(after(5)), 'done');
  assert.is(await waitCalmly(Promise.reject(new Error('lost'))).catch((error: Error) => error.message), 'lost');
});

test('code that polls in every turn of the event loop gets few turns', async () => {
  assert.ok((await turnsDuring(waitCalmly(after(200)))) < 500); // naps reach 2 ms after 40 ms
  assert.ok((await turnsDuring(after(200))) > 1000);
});

test('where blocking is not allowed it is a plain wait', async () => {
  const { wait } = Atomics;
  let asked = 0;
  Atomics.wait = () => {
    asked++;
    throw new TypeError('Atomics.wait cannot be called in this context');
  };
  try {
    assert.is(await waitCalmly(after(20)), 'done');
  } finally {
    Atomics.wait = wait;
  }
  assert.is(asked, 1);
});

test("a device of Dawn's bindings for Node is told from one that is built in", () => {
  class BuiltIn {
    get queue(): object { return {}; }
  }
  assert.not(isDawnForNode(new BuiltIn()));
  assert.ok(isDawnForNode({ queue: {} }));
});

test.run();
