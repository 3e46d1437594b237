/** The GPUs that kernels are compiled for, by their compilers' names. */
import { unitsTarget } from '../../../cli/bench/compiled.js';
import type { Traits } from './kernels.js';

export interface Target extends Traits {
  readonly name: string;
  /** The compiler's name of the GPU, if it is not the target's: with matrix units a GPU is a target of its own. */
  readonly family?: string;
  readonly compiler: 'nvcc' | 'radv';
}

const amd = (name: string, least: number): Target => ({ name, compiler: 'radv', vendor: 'amd', lanes: [least, 64] });

/** What NVIDIA's and AMD's drivers name first among those with sums of f32. */
const units = [{ componentType: 'f16', resultComponentType: 'f32', M: 16, N: 16, K: 16 }];
const withUnits = (target: Target): Target => ({ ...target, name: unitsTarget(target.name), family: target.name, units });

export const targets: readonly Target[] = [
  { name: 'sm_90', compiler: 'nvcc', vendor: 'nvidia', lanes: [32, 32] },
  withUnits({ name: 'sm_90', compiler: 'nvcc', vendor: 'nvidia', lanes: [32, 32] }), withUnits(amd('navi31', 32)),
  amd('vega10', 64), amd('mi200', 64), amd('navi10', 32), amd('navi21', 32), amd('navi31', 32), amd('gfx1201', 32),
];
