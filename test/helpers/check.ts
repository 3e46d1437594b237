/** checkOp: a case declared once is tested forward, backward and for unwritten elements, in every kernel variant. */
import * as assert from 'uvu/assert';
import { gradients, mul, sum, add, sizeOf, type Engine, type Graph, type Shape, type Tensor } from '../../engine/index.js';
import { testedTunings, testEngine } from './device.js';
import { random } from './random.js';

export type Values = Record<string, Float64Array>;

export interface OpCase {
  /** Shapes of the inputs by name; values are random in [-1, 1). */
  readonly inputs: Record<string, Shape>;
  /** Other values for some inputs, from the random ones: `x => 3 * x`. Keep kinks out of reach here. */
  readonly values?: Record<string, (value: number, index: number) => number>;
  readonly build: (t: Record<string, Tensor>, g: Graph) => Tensor | Tensor[];
  /** The same in double precision, as plainly as possible; several outputs in order. */
  readonly reference: (v: Values) => Float64Array | number[] | (Float64Array | number[])[];
  /** Inputs to differentiate by; default all. Empty for ops without a gradient. */
  readonly gradients?: readonly string[];
  /** Largest |difference| / largest |value|. */
  readonly tolerance?: number;
}

const asList = <T>(x: T | T[]): T[] => (Array.isArray(x) ? x : [x]);
const outputsOf = (r: ReturnType<OpCase['reference']>): Float64Array[] =>
  (Array.isArray(r) && typeof r[0] !== 'number' ? (r as (Float64Array | number[])[]) : [r as Float64Array | number[]]).map((a) => Float64Array.from(a));

const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let total = 0;
  for (let i = 0; i < a.length; i++) total += a[i]! * b[i]!;
  return total;
};

/** Largest |difference| over the largest |value| of `expected`. NaN anywhere gives NaN. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let worst = 0;
  let largest = 1e-12;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(actual[i]! - expected[i]!);
    if (!(difference <= worst)) worst = difference;
    largest = Math.max(largest, Math.abs(expected[i]!));
  }
  return worst / largest;
}

/** Asserts relativeError <= tolerance, naming what was compared. */
export function assertClose(what: string, actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  assert.is(actual.length, expected.length, `${what}: length`);
  const error = relativeError(actual, expected);
  assert.ok(error <= tolerance, `${what}: relative error ${error.toExponential(2)} is above ${tolerance.toExponential(1)}`);
}

/** Values of the inputs: as f32, so that GPU and reference start from the same numbers. */
function drawInputs({ inputs, values = {} }: OpCase): Values {
  const next = random(7);
  return Object.fromEntries(Object.entries(inputs).map(([name, shape]) => {
    const draw = Float32Array.from({ length: sizeOf(shape) }, () => 2 * next() - 1);
    const change = values[name];
    return [name, Float64Array.from(change ? Float32Array.from(draw, change) : draw)];
  }));
}

/** Central difference of sum(weights * outputs) along `direction`, in double. */
function slope(op: OpCase, v: Values, name: string, direction: Float64Array, weights: Float64Array[]): number {
  const eps = 1e-5;
  const at = (sign: number): number => {
    const moved = { ...v, [name]: v[name]!.map((x, i) => x + sign * eps * direction[i]!) };
    return outputsOf(op.reference(moved)).reduce((total, y, i) => total + dot(y, weights[i]!), 0);
  };
  return (at(1) - at(-1)) / (2 * eps);
}

async function checkIn(engine: Engine, op: OpCase, variant: string): Promise<void> {
  const g = engine.graph();
  const v = drawInputs(op);
  const tensors = Object.fromEntries(Object.entries(op.inputs).map(([name, shape]) => [name, g.input(name, shape)]));
  const ys = asList(op.build(tensors, g));
  const next = random(11);
  const weights = ys.map((y) => Float64Array.from(Float32Array.from({ length: sizeOf(y.shape) }, () => 2 * next() - 1)));
  const names = op.gradients ?? Object.keys(op.inputs);
  const outputs: Record<string, Tensor> = Object.fromEntries(ys.map((y, i) => [`y${i}`, y]));
  if (names.length > 0) {
    const terms = ys.map((y, i) => sum(mul(y, g.constant(Float32Array.from(weights[i]!), y.shape))));
    const grads = gradients(terms.reduce((a, b) => add(a, b)), names.map((name) => tensors[name]!));
    names.forEach((name, i) => (outputs[`d${name}`] = grads[i]!));
  }
  const program = await engine.compile(outputs);
  for (const [name, data] of Object.entries(v)) program.write(name, Float32Array.from(data));
  program.run();

  const expected = outputsOf(op.reference(v));
  for (const [i, y] of ys.entries()) {
    assertClose(`${variant}: ${y.node.op.name} output ${i}`, await program.read(`y${i}`), expected[i]!, op.tolerance ?? 2e-5);
  }
  for (const name of names) {
    const grad = await program.read(`d${name}`);
    assert.ok(grad.every(Number.isFinite), `${variant}: d${name} has elements that are not finite or were never written`);
    const directions = [1, 2, 3].map((seed) => {
      const draw = random(100 * seed + grad.length);
      return Float64Array.from(grad, () => 2 * draw() - 1);
    });
    const size = Math.sqrt(dot(grad, grad) * (1 / 3)); // what a random direction is expected to see
    for (const direction of directions) {
      const found = dot(grad, direction);
      const right = slope(op, v, name, direction, weights);
      const error = Math.abs(found - right) / Math.max(size, Math.abs(right), 1e-9);
      assert.ok(error <= 5 * (op.tolerance ?? 2e-5), `${variant}: d${name} is off along a direction: ${found} instead of ${right} (error ${error.toExponential(2)})`);
    }
  }
  program.destroy();
}

/** Tests an op in every kernel variant; see the top of the file. */
export async function checkOp(op: OpCase): Promise<void> {
  for (const tuning of await testedTunings()) {
    const engine = await testEngine(tuning);
    await checkIn(engine, op, `${engine.tuning.name}, subgroups of ${engine.tuning.subgroupSize}`);
  }
}
