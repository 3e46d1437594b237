/** Ten optimiser steps of the whole method on fixed photos against PyTorch, both recipes. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { adamHyper, createEngine, type Tuning } from '../../engine/index.js';
import { flatten, layoutOf } from '../../model/generators/parameters.js';
import { defaultOptions, published, type RecipeName } from '../../model/method/options.js';
import { recipes } from '../../model/method/recipes.js';
import { names, resultGraph, stepGraph, type Setting } from '../../model/method/steps.js';
import { uploadVit } from '../../model/vit/vit.js';
import { relativeError } from '../helpers/check.js';
import { testDevice } from '../helpers/device.js';
import { golden, testImage } from '../helpers/golden.js';
import { formulaGenerator, formulaVit } from '../helpers/models.js';
import { roundings } from '../helpers/roundings.js';

interface Run {
  /** [4] per step. */
  readonly losses: Float32Array[];
  readonly picture: Float32Array;
}

async function run(file: string, recipe: RecipeName, params: string, tuning: Partial<Tuning>): Promise<Run> {
  const { tag, steps, lr, size } = golden(file).meta as { tag: string; steps: number; lr: number; size: number };
  const engine = createEngine(await testDevice(), { tuning, poison: true });
  const generator = recipes[recipe].generator();
  const layout = layoutOf(generator);
  const image = (name: string) => ({ width: size, height: size, data: testImage(`${tag}.${name}`, size, size) });
  const setting: Setting = {
    vit: formulaVit('probe8', tag, 0.5), generator, layout, structure: image('structure'), appearance: image('appearance'),
    options: { ...defaultOptions, ...published, recipe, vitSize: 32, antialias: false },
  };
  uploadVit(engine, setting.vit);
  engine.writeParameter(names.structure, [1, 3, size, size], setting.structure.data);
  engine.writeParameter(names.appearance, [1, 3, size, size], setting.appearance.data);
  engine.writeParameter(names.weights, [layout.size], flatten(layout, formulaGenerator(generator, `${tag}.${params}`)));
  for (const name of [names.momentum, names.variance]) engine.writeParameter(name, [layout.size], new Float32Array(layout.size));

  const step = await engine.compile(stepGraph(engine.graph(), { kind: 'uncropped' }, setting));
  step.write('lambdas', [1, 10, 1]);
  const losses: Float32Array[] = [];
  for (let i = 0; i < steps; i++) {
    step.write('hyper', adamHyper({ lr, betas: [0, 0.99], eps: 1e-8 }, i + 1));
    step.run();
    losses.push(await step.read('losses'));
  }
  const result = await engine.compile(resultGraph(engine.graph(), setting));
  result.run();
  const picture = await result.read('result');
  engine.destroy();
  return { losses, picture };
}

/**
 * The run must follow PyTorch to 2e-4 over the first three steps, and after that be within four times of what PyTorch's own
 * float32 run has been off by until then. A run parts from the exact one as soon as rounding moves an activation over its kink;
 * when that happens is luck (generators.golden.test.ts shows that nothing else does): in one of these two trajectories PyTorch's
 * own run parts by 2e-4 at the third step. So where this device's own run is too far away the nearest of several that round
 * differently counts.
 */
async function compare(file: string, recipe: RecipeName, params: string): Promise<void> {
  const runs: Run[] = [];
  let problem: string | undefined;
  for (const tuning of await roundings()) {
    runs.push(await run(file, recipe, params, tuning));
    problem = farthest(file, runs);
    if (problem === undefined) return;
  }
  assert.unreachable(problem);
}

/** The first step, or the final picture, at which all runs are too far from PyTorch's. */
function farthest(file: string, runs: readonly Run[]): string | undefined {
  const { meta, get } = golden(file);
  const own = meta['f32_err'] as { losses_per_step: number[]; final_output: number };
  const expected = get('losses').data;
  for (const i of own.losses_per_step.keys()) {
    const errors = runs.map(({ losses }) => relativeError(losses[i]!, expected.slice(4 * i, 4 * i + 4)));
    const tolerance = i < 3 ? 2e-4 : 4 * Math.max(...own.losses_per_step.slice(0, i + 1));
    const text = errors.map((e) => e.toExponential(1)).join(', ');
    if (Math.min(...errors) <= tolerance) continue;
    return `${file} step ${i}: relative errors ${text}, the nearest must be within ${tolerance.toExponential(1)}`;
  }
  const picture = Math.min(...runs.map((r) => relativeError(r.picture, get('final_output').data)));
  return picture <= 4 * own.final_output ? undefined : `${file} final picture: relative error ${picture}`;
}

test('trajectory of the splice recipe', () => compare('trajectory_skip', 'splice', 'skip'));
test('trajectory of the splice-transfer recipe', () => compare('trajectory_unet', 'splice-transfer', 'unet'));

test.run();
