/** Kernels that take their workgroups from a queue instead of having them dealt out beforehand. */
import { remembered } from '../parts/common.js';
import { wgsl } from '../parts/wgsl.js';

/** What the kernel gets for these builtins; others are the launch's own. */
const TAKEN: Readonly<Record<string, string>> = { workgroup_id: 'group', num_workgroups: 'grid' };

/**
 * `code` with its grid in the first three fields of `dims`. It is launched with more workgroups than it needs; each draws a number, does the `run`
 * workgroups of the grid that have that turn, and ends at once where there are none. The counter is a word of storage at `binding`, 0 before; who draws
 * the last number sets it back, so that all launches share it.
 *
 * Why: a driver that runs on a CPU cuts a launch into as many equal parts as it has threads (lavapipe does) and waits for the slowest. Cores are not
 * equally fast: some are small ones, some are shared with other programs or, in a virtual machine, with other machines. Here the faster core does more.
 * A workgroup's beginning costs some hundred instructions, which for a short one is most of it: hence the runs. Where it is long there is no loop: in one
 * everything is masked, 3 per cent slower.
 *
 * Workgroups must be one subgroup, which WGSL's check of subgroup operations cannot know, so that it has to be off.
 * @throws Error for a kernel without `dims`, or with an entry point that is written otherwise than they are here
 */
export const workQueue = remembered((code: string, binding: number, run: number): string => {
  const entry = /(@compute @workgroup_size\(\w+\)\s)fn main\((.*?)\) \{/.exec(code);
  const parameters = entry?.[2]!.split(/,\s*(?=@)/).map((text) => /^@builtin\((\w+)\) (\w+): (\w+)$/.exec(text));
  if (!entry || !parameters?.every((p) => p !== null) || !code.includes('struct Dims {')) throw new Error('work queue: the kernel has no dims, or another kind of entry point');
  const own = parameters.flatMap(([text, builtin]) => (builtin! in TAKEN ? [] : [text]));
  const kernel = code
    .replace(entry[0], `fn work(${parameters.map(([, , name, type]) => `${name}: ${type}`).join(', ')}) {`)
    .replace('struct Dims {', 'struct Dims { GRID_X: u32, GRID_Y: u32, GRID_Z: u32,');
  const work = `work(${parameters.map(([, builtin, name]) => TAKEN[builtin!] ?? name).join(', ')});`;
  return wgsl`enable subgroups;
diagnostic(off, subgroup_uniformity);
${kernel}
@group(0) @binding(${binding}) var<storage, read_write> queue: atomic<u32>;
${entry[1]!}fn main(${[...own, '@builtin(num_workgroups) launched: vec3u'].join(', ')}) {
  let grid = vec3u(dims.GRID_X, dims.GRID_Y, dims.GRID_Z);
  let count = grid.x * grid.y * grid.z;
  var turn = 0u;
  if (subgroupElect()) { turn = atomicAdd(&queue, 1u); }
  turn = subgroupBroadcastFirst(turn);
  if (turn == launched.x * launched.y - 1u && subgroupElect()) { atomicStore(&queue, 0u); }
  let first = turn * ${run}u;
  if (first >= count) { return; }
  var group = vec3u(first % grid.x, first / grid.x % grid.y, first / (grid.x * grid.y));
#if ${run === 1}
  ${work}
#else
  for (var i = first; i < min(first + ${run}u, count); i++) {
    ${work}
    group.x++;
    if (group.x == grid.x) {
      group.x = 0u;
      group.y++;
      if (group.y == grid.y) {
        group.y = 0u;
        group.z++;
      }
    }
  }
#endif
}
`;
});
