/** The examples of engine/README.md that are not three.js's: an op on a caller's buffer, and Deno. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { mesaSettings } from '../../cli/gpu/mesa.js';
import * as engineRoom from '../../engine/index.js';
import { openDevice } from '../helpers/device.js';
import { temporaryFile } from '../helpers/pictures.js';
import { root } from '../helpers/sources.js';
import { example } from './examples.js';
import { denoScript } from './places.js';

test("an op on a caller's buffer", async () => {
  const device = await openDevice();
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const [theirs, result] = [1, 2].map(() => device.createBuffer({ size: 4096, usage }));
  device.queue.writeBuffer(theirs!, 0, Float32Array.from({ length: 1024 }, (_, i) => (i % 256 === 7 ? Math.log(255) : 0)));
  const body = example("An op on a caller's buffer").replace(/^import (\{.*\}) from .*$/m, 'const $1 = room;');
  const program = new Function('room', 'device', 'theirs', 'result', `return (async () => {${body}})()`);
  await program(engineRoom, device, theirs, result);
  const back = device.createBuffer({ size: 4096, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(result!, 0, back, 0, 4096);
  device.queue.submit([encoder.finish()]);
  await back.mapAsync(GPUMapMode.READ);
  const values = [...new Float32Array(back.getMappedRange())];
  assert.ok(values.every((value, i) => Math.abs(value - (i % 256 === 7 ? 0.5 : 0.5 / 255)) < 1e-6), `${values.slice(0, 9)}`);
});

const deno = denoScript();
if (deno !== undefined) {
  test('in Deno', async () => {
    const code = example('In Deno').replace('npm:splice-gpu-engine', `file://${join(root, 'dist/engine/index.js')}`);
    const args = [deno, 'run', '-A', '--no-check', '--quiet', '--node-modules-dir=manual', temporaryFile('example.mjs', code)];
    const env = { ...process.env, ...mesaSettings(), NO_COLOR: '1' };
    const { stdout } = await promisify(execFile)(process.execPath, args, { env });
    assert.match(stdout, /Float32Array\(4\) \[ 4, 5, 10, 11 \]/);
  });
}

test.run();
