/** An op with kernels that are fast, slow, wrong, broken and endless, for tests of calibration. */
import { addNode, ceilDiv, type Engine, type Kernel, type KernelVariant, type Op, type Program } from '../../engine/index.js';

export const COUNT = 4096;

/** y = 2 x, after `turns` turns of a loop that writes y, so that no compiler can leave it out; 0 turns never end. */
const twiceKernel = (turns: number, body = 'y[i] = 2.0 * x[i];'): Kernel => ({
  code: `
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.x;
  var turn = 0u;
  loop {
    y[i] = fract(y[i] * 3.7 + x[i]);
    turn++;
    if (y[i] > 2.0 || turn == ${turns}u) { break; }
  }
  ${body}
}
`,
  workgroups: [ceilDiv(COUNT, 64), 1, 1],
});

const USUAL_TURNS = 2000;

/** Its usual kernel is slow. */
const twiceOp: Op = {
  name: 'twice',
  shapes: ([x]) => [x!.shape],
  kernel: (_, { plain = false }) => twiceKernel(plain ? 2 * USUAL_TURNS : USUAL_TURNS),
};

/** Its usual kernel is wrong. */
export const wrongOp: Op =
  { ...twiceOp, kernel: (node, tuning) => (tuning.plain ? twiceOp.kernel!(node, tuning) : kernels.wrong()) };

export const kernels = {
  good: () => twiceKernel(1),
  slow: () => twiceKernel(10 * USUAL_TURNS),
  wrong: () => twiceKernel(1, 'y[i] = 2.001 * x[i];'),
  lazy: () => twiceKernel(1, ''),
  broken: () => ({ ...twiceKernel(1), code: `${twiceKernel(1).code}\nfn broken( {` }),
  absent: () => {
    throw new Error('no such kernel');
  },
  endless: () => twiceKernel(0),
} satisfies Record<string, KernelVariant>;

/** A program y = 2 x. */
export async function twiceProgram(engine: Engine, op = twiceOp): Promise<Program> {
  const program = await engine.compile({ y: addNode(op, [engine.graph().input('x', [COUNT])], {}) });
  program.write('x', Float32Array.from({ length: COUNT }, (_, i) => i));
  return program;
}

/** Whether the program still computes 2 x. */
export async function isTwice(program: Program): Promise<boolean> {
  program.run();
  return (await program.read('y')).every((value, i) => value === 2 * i);
}
