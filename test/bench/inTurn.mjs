/**
 * Training steps of several builds, or of one under several settings, on a machine whose speed changes by the minute: all programs stay open and make
 * two steps in turn, so that what slows one down slows them all.
 *
 *     node test/bench/inTurn.mjs dist ../before/dist dist,LP_NUM_THREADS=4 [--model vit-tiny-16] [--size 128] [--seconds 120]
 *
 * A build is the folder `dist` of a checkout, with environment variables behind commas. Each is compared with the first one named.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const STEPS_PER_TURN = 2;

const load = (dist, path) => import(pathToFileURL(resolve(dist, path)).href);

/** In a process of its own: opens a build, and makes steps whenever it is asked to. Answers with milliseconds per step. */
async function stepper(dist, model, size) {
  const [{ openDevice }, { createEngine }] = [await load(dist, 'cli/gpu/device.js'), await load(dist, 'engine/index.js')];
  const { stepOutputs } = await load(dist, 'cli/bench/step.js');
  if (!stepOutputs) throw new Error('the build is older than this comparison, which needs its stepOutputs');
  const engine = createEngine((await openDevice()).device);
  const outputs = await stepOutputs({ recipe: 'splice', model, size, vitSize: 224, checkpointing: false, precision: 'f32' }, engine);
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

/** A stepper: `steps()` answers with what `stepper` measured. @throws Error with its last words when it ends */
async function open(build, { model, size }) {
  const [dist, ...settings] = build.split(',');
  if (!existsSync(resolve(dist, 'cli/bench/step.js'))) throw new Error(`${dist} is no build: give the folder dist of a checkout after npm run build`);
  const env = { ...process.env, ...Object.fromEntries(settings.map((setting) => setting.split('='))) };
  const child = fork(fileURLToPath(import.meta.url), ['--stepper', dist, '--model', model, '--size', size], { env, stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
  let words = '';
  child.stderr.on('data', (data) => (words += data));
  const ended = once(child, 'close').then(() => {
    throw new Error(`${build} does not run: ${words.trim().split('\n').at(-1)}`);
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
  for (const name of ['size', 'seconds']) if (!(Number(options[name]) > 0)) throw new Error(`--${name} ${options[name]} is no number above 0`);
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
    console.log(`${build.padEnd(width)} ${median(times).toFixed(0).padStart(8)} ${Math.min(...times).toFixed(0).padStart(8)} ${ratio.toFixed(2).padStart(7)}`);
  }
}

const text = (value) => ({ type: 'string', default: value });
const { values, positionals } = parseArgs({ allowPositionals: true, options: { stepper: { type: 'string' }, model: text('vit-tiny-16'), size: text('128'), seconds: text('120') } });
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
