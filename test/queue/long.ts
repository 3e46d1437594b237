/** What takes long around a queue: `npm run faults -- queue` runs these tests after its batches. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { temporaryFile } from '../helpers/pictures.js';
import { configOf } from '../helpers/runs.js';
import { scene, sceneBehindProxy, withRedis } from './scene.js';
import { collected, firstSave } from './workers.js';

withRedis('termination at the last step ends the worker, whether the job is done or handed back', async () => {
  const { options, places, worker, assertAll, end } = await scene(1);
  await collected(options, places, true);
  const last = await worker({}, { TERM: 29, STEP_MS: 20 });
  assert.is((await last.ended).code, 130);
  if (!last.text().includes('pair 1: done')) await worker();
  await assertAll();
  await end();
});

withRedis('clocks that differ by minutes lose nothing', async () => {
  const { redis, options, places, worker, assertAll, end } = await scene(2);
  await collected(options, places, true);
  const shifted = (minutes: number): string[] => {
    const code = `const now = Date.now, Real = Date; globalThis.Date = class extends Real {
      constructor(...a) { a.length > 0 ? super(...a) : super(now() + ${60_000 * minutes}); }
      static now() { return now() + ${60_000 * minutes}; }
    };`;
    return ['--import', pathToFileURL(temporaryFile('clock.mjs', code)).href];
  };
  const early = await worker({}, { STEP_MS: 40 }, {}, shifted(-10));
  await firstSave(redis);
  early.child.kill('SIGKILL');
  await worker({}, {}, {}, shifted(10));
  await assertAll();
  await end();
});

withRedis('a process that crashes is tried three times, and its log kept', async () => {
  const { out, options, places, worker, end } = await scene(1);
  await collected(options, places, true);
  await worker({}, { CRASH: 3 });
  const { code, summary: { results } } = await collected(options, places);
  assert.is(code, 1);
  assert.match(results[0].error, /^the process on \S+ ended with SIGKILL; "splice-gpu queue retry" tries it again$/);
  assert.match(readFileSync(join(out, 'pair 1/worker.log'), 'utf8'), /try 3\n[^]*ended with SIGKILL\n$/);
  assert.not.ok(existsSync(join(out, 'pair 1/config.json')));
  await end();
});

withRedis('a worker without Redis for 60 s goes on training, and delivers afterwards', async () => {
  const { redis, out, options, places, worker, assertAll, end, cut, heal } = await sceneBehindProxy(1);
  await collected(options, places, true);
  const alone = await worker({ lease: 120, patience: 600 }, { STEP_MS: 1000 });
  await firstSave(redis);
  cut();
  await sleep(60_000); // the training ends within
  assert.is(alone.child.exitCode, null);
  heal();
  await assertAll();
  const { resumed, madeBy } = configOf(join(out, 'pair 1'));
  assert.equal([resumed, madeBy.workers.length], [undefined, 1]);
  await end();
});

test.run();
