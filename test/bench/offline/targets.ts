/** The GPUs that kernels are compiled for, by their compilers' names. */
import type { Traits } from './kernels.js';

export interface Target extends Traits {
  readonly name: string;
  readonly compiler: 'nvcc' | 'radv';
}

const amd = (name: string, least: number): Target => ({ name, compiler: 'radv', vendor: 'amd', lanes: [least, 64] });

export const targets: readonly Target[] = [
  { name: 'sm_90', compiler: 'nvcc', vendor: 'nvidia', lanes: [32, 32] },
  amd('vega10', 64), amd('mi200', 64), amd('navi10', 32), amd('navi21', 32), amd('navi31', 32), amd('gfx1201', 32),
];
