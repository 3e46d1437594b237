/**
 * Compares training steps of several builds, or of one build under several settings, on a machine whose speed changes by the
 * minute: all programs stay open and make two steps in turn, so that a slow minute slows all of them.
 *
 *     node test/bench/inTurn.mjs dist ../before/dist dist,LP_NUM_THREADS=4 [--model vit-tiny-16] [--size 128] [--seconds 120]
 *
 * A build is the folder `dist` of a checkout, then environment variables after commas. Each is compared with the first.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const STEPS_PER_TURN = 2;

const load = (dist, path) => import(pathToFileURL(resolve(dist, path)).href);

/** In a process of its own: opens a build, and for each message makes steps and sends milliseconds per step. */
async function stepper(dist, model, size) {
  const [{ openDevice }, { createEngine }] = [await load(dist, 'cli/gpu/device.js'), await load(dist, 'engine/index.js')];
  const { stepOutputs } = await load(dist, 'cli/bench/step.js');
  if (!stepOutputs) throw new Error('the build is older than this comparison, which needs its stepOutputs');
  const engine = createEngine((await openDevice()).device);
  const setting = { recipe: 'splice', model, size, vitSize: 224, checkpointing: false, precision: 'f32' };
  const outputs = await stepOutputs(setting, engine);
  const program = await engine.compile(outputs(size));
  const steps = async () => {
    const start = performance.now();
    for (let i = 0; i < STEPS_PER_TURN; i++) {
      program.run();
      await engine.sync();
    }
    return (performance.now() - start) / STEPS_PER_TURN;
  };
  await steps();
  process.on('disconnect', () => process.exit()); // Dawn keeps Node alive
  process.on('message', async () => process.send(await steps()));
  process.send('ready');
}

/** A stepper in its process: `steps()` returns milliseconds per step. @throws Error with its last line when it ends */
async function open(build, { model, size }) {
  const [dist, ...settings] = build.split(',');
  const isBuild = existsSync(resolve(dist, 'cli/bench/step.js'));
  if (!isBuild) throw new Error(`${dist} is not a build: give the folder dist of a checkout after npm run build`);
  const env = { ...process.env, ...Object.fromEntries(settings.map((setting) => setting.split('='))) };
  const args = ['--stepper', dist, '--model', model, '--size', size];
  const child = fork(fileURLToPath(import.meta.url), args, { env, stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
  let stderr = '';
  child.stderr.on('data', (data) => (stderr += data));
  const ended = once(child, 'close').then(() => {
    throw new Error(`${build} does not run: ${stderr.trim().split('\n').at(-1)}`);
  });
  const answer = async () => (await Promise.race([once(child, 'message'), ended]))[0];
  await answer();
  const steps = () => {
    child.send('go');
    return answer();
  };
  return { build, steps, times: [] };
}

async function compare(builds, options) {
  const wrong = ['size', 'seconds'].find((name) => !(Number(options[name]) > 0));
  if (wrong) throw new Error(`--${wrong} ${options[wrong]} is not a number above 0`);
  const opened = [];
  for (const build of builds) opened.push(await open(build, options));
  const { median } = await load(builds[0].split(',')[0], 'engine/index.js');
  const end = performance.now() + 1000 * options.seconds;
  do for (const { steps, times } of opened) times.push(await steps());
  while (performance.now() < end);
  const [width, first] = [Math.max(...builds.map((build) => build.length), 'ms per step'.length), opened[0].times];
  console.log(`${'ms per step'.padEnd(width)}   median    least   times as fast as the first (median of ${first.length} turns)`);
  for (const { build, times } of opened) {
    const ratio = median(times.map((ms, turn) => first[turn] / ms));
    const [middle, least] = [median(times), Math.min(...times)].map((ms) => ms.toFixed(0).padStart(8));
    console.log(`${build.padEnd(width)} ${middle} ${least} ${ratio.toFixed(2).padStart(7)}`);
  }
}

const text = (value) => ({ type: 'string', default: value });
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { stepper: { type: 'string' }, model: text('vit-tiny-16'), size: text('128'), seconds: text('120') },
});
try {
  if (values.stepper) await stepper(values.stepper, values.model, Number(values.size));
  else if (positionals.length === 0) throw new Error('name the builds to compare, such as: dist ../before/dist');
  else {
    await compare(positionals, values);
    process.exit(0);
  }
} catch (error) {
  process.stderr.write(`inTurn: ${error.message}\n`);
  process.exit(1);
}
