/** Common to the kernels for matrix units. */
import { wgsl } from '../parts/wgsl.js';
import type { MatrixUnits } from './usable.js';

export const SUBGROUPS = 4;

export const unitThreads = ({ lanes }: MatrixUnits): number => SUBGROUPS * lanes;

/** The extensions, and the types of the units' matrices. */
export const unitHeader = ({ type, M, N, K, pinned }: MatrixUnits): string => wgsl`
#if ${type === 'f16'}
enable f16;
#endif
enable subgroups;
enable chromium_experimental_subgroup_matrix;
#if ${pinned}
enable subgroup_size_control;
#endif
// Offsets depend on the number of the subgroup, which all of its lanes have in common.
diagnostic(off, chromium.subgroup_matrix_uniformity);
alias unit = ${type};
alias Left = subgroup_matrix_left<${type}, ${K}, ${M}>;
alias Right = subgroup_matrix_right<${type}, ${N}, ${K}>;
alias Sums = subgroup_matrix_result<f32, ${N}, ${M}>;
`;

/** The entry point's attributes. */
export const unitEntry = (units: MatrixUnits): string =>
  `@compute @workgroup_size(${unitThreads(units)})${units.pinned ? ` @subgroup_size(${units.lanes})` : ''}`;

/**
 * Scales for numbers that may be too small or too large for f16, as gradients are: powers of two, kept as the exponent of an f32
 * with its bias, that bring the largest number so far near 2^13. Values down to 2^-27 of it keep all digits of f16, and none
 * overflows. Numbers are ordered as their bits are.
 */
export const unitPowers = wgsl`
fn power_of(most: u32) -> u32 { return clamp(267u - min(most >> 23u, 255u), 1u, 254u); }
fn scale_of(power: u32) -> f32 { return bitcast<f32>(power << 23u); }
fn inverse_of(power: u32) -> f32 { return bitcast<f32>((254u - power) << 23u); }
// What scales sums anew when the power falls from its former value.
fn ratio_of(before: u32, power: u32) -> f32 {
  let steps = before - power;
  return select(0.0, bitcast<f32>((127u - min(steps, 126u)) << 23u), steps < 127u);
}
`;
