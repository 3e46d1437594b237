/** Tests of a place: files of tests that run there, and twelve training steps beside Node's. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { inDeno, inWindow, inWorker, type Outcome } from './places.js';
import type { Steps } from './steps.js';

const places = { window: inWindow, worker: inWorker, deno: inDeno };

/** Declares a test for each file. */
export async function testFiles(place: keyof typeof places, names: readonly string[]): Promise<void> {
  const results = await places[place](names);
  for (const name of results ? names : []) {
    test(`${place}: ${name}`, async () => {
      const { errors, passed, total } = (await results!.next()).value as Outcome;
      assert.is(errors, '');
      assert.ok(passed === total && total > 0, `${passed} of ${total}`);
    });
  }
  if (results) test(`${place}: nothing else went wrong`, async () => assert.ok((await results.next()).done));
}

/** Declares that twelve steps give the bits of `node`'s if both run on the same driver; if not, the first losses agree. */
export async function testSteps(place: keyof typeof places, node: () => Promise<Steps>): Promise<void> {
  const results = await places[place](['steps']);
  if (!results) return;
  test(`${place}: twelve training steps`, async () => {
    const [there, here] = await Promise.all([results.next().then(({ value }) => value as Steps & Partial<Outcome>), node()]);
    assert.is(there.errors, undefined);
    assert.equal(there.uncaptured, []);
    assert.is(there.losses.length, 12);
    if (there.driver === here.driver) {
      assert.equal(there.losses, here.losses);
      assert.equal(there.picture, here.picture);
    } else {
      console.log(`other drivers (${there.driver}, Node ${here.driver}): only the first step is compared`);
      for (const [term, value] of Object.entries(here.losses[0]!)) {
        const other = there.losses[0]![term]!;
        assert.ok(Math.abs(other - value) <= 1e-5 * Math.abs(value), `${term}: ${other}, ${value}`);
      }
    }
    assert.ok((await results.next()).done);
  });
}
