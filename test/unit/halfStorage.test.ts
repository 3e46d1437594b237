/** Kernels rewritten for tensors in half precision. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Graph, schedule, tuningFor } from '../../engine/index.js';
import { halfStorage } from '../../shaders/rewrite/halfStorage.js';
import { cropsStep, settingOf } from '../../cli/bench/setting.js';
import { formulaVit } from '../helpers/models.js';

const kernel = `enable subgroups;
alias item = vec4f;
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> x: array<item>;          // [N]
@group(0) @binding(2) var<storage, read> index: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<item>;  // [N]
fn main() {
  let xx = max_x[0];
  y[u32(index[i])] = x[u32(index[x[1].x])] * 2 + vec4f(index[i]);
}`;

test('loads are widened and stores rounded, of the chosen bindings alone', () => {
  assert.is(halfStorage(kernel, [1, 3]), `enable f16;
${kernel
    .replace('> x: array<item>', '> x: array<vec4h>')
    .replace('> y: array<item>', '> y: array<vec4h>')
    .replace(
      '= x[u32(index[x[1].x])] * 2 + vec4f(index[i]);',
      '= vec4h(vec4f(x[u32(index[vec4f(x[1]).x])]) * 2 + vec4f(index[i]));',
    )}`);
  assert.match(halfStorage(kernel, [2]), 'y[u32(f32(index[i]))] = x[u32(f32(index[x[1].x]))] * 2 + vec4f(f32(index[i]));');
});

test('a kernel that is written in another way is refused', () => {
  assert.throws(() => halfStorage(kernel, [0]), /binding 0 is not an array of floats/);
  assert.throws(() => halfStorage(kernel.replace('y[u32(index[i])] =', 'y[0].x ='), [3]), /y is written in part/);
  assert.throws(() => halfStorage(kernel.replace('y[u32(index[i])] =', 'y[0] +='), [3]), /y is written in part/);
});

test('every kernel of a training step can have its floats in half precision, on every class of device', () => {
  const photo = { width: 64, height: 64, data: new Float32Array() };
  const tunings = ['a GPU', 'llvmpipe'].flatMap((description) => [0, 8].map((subgroupSize) =>
    tuningFor({ description, isFallback: false, subgroupSize, maxInvocations: 256 })));
  const storages = /@binding\((\d+)\) var<storage, \w+> \w+: array<(f32|vec4f|item|V)>/g;
  for (const recipe of ['splice', 'splice-transfer'] as const) {
    const options = { recipe, size: 64, vitSize: 32, checkpointing: false, precision: 'f32' } as const;
    const setting = settingOf(options, formulaVit('probe8', 'v'), photo, photo);
    const { launches } = schedule(Object.values(cropsStep(new Graph(), 64, 64, setting)));
    // Overwritten tensors are parameters of optimisers, which are f32.
    for (const node of launches.filter(({ op }) => !op.inPlace)) {
      for (const tuning of tunings) {
        const { code } = node.op.kernel!(node, tuning);
        const floats = [...code.matchAll(storages)].map(([, binding]) => Number(binding));
        assert.ok(floats.length > 0);
        assert.not.throws(() => halfStorage(code, floats), `${node.op.name} on ${tuning.name}`);
      }
    }
  }
});

test.run();
