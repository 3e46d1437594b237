/** How pointwise kernels divide the elements among workgroups. */
import { GROUP_INDEX } from './common.js';
import { wgsl } from './wgsl.js';

/**
 * `span(workgroup, count)`: the indices below `count` that a workgroup works on, PER for each of its WG lanes: `for (var i =
 * s.first + lane; i < s.end; i += WG)`. Pairs with `vectorLaunch` of engine/ops/launch/pointwise.ts.
 */
export const spans = wgsl`
override WG: u32;
override PER: u32;
struct Span { first: u32, end: u32 }
fn span(group: vec3u, count: u32) -> Span {
  let first = (${GROUP_INDEX}) * WG * PER;
  return Span(first, min(first + WG * PER, count));
}
`;
