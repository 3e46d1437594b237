/** Pointwise kernels: a thread per element, or a span of elements per workgroup. */
import { GROUP_INDEX, linearIndex } from './common.js';
import { wgsl } from './wgsl.js';

/**
 * A kernel of `declarations` and the statements `body` for each i below `count`; `once` comes before the loop. A workgroup has
 * PER of them for each of its WG lanes. Pairs with `spanLaunch` of engine/ops/launch/pointwise.ts.
 */
export const spanKernel = (count: string, declarations: string, body: string, once = ''): string => wgsl`
override WG: u32;
override PER: u32;
${declarations}
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let first = (${GROUP_INDEX}) * WG * PER;
  let end = min(first + WG * PER, ${count});
${once}
  for (var i = first + lane; i < end; i += WG) {
${body}
  }
}
`;

/** A kernel of `declarations` and the statements `body` for each `index` below `count`, a thread each, as `threadLaunch` has. */
export const threadKernel = (count: string, declarations: string, body: string): string => wgsl`
override WG: u32;
${declarations}
${linearIndex}
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = linear_index(group, lane);
  if (index >= ${count}) { return; }
${body}
}
`;
