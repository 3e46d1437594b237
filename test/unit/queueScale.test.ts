/** The simulation of many machines, against what can be worked out by hand. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BESIDES, CHECKPOINT, defaults, PHOTOS, simulate, START_S, uploadInterval, type Setting } from '../study/queueScale.js';

const near = (found: number, expected: number, share: number, what: string): void =>
  assert.ok(Math.abs(found / expected - 1) <= share, `${what}: ${found} instead of ${expected}`);

test('machines that never die take the jobs in rounds', () => {
  const { hours, useful, deaths, repeated, traffic } = simulate({ ...defaults, machines: 7, jobs: 20, mtbfHours: 1e12 });
  const [whole, seconds] = [10_000 * 5.84, 3 * (START_S + 10_000 * 5.84)];
  near(hours, seconds / 3600, 1e-9, 'hours');
  near(useful, (20 * whole) / (7 * seconds), 1e-9, 'useful');
  assert.equal([deaths, Math.abs(repeated) < 1e-9], [0, true]);
  // An upload for each of 40 saves and one for the result, which is fetched.
  near(traffic, (20 * (41 * (CHECKPOINT + BESIDES) + 2 * CHECKPOINT + BESIDES + PHOTOS)) / seconds, 1e-9, 'traffic');
});

test('a death costs half an interval, the more the rarer the uploads', () => {
  const often: Setting = { ...defaults, machines: 100, jobs: 2000, steps: 1000, lease: 60 };
  for (const setting of [often, { ...often, uploadEvery: 10 * 250 * 5.84 / 5 }]) {
    const { hours, deaths, repeated, interval } = simulate(setting);
    // As many as the machines' hours hold, to four standard deviations; those that are repaired do not die.
    const expected = (100 * hours) / (24 + 10 / 60);
    assert.ok(Math.abs(deaths - expected) < 4 * Math.sqrt(expected), `${deaths} deaths, ${expected} expected`);
    // A job is four intervals or two, and the last one is not begun if it is not whole.
    near((repeated * 2000 * 1000 * 5.84) / deaths, interval / 2, 0.1, 'seconds that a death costs');
  }
});

test('uploads are as frequent as saves, unless less is wanted or the store takes no more', () => {
  const save = 250 * 5.84;
  assert.is(uploadInterval(defaults), save);
  assert.is(uploadInterval({ ...defaults, uploadEvery: 1 }), save);
  assert.is(uploadInterval({ ...defaults, uploadEvery: 2.5 * save }), 3 * save);
  // A thousand machines with two checkpoints each, 37.5 MB, at 5 MB/s.
  assert.is(uploadInterval({ ...defaults, storeMBs: 5 }), Math.ceil(37_500 / 5 / save) * save);
  const { traffic } = simulate({ ...defaults, storeMBs: 5, mtbfHours: 1e12 });
  assert.ok(traffic < 6, `${traffic} MB/s`);
});

test('the same seed gives the same figures, another one others', () => {
  const small = { ...defaults, machines: 50, jobs: 200 };
  assert.equal(simulate(small), simulate(small));
  assert.is.not(simulate(small).hours, simulate({ ...small, seed: 2 }).hours);
});

test.run();
