/** Kernels that take their workgroups from a queue instead of having them dealt out beforehand. */
import { remembered } from './common.js';

/** What the kernel gets for these builtins; others are the launch's own. */
const TAKEN: Readonly<Record<string, string>> = {
  workgroup_id: 'vec3u(ticket % grid.x, ticket / grid.x % grid.y, ticket / (grid.x * grid.y))',
  num_workgroups: 'grid',
};

/**
 * `code` with its grid in the first three fields of `dims`. It is launched with more workgroups than that; each draws a number, does the workgroup of
 * the grid with that number, and ends at once where there is none. The counter is a word of storage at `binding`, 0 before; who draws the last number
 * sets it back, so that all launches share it.
 *
 * Why: a driver that runs on a CPU cuts a launch into as many equal parts as it has threads (lavapipe does) and waits for the slowest. Cores are not
 * equally fast: some are small ones, some are shared with other programs or, in a virtual machine, with other machines. Here the faster core does more.
 * A loop that draws until none is left is 3 per cent slower: everything in it is masked.
 *
 * Workgroups must be one subgroup, which WGSL's check of subgroup operations cannot know, so that it has to be off.
 * @throws Error for a kernel without `dims`, or with an entry point that is written otherwise than they are here
 */
export const workQueue = remembered((code: string, binding: number): string => {
  const entry = /(@compute @workgroup_size\(\w+\)\s)fn main\((.*?)\) \{/.exec(code);
  const parameters = entry?.[2]!.split(/,\s*(?=@)/).map((text) => /^@builtin\((\w+)\) (\w+): (\w+)$/.exec(text));
  if (!entry || !parameters?.every((p) => p !== null) || !code.includes('struct Dims {')) throw new Error('work queue: the kernel has no dims, or another kind of entry point');
  const own = parameters.flatMap(([text, builtin]) => (builtin! in TAKEN ? [] : [text]));
  const kernel = code
    .replace(entry[0], `fn work(${parameters.map(([, , name, type]) => `${name}: ${type}`).join(', ')}) {`)
    .replace('struct Dims {', 'struct Dims { GRID_X: u32, GRID_Y: u32, GRID_Z: u32,');
  return `enable subgroups;
diagnostic(off, subgroup_uniformity);
${kernel}
@group(0) @binding(${binding}) var<storage, read_write> queue: atomic<u32>;
${entry[1]!}fn main(${[...own, '@builtin(num_workgroups) launched: vec3u'].join(', ')}) {
  let grid = vec3u(dims.GRID_X, dims.GRID_Y, dims.GRID_Z);
  var ticket = 0u;
  if (subgroupElect()) { ticket = atomicAdd(&queue, 1u); }
  ticket = subgroupBroadcastFirst(ticket);
  if (ticket == launched.x * launched.y - 1u && subgroupElect()) { atomicStore(&queue, 0u); }
  if (ticket >= grid.x * grid.y * grid.z) { return; }
  work(${parameters.map(([, builtin, name]) => TAKEN[builtin!] ?? name).join(', ')});
}
`;
});
