/** Workgroups that are taken from a queue: the same numbers as without a queue, launch after launch. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  attention, batchnorm, createEngine, gradients, linear, sigmoid, traitsOf, type Kernel, type Tensor,
} from '../../engine/index.js';
import { workQueue } from '../../shaders/rewrite/workQueue.js';
import { cropsStep, settingOf } from '../../cli/bench/setting.js';
import { openDevice, testDevice } from '../helpers/device.js';
import { formulaVit } from '../helpers/models.js';

/** Writes x and its workgroup's position in the grid to every element. */
const positions = (lanes: number): string => `
struct Dims { N: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (group.z * groups.y + group.y) * groups.x + group.x;
  if (lane == 0u && index < dims.N) { y[index] = x[index] + f32(group.x + 10u * group.y + 100u * group.z); }
}
`;

const needsSubgroups = async (): Promise<number> => {
  const { subgroupSize } = traitsOf(await testDevice());
  if (!subgroupSize) console.log('skipped: this device has no subgroups of one size');
  return subgroupSize;
};

test('all workgroups of any grid run once, one or several at a time, in every launch', async () => {
  const lanes = await needsSubgroups();
  if (!lanes) return;
  for (const grid of [[5, 3, 2], [1, 1, 1], [64, 1, 1]] as const) {
    const N = grid[0] * grid[1] * grid[2];
    const position = Array.from({ length: N }, (_, i) => {
      const row = Math.floor(i / grid[0]);
      return (i % grid[0]) + 10 * (row % grid[1]) + 100 * Math.floor(row / grid[1]);
    });
    for (const workgroupsPerTurn of [1, 7, 100]) {
      const kernel: Kernel = { code: positions(lanes), dims: [N], workgroups: grid, workgroupsPerTurn };
      const engine = createEngine(await testDevice(), {
        tuning: { queue: true }, kernels: { sigmoid: () => kernel }, poison: true,
      });
      const g = engine.graph();
      const program = await engine.compile({ y: sigmoid(g.input('x', [N])) });
      assert.is.not(program.launches[0]!.kernel.code, kernel.code);
      for (const x of [1000, 2000, 3000]) { // a counter that is not 0 again would leave the last launch's numbers
        program.write('x', Array<number>(N).fill(x));
        program.run();
        assert.equal([...(await program.read('y'))], position.map((p) => p + x), `grid ${grid}, ${workgroupsPerTurn} at a time`);
      }
      program.destroy();
      engine.destroy();
    }
  }
});

test('with and without a queue every bit is the same', async () => {
  const lanes = await needsSubgroups();
  if (!lanes) return;
  const results = await Promise.all([true, false].map(async (queue) => {
    const engine = createEngine(await testDevice(), { tuning: { software: true, subgroupSize: lanes, queue } });
    const g = engine.graph();
    const value = (n: number): Float32Array => Float32Array.from({ length: n }, (_, i) => Math.sin(i * i));
    const x = g.input('x', [2, 70, 24]);
    const program = await engine.compile({ y: attention(linear(x, g.constant(value(72 * 24), [72, 24])), 3) });
    program.write('x', value(2 * 70 * 24));
    program.run();
    const y = await program.read('y');
    program.destroy();
    engine.destroy();
    return y;
  }));
  assert.equal(results[0], results[1]);
});

test('a kernel without a free binding on its device is launched without a queue', async () => {
  const lanes = await needsSubgroups();
  if (!lanes) return;
  const device = await openDevice({ small: true });
  const engine = createEngine(device, { tuning: { software: true, subgroupSize: lanes, queue: true } });
  const g = engine.graph();
  const [x, w, b] = [g.input('x', [1, 2, 1, 2]), g.input('w', [2]), g.input('b', [2])];
  const [dx, dw, db] = gradients(batchnorm(x, w, b, 0), [x, w, b], g.input('dy', [1, 2, 1, 2]));
  const program = await engine.compile({ dx: dx!, dw: dw!, db: db! });
  assert.equal(
    program.launches.map(({ node, kernel }) => [node.op.name, Boolean(kernel.workgroupsPerTurn)]),
    [['batchnorm', true], ['batchnormSmallBackward', false]],
  );
  const values = { x: [1, 3, 4, 2], w: [1, 1], b: [0, 0], dy: [1, 2, 3, 5] };
  for (const [name, value] of Object.entries(values)) program.write(name, value);
  program.run();
  assert.equal([...(await program.read('dw'))], [1, -2]); // normalised: -1, 1 and 1, -1
  assert.equal([...(await program.read('db'))], [3, 8]);
  device.destroy();
});

test("every kernel of a training step obeys WGSL's rules for subgroups, which are not checked in a queue", async () => {
  const lanes = await needsSubgroups();
  if (!lanes) return;
  const photo = { width: 64, height: 64, data: new Float32Array(3 * 64 * 64) };
  const engine = createEngine(await testDevice(), { tuning: { software: true, subgroupSize: lanes, queue: false } });
  const options = { recipe: 'splice', size: 64, vitSize: 32, checkpointing: false, precision: 'f32' } as const;
  const setting = settingOf(options, formulaVit('probe8', 'v'), photo, photo);
  const outputs: Record<string, Tensor> = cropsStep(engine.graph(), 64, 64, setting);
  const program = await engine.compile(outputs);
  assert.ok(program.launches.every(({ kernel }) => !kernel.code.includes('diagnostic')));
  assert.ok(program.launches.some(({ kernel }) => kernel.code.includes('subgroupBroadcast')));
  program.destroy();
  engine.destroy();
});

test('a kernel that is written in another way is refused', () => {
  assert.throws(() => workQueue('fn main() {}', 1, 1), /no dims, or another kind of entry point/);
  assert.throws(() => workQueue(positions(8).replace('struct Dims', 'struct Sizes'), 3, 1), /no dims/);
  const plain = positions(8).replace('@builtin(workgroup_id) group', 'group');
  assert.throws(() => workQueue(plain, 3, 1), /another kind of entry point/);
});

test.run();
