/**
 * The same operations through other WebGPU engines on the same adapter, in turn, in one run, after a check of their numbers:
 *
 *     node test/bench/peers/run.mjs [--only WORD] [--samples 5] [--json]
 *
 * The first run installs TensorFlow.js, jax-js and ONNX Runtime into a cache folder (SPLICE_GPU_CACHE moves it); `npm ci` never
 * does. Each engine is a process of its own with the same driver settings, and one works at a time. A sample is a batch of runs
 * of at least 100 ms. The first two samples do not count; medians are shown.
 */
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { OPERATIONS } from './common.mjs';

const PACKAGES = {
  '@tensorflow/tfjs': '4.22.0', '@tensorflow/tfjs-backend-webgpu': '4.22.0', '@jax-js/jax': '0.1.25',
  'onnxruntime-node': '1.30.0', webgpu: '0.6.2',
};
const ENGINES = ['splice', 'tfjs', 'jax', 'ort'];
/** An engine with a larger error in any number is not compared. */
const MOST_ERROR = 1e-3;
const BATCH_MS = 100;
const MOST_RUNS = 64;
/** Batches before the first that counts: drivers compile late, and engines adapt how long they wait. */
const WARM_UP = 2;

const here = fileURLToPath(new URL('.', import.meta.url));
const root = fileURLToPath(new URL('../../../', import.meta.url));
const cache = process.env.SPLICE_GPU_CACHE || process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
const folder = join(cache, 'splice-gpu', 'peers');
const text = (value) => ({ type: 'string', default: value });
const { values } = parseArgs({ options: { only: text(''), samples: text('5'), json: { type: 'boolean', default: false } } });
const samples = Number(values.samples);
if (!Number.isInteger(samples) || samples < 1) fail('--samples takes a whole number from 1');

function fail(message) {
  process.stderr.write(`peers: ${message}\n`);
  process.exit(1);
}

function install() {
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(here)) if (name.endsWith('.mjs')) cpSync(join(here, name), join(folder, name));
  const manifest = JSON.stringify({ private: true, type: 'module', dependencies: PACKAGES });
  writeFileSync(join(folder, 'package.json'), manifest);
  if (Object.keys(PACKAGES).every((name) => existsSync(join(folder, 'node_modules', name, 'package.json')))) return;
  // ONNX Runtime's install script would fetch CUDA libraries, which its WebGPU provider does not need.
  process.stderr.write(`installing ${Object.keys(PACKAGES).join(', ')} into ${folder} ...\n`);
  const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const shell = process.platform === 'win32';
  const { status } = spawnSync('npm', args, { cwd: folder, stdio: ['ignore', 'inherit', 'inherit'], shell });
  if (status !== 0) fail('npm install failed, see above');
}

/** A child process that answers one question at a time. */
async function start(name) {
  const { mesaSettings } = await import(new URL('../../../dist/cli/gpu/mesa.js', import.meta.url).href);
  const env = { ...process.env, ...mesaSettings(), SPLICE_GPU_DIST: join(root, 'dist') };
  const stdio = ['pipe', 'pipe', process.env.DEBUG ? 'inherit' : 'ignore'];
  const child = spawn(process.execPath, [join(folder, `${name}.mjs`)], { cwd: folder, env, stdio });
  let take;
  createInterface({ input: child.stdout }).on('line', (line) => line.startsWith('@') && take?.(JSON.parse(line.slice(1))));
  child.on('exit', () => take?.({ failed: 'its process ended' }));
  child.stdin.on('error', () => undefined); // the process ended, which `exit` reports
  const next = () => new Promise((resolve) => (take = resolve));
  const hello = await next();
  const ask = async (question) => {
    if (child.exitCode !== null || hello.failed) return { failed: 'its process ended' };
    const answer = next();
    child.stdin.write(`${JSON.stringify(question)}\n`);
    return answer;
  };
  return { name, engine: hello.engine ?? name, ask, stop: () => child.kill() };
}

const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];

/** One operation on all engines, in turn. */
async function measure({ name, flops }, engines) {
  const found = [];
  for (const { name: engine, ask } of engines) {
    const first = await ask({ name, runs: 1 });
    const wrong = first.error !== undefined && first.error !== null && !(first.error <= MOST_ERROR);
    const problem = first.missing ? 'none' : (first.failed ?? (wrong ? `wrong by ${first.error.toExponential(1)}` : undefined));
    const once = problem ? undefined : await ask({ name, runs: 1 });
    const runs = once && Math.max(1, Math.min(MOST_RUNS, Math.ceil(BATCH_MS / once.ms)));
    found.push({ engine, ask, problem, runs, times: [] });
  }
  for (let i = -WARM_UP; i < samples; i++) {
    for (const f of found.filter(({ problem }) => !problem)) {
      const { ms } = await f.ask({ name, runs: f.runs });
      if (i >= 0) f.times.push(ms);
    }
  }
  const ms = Object.fromEntries(found.map((f) => [f.engine, f.problem ? f.problem : median(f.times)]));
  const peers = found.filter((f) => f.engine !== 'splice' && !f.problem).map((f) => ms[f.engine]);
  const fastest = peers.length > 0 ? Math.min(...peers) : undefined;
  const ratio = typeof ms.splice === 'number' && fastest !== undefined ? fastest / ms.splice : undefined;
  return { name, ms, ratio, gflops: flops && typeof ms.splice === 'number' ? flops / ms.splice / 1e6 : undefined };
}

install();
if (!existsSync(join(root, 'dist/engine/index.js'))) fail('build first: npm run build');
const engines = [];
for (const name of ENGINES) engines.push(await start(name));
process.stderr.write(`${engines.map(({ engine }) => engine).join(', ')}\n`);
const rows = [];
for (const operation of OPERATIONS.filter(({ name }) => name.includes(values.only))) {
  rows.push(await measure(operation, engines));
  process.stderr.write(`${JSON.stringify(rows.at(-1))}\n`);
}
for (const { stop } of engines) stop();

const show = (value) => (typeof value === 'number' ? value.toFixed(value < 10 ? 2 : 0) : (value ?? ''));
const ratios = rows.map(({ ratio }) => ratio).filter((ratio) => ratio !== undefined);
if (values.json) {
  console.log(JSON.stringify({ engines: engines.map(({ engine }) => engine), samples, rows }));
} else {
  const row = (...cells) => console.log(`| ${cells.join(' | ')} |`);
  row('median ms', ...ENGINES, 'splice GFLOP/s', 'fastest peer / splice');
  row('---', ...ENGINES.map(() => '---:'), '---:', '---:');
  for (const { name, ms, gflops, ratio } of rows) {
    row(name, ...ENGINES.map((engine) => show(ms[engine])), show(gflops), ratio === undefined ? '' : `${ratio.toFixed(1)}x`);
  }
  if (ratios.length > 0) console.log(`\nmedian ratio ${median(ratios).toFixed(1)}, lowest ${Math.min(...ratios).toFixed(1)}`);
}
process.exit(0);
