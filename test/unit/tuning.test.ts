/** The kernels that a device gets. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { candidateTunings, deviceDescriptor, traitsOf, tuningFor, unitsOf } from '../../engine/index.js';

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
  assert.equal(['nvidia', 'amd'].map((vendor) => tuningOf({ ...fixed, vendor }).manySums), [true, undefined]);
});

const all = ['subgroups', 'shader-f16', 'subgroup-size-control', 'chromium-experimental-subgroup-matrix'];
const kind = (componentType: string, resultComponentType: string, M: number, N = M, K = M) =>
  ({ componentType, resultComponentType, M, N, K });
const nvidia = {
  vendor: 'nvidia', subgroupMinSize: 32, subgroupMaxSize: 32,
  subgroupMatrixConfigs: [kind('f16', 'f16', 16), kind('f16', 'f32', 16, 8), kind('f16', 'f32', 16), kind('u8', 'u32', 16)],
};
const apple = {
  vendor: 'apple', subgroupMinSize: 4, subgroupMaxSize: 64, subgroupMatrixConfigs: [kind('f32', 'f32', 8), kind('f16', 'f16', 8)],
};

test('matrix units are those with sums of f32, and of f16 rather than f32', () => {
  const units = (info: object, features = all) => unitsOf(device(info, features));
  assert.equal(units(nvidia), { type: 'f16', M: 16, N: 16, K: 16, lanes: 32, pinned: false });
  assert.equal(units({ ...nvidia, subgroupMaxSize: 64 }), { type: 'f16', M: 16, N: 16, K: 16, lanes: 32, pinned: true }, 'AMD');
  const intel = { subgroupMinSize: 16, subgroupMaxSize: 32, subgroupMatrixConfigs: [kind('f16', 'f32', 8, 16, 16)] };
  assert.equal(units(intel), { type: 'f16', M: 8, N: 16, K: 16, lanes: 16, pinned: true });
  const metal = all.filter((feature) => feature !== 'subgroup-size-control');
  assert.equal(units(apple, metal), { type: 'f32', M: 8, N: 8, K: 8, lanes: 32, pinned: false });
  assert.is(units({ ...nvidia, subgroupMaxSize: 64 }, metal), undefined, 'subgroups of no size that is known');
  for (const missing of ['subgroups', 'shader-f16', all[3]!]) {
    assert.is(units(nvidia, all.filter((feature) => feature !== missing)), undefined, missing);
  }
  assert.is(units({ ...nvidia, subgroupMatrixConfigs: [kind('f32', 'f32', 16)] }), undefined, 'none that the kernels can use');
});

test('a GPU with matrix units gets kernels on them, and has others to fall back on', () => {
  const tuning = tuningOf(nvidia, all);
  assert.is(tuning.units!.M, 16);
  assert.equal(candidateTunings(tuning)['without matrix units'], { units: undefined });
  assert.not(Object.hasOwn(candidateTunings(tuningOf(nvidia, ['subgroups'])), 'without matrix units'));
});

test('a device is opened with matrix units for float16 alone, unless they are exact', () => {
  const features = (info: object, use?: Parameters<typeof deviceDescriptor>[1]): boolean =>
    deviceDescriptor({ features: new Set(all), limits: {}, info } as unknown as GPUAdapter, use)
      .requiredFeatures.includes(all[3] as GPUFeatureName);
  assert.equal([undefined, 'f32', 'f16'].map((precision) => features(nvidia, { ...(precision && { precision }) } as object)),
    [false, false, true]);
  assert.not(features(nvidia, { precision: 'f16', units: false }));
  assert.equal([features(apple), features(apple, { units: false })], [true, false]);
});

test.run();
