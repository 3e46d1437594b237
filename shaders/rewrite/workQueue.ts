/**
 * A queue of workgroups for any kernel on a device that is a CPU.
 *
 * What: the entry point `main` of a kernel becomes a function `work`, and a new `main` calls it for the workgroups that it draws
 * from a queue. The launch has more workgroups than the grid needs. Each draws a number, its turn, by adding 1 to a counter in
 * memory; it does the workgroups of the grid that belong to that turn, and ends at once if there are none. The grid itself moves
 * to the first three fields of `dims`. The counter is one word of storage, 0 before a launch. The workgroup that draws the last
 * number sets it back to 0, so that all launches share it.
 *
 * Why: a driver that runs on a CPU cuts a launch into equal parts, one for each thread, and waits for the slowest (lavapipe
 * does). Cores are not equally fast: some are small, some are shared with other programs or, in a virtual machine, with other
 * machines. With a queue the faster core does more. A turn of several workgroups saves the start of a workgroup, some hundred
 * instructions, which for a short one is most of its time. Long workgroups get a turn each and no loop, since in a loop every
 * instruction is masked.
 *
 * Rules for authors of kernels: the text that runs is not the text that is written. A kernel that asks for a queue (see
 * `Kernel` in engine/graph/kernel.ts)
 * - has workgroups that are exactly one subgroup; WGSL's uniformity analysis cannot know that, so its check of subgroup
 *   operations is off in a queue, and test/engine/workQueue.test.ts compiles the kernels of a training step without one;
 * - has a `struct Dims` for its uniform `dims`;
 * - starts its entry point with a line `@compute @workgroup_size(size)` and one `fn main(...) {`, whose parameters are builtins;
 * - gives every `var` a value, and keeps none in private or workgroup memory from one call of `main` to the next;
 * - leaves a storage binding free for the counter, else it is launched without a queue.
 */
import { rewriter } from '../parts/remembered.js';
import { wgsl } from '../parts/wgsl.js';

/** Builtins of the old entry point that the queue gives; it passes on the others. */
const TAKEN: Readonly<Record<string, string>> = { workgroup_id: 'group', num_workgroups: 'grid' };

/** The entry point, and its parameters as [text, builtin, name, type]. @throws Error unless it is written as above */
function entryOf(code: string): { readonly text: string; readonly attributes: string; readonly parameters: readonly string[][] } {
  const [text, attributes, list] = /(@compute @workgroup_size\(\w+\)\s)fn main\((.*?)\) \{/.exec(code) ?? [];
  const parameters = list?.split(/,\s*(?=@)/).map((parameter) => /^@builtin\((\w+)\) (\w+): (\w+)$/.exec(parameter));
  if (!parameters?.every((p) => p !== null) || !code.includes('struct Dims {')) {
    throw new Error('work queue: the kernel has no dims, or another kind of entry point');
  }
  return { text: text!, attributes: attributes!, parameters };
}

const queueKey = (binding: number, workgroupsPerTurn: number): string => `${binding} ${workgroupsPerTurn}`;

/**
 * `code` as a kernel that takes `workgroupsPerTurn` workgroups at a time from the queue whose counter is bound at `binding`.
 * @throws Error for a kernel that is not written as described above
 */
export const workQueue = rewriter(queueKey, (code, binding, workgroupsPerTurn) => {
  const { text, attributes, parameters } = entryOf(code);
  const passedOn = parameters.flatMap(([parameter, builtin]) => (builtin! in TAKEN ? [] : [parameter]));
  const kernel = code
    .replace(text, `fn work(${parameters.map(([, , name, type]) => `${name}: ${type}`).join(', ')}) {`)
    .replace('struct Dims {', 'struct Dims { GRID_X: u32, GRID_Y: u32, GRID_Z: u32,');
  const work = `work(${parameters.map(([, builtin, name]) => TAKEN[builtin!] ?? name).join(', ')});`;
  return wgsl`enable subgroups;
diagnostic(off, subgroup_uniformity);
${kernel}
@group(0) @binding(${binding}) var<storage, read_write> queue: atomic<u32>;
${attributes}fn main(${[...passedOn, '@builtin(num_workgroups) launched: vec3u'].join(', ')}) {
  let grid = vec3u(dims.GRID_X, dims.GRID_Y, dims.GRID_Z);
  let count = grid.x * grid.y * grid.z;
  var turn = 0u;
  if (subgroupElect()) { turn = atomicAdd(&queue, 1u); }
  turn = subgroupBroadcastFirst(turn);
  if (turn == launched.x * launched.y - 1u && subgroupElect()) { atomicStore(&queue, 0u); }
  let first = turn * ${workgroupsPerTurn}u;
  if (first >= count) { return; }
  var group = vec3u(first % grid.x, first / grid.x % grid.y, first / (grid.x * grid.y));
#if ${workgroupsPerTurn === 1}
  ${work}
#else
  for (var i = first; i < min(first + ${workgroupsPerTurn}u, count); i++) {
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
