/** A ViT in float16 on matrix units, in software, next to the same in f32: values, and the gradient of the picture. */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  add, createEngine, gradients, mul, plainTuning, scale, sum, type Engine, type KernelVariant,
} from '../../engine/index.js';
import { openCheckpoint } from '../../model/files/read.js';
import { vitFromStored } from '../../model/vit/checkpoint.js';
import type { VitModel } from '../../model/vit/config.js';
import { uploadVit, vitFeatures } from '../../model/vit/vit.js';
import { relativeError } from '../helpers/check.js';
import { dataFile } from '../helpers/data.js';
import { testDevice, testEngine } from '../helpers/device.js';
import { testImage } from '../helpers/golden.js';
import { formulaVit } from '../helpers/models.js';
import { draws, random } from '../helpers/random.js';
import { softwareUnitKernels } from '../helpers/softwareUnits.js';

const gpu = { name: 'gpu', software: false, queue: false, workgroupSize: 256, subgroupSize: 0 };
const units = { type: 'f16', M: 16, N: 16, K: 16, lanes: 32, pinned: false } as const;

/** Keys, CLS and the gradient of the picture of `side` pixels, of a sum of theirs that is as small as a loss makes gradients. */
async function features(engine: Engine, vit: VitModel, side: number): Promise<Record<'keys' | 'cls' | 'dx', Float32Array>> {
  const g = engine.graph();
  uploadVit(engine, vit);
  const x = g.input('x', [1, 3, side, side]);
  const { keys, cls } = vitFeatures(g, vit, x);
  const weighted = [keys, cls].map((t, i) =>
    sum(mul(t, g.constant(draws(t.shape.reduce((a, b) => a * b), random(i + 1)), t.shape))));
  const [dx] = gradients(scale(add(weighted[0]!, weighted[1]!), 1e-7), [x]);
  const program = await engine.compile({ keys, cls, dx: dx! });
  program.write(x, testImage('units', side, side));
  program.run();
  const [a, b, c] = [await program.read('keys'), await program.read('cls'), await program.read('dx')];
  const onUnits = program.launches.filter(({ kernel }) => kernel.code.includes('unit_lane')).length;
  assert.is(onUnits > 0, vit.precision === 'f16', 'only float16 takes the matrix units');
  program.destroy();
  return { keys: a, cls: b, dx: c };
}

/** Plain loops compile soonest. */
const withoutUnits: KernelVariant = (node) => node.op.kernel!(node, plainTuning);
/** Attention of heads of 64 in software takes a minute to compile, so only SHOW=1 has it. */
const linearOnly = { ...softwareUnitKernels, attention: withoutUnits, attentionBackwardParts: withoutUnits };

async function checkNear(vit: VitModel, side: number, kernels = softwareUnitKernels): Promise<void> {
  const engine = createEngine(await testDevice(), { tuning: { ...gpu, units }, kernels, poison: true });
  const right = await features(await testEngine(), vit, side);
  const found = await features(engine, { ...vit, precision: 'f16' }, side);
  for (const name of ['keys', 'cls', 'dx'] as const) {
    const error = relativeError(found[name], right[name]);
    assert.ok(error <= 2e-2, `${name} differs by ${error.toExponential(2)}`);
    if (process.env['SHOW']) console.log(`${vit.name} ${name}: ${error.toExponential(2)}`);
  }
  engine.destroy();
}

test('a formula ViT on matrix units is within 2e-2 of f32', () => checkNear(formulaVit('probe8', 'units'), 32));

const path = dataFile('weights/vit_tiny_patch16_224.augreg.safetensors');
if (path) {
  test('ViT-Tiny (AugReg) on matrix units is within 2e-2 of f32', () =>
    checkNear(vitFromStored('vit_tiny', openCheckpoint(readFileSync(path))), 96,
      process.env['SHOW'] ? softwareUnitKernels : linearOnly));
}

test.run();
