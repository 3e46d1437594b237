/**
 * What the engine's wait adds in Deno: `npm run build && npx deno run -A --no-check test/bench/denoWait.mjs`. A small program
 * runs, and its values are read, by the engine and with plain awaits, in turn; prints medians and their ratio.
 */
import { blur, createEngine } from '../../dist/engine/index.js';

const TURNS = 100;

const device = await (await navigator.gpu.requestAdapter()).requestDevice();
const engine = createEngine(device);
const g = engine.graph();
const program = await engine.compile({ y: blur(g.input('x', [1, 3, 64, 64]), g.input('draw', [2])) });
program.write('draw', [1, 2]);

async function ofTheEngine() {
  program.run();
  return program.read('y');
}

/** The same commands: one pass, a copy, a map. */
async function plain() {
  const { buffer, offset, size } = program.buffer('y');
  const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
  const target = device.createBuffer({ size, usage });
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  program.encode(pass);
  pass.end();
  encoder.copyBufferToBuffer(buffer, offset, target, 0, size);
  device.queue.submit([encoder.finish()]);
  await target.mapAsync(GPUMapMode.READ);
  const values = new Float32Array(target.getMappedRange().slice(0));
  target.destroy();
  return values;
}

const ways = { engine: ofTheEngine, plain };
const times = { engine: [], plain: [] };
for (let turn = 0; turn < TURNS; turn++) {
  for (const [name, way] of Object.entries(ways)) {
    const start = performance.now();
    await way();
    times[name].push(performance.now() - start);
  }
}
const median = (list) => list.sort((a, b) => a - b)[TURNS >> 1];
const [own, bare] = [median(times.engine), median(times.plain)];
console.log(`engine ${own.toFixed(2)} ms, plain awaits ${bare.toFixed(2)} ms, ratio ${(own / bare).toFixed(2)}`);
Deno.exit(0);
