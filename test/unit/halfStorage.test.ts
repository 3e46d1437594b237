/** Kernels rewritten for tensors in half precision. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { halfStorage } from '../../shaders/halfStorage.js';

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
    .replace('= x[u32(index[x[1].x])] * 2 + vec4f(index[i]);', '= vec4h(vec4f(x[u32(index[vec4f(x[1]).x])]) * 2 + vec4f(index[i]));')}`);
  assert.match(halfStorage(kernel, [2]), 'y[u32(f32(index[i]))] = x[u32(f32(index[x[1].x]))] * 2 + vec4f(f32(index[i]));');
});

test('a kernel that is written in another way is refused', () => {
  assert.throws(() => halfStorage(kernel, [0]), /binding 0 is no array of floats/);
  assert.throws(() => halfStorage(kernel.replace('y[u32(index[i])] =', 'y[0].x ='), [3]), /y is written in part/);
  assert.throws(() => halfStorage(kernel.replace('y[u32(index[i])] =', 'y[0] +='), [3]), /y is written in part/);
});

test.run();
