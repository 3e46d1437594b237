/** The kernels that a device gets. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { traitsOf, tuningFor } from '../../engine/index.js';

function device(adapterInfo: object, features: readonly string[] = ['subgroups']): GPUDevice {
  const limits = { maxComputeInvocationsPerWorkgroup: 256 };
  return { adapterInfo, features: new Set(features), limits } as unknown as GPUDevice;
}
const tuningOf = (info: object, features?: readonly string[]) => tuningFor(traitsOf(device(info, features)));

test('a processor that Mesa drives gets subgroups of any size and the queue', () => {
  for (const lanes of [4, 8, 16]) {
    const info = { vendor: 'mesa', device: `llvmpipe, ${32 * lanes} bits`, subgroupMinSize: lanes, subgroupMaxSize: lanes };
    const { name, subgroupSize, queue } = tuningOf(info);
    assert.equal({ name, subgroupSize, queue }, { name: 'software', subgroupSize: lanes, queue: true });
  }
});

test('SwiftShader, and a fallback adapter that is not known, get kernels without subgroups', () => {
  for (const names of [{ device: 'SwiftShader Device (Subzero)' }, { device: 'new', isFallbackAdapter: true }]) {
    const { name, subgroupSize, queue } = tuningOf({ ...names, subgroupMinSize: 4, subgroupMaxSize: 4 });
    assert.equal({ name, subgroupSize, queue }, { name: 'software', subgroupSize: 0, queue: false });
  }
});

test('a GPU gets subgroups where all have one size and the feature is on', () => {
  const fixed = { vendor: 'nvidia', subgroupMinSize: 32, subgroupMaxSize: 32 };
  assert.is(tuningOf(fixed).subgroupSize, 32);
  assert.is(tuningOf(fixed, []).subgroupSize, 0);
  assert.is(tuningOf({ vendor: 'amd', subgroupMinSize: 32, subgroupMaxSize: 64 }).subgroupSize, 0);
  assert.is(tuningOf(fixed).name, 'gpu');
});

test.run();
