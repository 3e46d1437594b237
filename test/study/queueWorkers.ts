/**
 * How a queue's work divides: the same pairs by one, two and three workers of this machine.
 *
 *     node dist/test/study/queueWorkers.js [pairs=12] [stepMs=200]
 *
 * A step waits and computes nothing, so that the workers do not share what they would have on machines of their own.
 */
import { join } from 'node:path';
import { temporaryFolder } from '../helpers/pictures.js';
import { redisServer } from '../helpers/redisServer.js';
import { collected, inputs, pairsOf, placesFor, startWorker, workOptions } from '../queue/workers.js';

const given = (name: string, otherwise: number): number =>
  Number(process.argv.find((word) => word.startsWith(`${name}=`))?.slice(name.length + 1) ?? otherwise);
const [count, stepMs] = [given('pairs', 12), given('stepMs', 200)];

let alone = NaN;
for (const machines of [1, 2, 3]) {
  const redis = await redisServer();
  const places = placesFor(redis.url);
  const workers = Array.from({ length: machines }, () => startWorker(workOptions(places), { STEP_MS: stepMs }));
  for (const worker of workers) await worker.until(/takes jobs/);
  const began = performance.now();
  const { summary } = await collected(pairsOf(await inputs(), join(temporaryFolder(), 'out'), count), places);
  const seconds = (performance.now() - began) / 1000;
  if (machines === 1) alone = seconds;
  const gain = (alone / seconds).toFixed(2);
  console.log(`${machines} workers: ${summary.done} of ${count} pairs in ${seconds.toFixed(1)} s, ${gain} times as fast`);
  for (const { child } of workers) child.kill('SIGKILL');
  await redis.kill();
}
process.exit();
