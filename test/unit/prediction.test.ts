/** The model of predicted times: what it must do whatever its constants are. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  gpus, keyOf, peakOf, predict, roofMs, shareOf, threadsOf, type Compiled, type LaunchFacts, type Loop,
} from '../../cli/bench/prediction.js';

const h100 = gpus.find(({ name }) => name.includes('H100'))!;
const loopOf = (values: Partial<Loop>): Loop =>
  ({ all: 0, fma: 0, wide: 0, half: 0, single: 0, stores: 0, global: 0, special: 0, shuffles: 0, barriers: 0, ...values });
const around = loopOf({});
const compiled = (loop: Partial<Loop>, rest: Partial<Compiled> = {}): Compiled => ({
  registers: 64, spills: 0, scratch: 0, shared: 8192, waves: 8, instructions: 500, loads: 16,
  loops: [loopOf(loop)], around, ...rest,
});
const launch = (values: Partial<LaunchFacts>): LaunchFacts =>
  ({ key: 'k', op: 'matmul', part: 'rest', groups: 1320, threads: 256, flops: 0, bytes: 0, ...values });

test("the peaks are the makers'", () => {
  const tflops = Object.fromEntries(gpus.map((gpu) => [gpu.name, Math.round(peakOf(gpu) / 100) / 10]));
  assert.is(tflops['NVIDIA H100 SXM'], 66.9);
  assert.is(tflops['NVIDIA RTX 4090'], 82.6);
  assert.is(tflops['AMD RX 7900 XTX'], 61.4);
  assert.is(tflops['AMD Instinct MI210'], 22.6);
});

test('the share of the peak comes from the loop: its other instructions, then its loads from workgroup memory', () => {
  const share = (loop: Partial<Loop>, waves = 8): number => shareOf(compiled(loop), h100, waves)!;
  assert.is(share({ all: 256, fma: 256 }), 1);
  assert.is(share({ all: 512, fma: 256 }), 0.5);
  assert.is(share({ all: 280, fma: 256, wide: 16 }).toFixed(3), (256 / 280).toFixed(3)); // 16 a load: not the limit
  assert.is(share({ all: 290, fma: 256, wide: 32 }), 0.5); // 8 a load: 32 loads take 512 clocks
  assert.ok(share({ all: 280, fma: 256, barriers: 2, wide: 8 }, 0.5) < share({ all: 280, fma: 256, barriers: 2, wide: 8 }, 8));
  assert.is(shareOf(compiled({}, { loops: [] }), h100, 8), undefined);
});

test('matrix units have a peak of their own, and wait for the cache', () => {
  const loop = { all: 100, units: 1024, wide: 6 };
  const share = shareOf(compiled(loop), h100, 8)!;
  assert.is((share * peakOf(h100) / 1000).toFixed(0), h100.unitTflops!.toFixed(0), 'the units are busiest');
  const ms = (loads: number): number =>
    predict(launch({ flops: 1e12 }), compiled({ ...loop, global: 4 }, { loads }), h100).best;
  assert.is(ms(8).toFixed(3), (1000 / h100.unitTflops!).toFixed(3));
  assert.is((ms(512) / ms(256)).toFixed(2), '2.00');
});

test('a prediction lies between its ends, and neither is faster than the roof or a launch', () => {
  const few = { groups: 3, flops: 1e8, bytes: 1e6 };
  for (const facts of [launch({ flops: 1e10, bytes: 1e7 }), launch({ bytes: 1e8 }), launch(few), launch({})]) {
    for (const gpu of gpus) {
      const { ms, best, worst } = predict(facts, compiled({ all: 300, fma: 256, wide: 16 }), gpu);
      assert.ok(best <= ms && ms <= worst && best >= roofMs(facts, gpu) && best >= 2e-3, `${gpu.name} ${JSON.stringify(facts)}`);
    }
  }
});

test('few workgroups leave units idle, and few loads leave memory waiting', () => {
  const fast = compiled({ all: 256, fma: 256 });
  const work = { flops: 1.32e10, bytes: 1e6 };
  const full = predict(launch({ ...work, groups: 1320 }), fast, h100).best;
  assert.is((predict(launch({ ...work, groups: 66 }), fast, h100).best / full).toFixed(2), '2.00');
  const copy = (loads: number, groups: number): number =>
    predict(launch({ bytes: 1e9, groups }), compiled({}, { loops: [], loads, instructions: 40 }), h100).best;
  assert.ok(copy(4, 100) > 2 * copy(16, 100));
  assert.is(copy(64, 1e5).toFixed(3), (1e9 / (0.9 * h100.gbPerSecond) / 1e6).toFixed(3));
});

test('threads of a workgroup and keys of kernels', () => {
  assert.is(threadsOf({ code: '@compute @workgroup_size(WG)', constants: { WG: 96 } }), 96);
  assert.is(threadsOf({ code: '@compute @workgroup_size(8, 16u)' }), 128);
  assert.not.equal(keyOf({ code: 'a', constants: { K: 1 } }), keyOf({ code: 'a', constants: { K: 2 } }));
  assert.is(keyOf({ code: 'a', constants: { K: 1 } }), keyOf({ code: 'a', constants: { K: 1 } }));
});

test.run();
