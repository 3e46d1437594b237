/**
 * Matrix units in software: a kernel's text with each function of subgroup matrices replaced by loops of the same meaning, so
 * that its loads, strides, edges, scales and epilogue run on any device.
 *
 * A matrix of operands is where it lies in workgroup memory; the kernel uses it before it writes there again. One that is called
 * `kept_...` is copied to memory of its own. A matrix of sums is spread over the lanes. Operands have been rounded by the
 * kernel's own stores; products and sums are f32. What a real device may refuse or change, a matrix that is not inside its array,
 * becomes NaN here.
 */
import type { Kernel, KernelVariant } from '../../engine/index.js';

function found(code: string, pattern: RegExp): string[] {
  const match = code.match(pattern);
  if (!match) throw new Error(`software units: no ${String(pattern)}`);
  return match.slice(1) as string[];
}

/** Sides of the units' matrices, lanes of a subgroup, and how many sums of a matrix a lane has. */
interface Shape {
  readonly M: number;
  readonly N: number;
  readonly K: number;
  readonly lanes: number;
  readonly each: number;
}

function shapeOf(code: string): Shape {
  const [K, M] = found(code, /alias Left = subgroup_matrix_left<\w+, (\d+), (\d+)>;/).map(Number) as [number, number];
  const [N] = found(code, /alias Right = subgroup_matrix_right<\w+, (\d+), \d+>;/).map(Number) as [number];
  const lanes = Number(found(code, /@workgroup_size\((\d+)\)/)[0]) / 4;
  return { M, N, K, lanes, each: (M * N) / lanes };
}

/** Elements of an array in workgroup memory. */
const sizeOf = (code: string, name: string): number =>
  Number(found(code, new RegExp(`var<workgroup> ${name}: array<\\w+, (\\d+)>`))[0]);

/** Not a number, and no constant, which compilers refuse. */
const nan = (by: string): string => `bitcast<f32>(0x7fc00000u | ${by})`;

/** Adds a product of matrices in the arrays `left` and `right`, each at vec4u(offset, row step, column step, 1 if inside). */
const multiplied = ({ N, K, lanes, each }: Shape, left: string, right: string): string => `
fn multiply_${left}_${right}(a: vec4u, b: vec4u, sums: ptr<function, Sums>) {
  for (var e = 0u; e < unit_each; e++) {
    let r = (e * ${lanes}u + unit_lane) / ${N}u;
    let c = (e * ${lanes}u + unit_lane) % ${N}u;
    for (var k = 0u; k < unit_each * ${K}u / ${each}u; k++) {
      (*sums)[e] += f32(${left}[a.x + r * a.y + k * a.z]) * f32(${right}[b.x + k * b.y + c * b.z]);
    }
    if (a.w * b.w == 0u) { (*sums)[e] = ${nan('a.x')}; }
  }
}
`;

const stored = ({ M, N, lanes }: Shape, name: string, size: number): string => `
fn store_${name}(offset: u32, sums: ptr<function, Sums>, stride: u32) {
  for (var e = 0u; e < unit_each; e++) {
    let i = e * ${lanes}u + unit_lane;
    let inside = offset + stride * ${M}u <= ${size}u;
    ${name}[offset + i / ${N}u * stride + i % ${N}u] = select(${nan('offset')}, (*sums)[e], inside);
  }
}
`;

const loaded = ({ M, N, lanes }: Shape, name: string, size: number): string => `
fn load_${name}(sums: ptr<function, Sums>, offset: u32, stride: u32) {
  for (var e = 0u; e < unit_each; e++) {
    let i = e * ${lanes}u + unit_lane;
    let inside = offset + stride * ${M}u <= ${size}u;
    (*sums)[e] = select(${nan('offset')}, ${name}[offset + i / ${N}u * stride + i % ${N}u], inside);
  }
}
`;

/** The function that copies a matrix of `rows` by `columns` to memory for those that are kept. */
const kept = (lanes: number, rows: number, columns: number, kind: string, name: string, size: number): string => `
fn keep_${kind}_${name}(to: u32, offset: u32, stride: u32) -> vec4u {
  for (var i = unit_lane; i < ${rows * columns}u * min(1u, unit_each); i += ${lanes}u) {
    kept[to + i] = ${name}[offset + i / ${columns}u * stride + i % ${columns}u];
  }
  workgroupBarrier();
  return vec4u(to, ${columns}u, 1u, u32(offset + stride * ${rows}u <= ${size}u));
}
`;

const common = ({ each }: Shape): string => `
alias Sums = array<f32, ${each}>;
var<private> unit_lane: u32;
var<private> unit_each: u32; // sums of a lane, which no compiler knows, so that it does not unroll the loops
fn scale_sums(sums: ptr<function, Sums>, by: f32) {
  for (var e = 0u; e < unit_each; e++) { (*sums)[e] *= by; }
}
`;

/** Without what names the extension; the number of the subgroup and of the lane are computed. */
const prepared = (code: string, { lanes, each }: Shape): string => code
  .replace(/\/\/.*/g, '')
  .replace(/^(enable (subgroups|subgroup_size_control|chromium_experimental_subgroup_matrix)|diagnostic\(.*\));\n/gm, '')
  .replace(/ @subgroup_size\(\d+\)/, '')
  .replace(/^alias (Left|Right|Sums) = .*\n/gm, '')
  .replace(/,\s*@builtin\(subgroup_id\) part: u32, @builtin\(subgroup_invocation_id\) place: u32,\s*\) \{/, `) {
  let part = lane / ${lanes}u;
  let place = lane % ${lanes}u;
  unit_lane = place;
  unit_each = select(${each}u, 0u, dims.${/struct Dims \{ (\w+):/.exec(code)![1]!} == 0u);`)
  .replace(/(\w+) = subgroupMatrixScalarMultiply\(\1, /g, 'scale_sums(&$1, ')
  .replaceAll('subgroupMax(', '(').replaceAll('subgroupElect()', 'true');

/** A kernel for matrix units as one for any device with its types. @throws Error for a kernel that is written in another way */
export function softwareUnits(code: string): string {
  if (!code.includes('subgroup_matrix_left')) return code;
  const shape = shapeOf(code);
  const { M, N, K } = shape;
  const arrays = new Map<string, string>(); // of each matrix, by its name
  const functions = new Map<string, string>();
  const called = (name: string, text: string): string => {
    functions.set(name, text);
    return `${name}(`;
  };
  const load = /let (\w+) = subgroupMatrixLoad<(Left|Right), (row|col)_major>\(\s*&(\w+), ([^;]+), (\d+)u\);/g;
  const count = [...code.matchAll(/let kept_\w+ = /g)].length;
  const room = K * Math.max(M, N);
  let copies = 0;
  const text = prepared(code, shape).replace(load, (_, name: string, kind, major, array: string, offset, stride) => {
    const [rows, columns] = kind === 'Left' ? [M, K] : [K, N];
    if (name.startsWith('kept_')) {
      arrays.set(name, 'kept');
      functions.set('kept', `var<workgroup> kept: array<unit, ${4 * count * room}>;\n`);
      const call = called(`keep_${kind}_${array}`, kept(shape.lanes, rows!, columns!, kind, array, sizeOf(code, array)));
      return `let ${name} = ${call}(part * ${count}u + ${copies++}u) * ${room}u, ${offset}, ${stride}u);`;
    }
    arrays.set(name, array);
    const [steps, lines] = major === 'row' ? [`${stride}u, 1u`, rows] : [`1u, ${stride}u`, columns];
    return `let ${name} = vec4u(${offset}, ${steps}, u32(${offset} + ${stride * lines}u <= ${sizeOf(code, array)}u));`;
  }).replace(/(\w+) = subgroupMatrixMultiplyAccumulate\((\w+), (\w+), \1\)/g, (_, sums: string, a: string, b: string) => {
    const [left, right] = [arrays.get(a)!, arrays.get(b)!];
    return `${called(`multiply_${left}_${right}`, multiplied(shape, left, right))}${a}, ${b}, &${sums})`;
  }).replace(/subgroupMatrixStore<row_major>\(&(\w+), ([^;]+),\s*(\w+), (\d+u)\);/g, (_, array: string, offset, sums, stride) =>
    `${called(`store_${array}`, stored(shape, array, sizeOf(code, array)))}${offset}, &${sums}, ${stride});`,
  ).replace(/(\w+) = subgroupMatrixLoad<Sums, row_major>\(\s*&(\w+), /g, (_, sums: string, array: string) =>
    `${called(`load_${array}`, loaded(shape, array, sizeOf(code, array)))}&${sums}, `);
  const left = /.*subgroup.*/i.exec(text);
  if (left) throw new Error(`software units: cannot replace ${left[0]}`);
  return `${text}${common(shape)}${[...functions.values()].join('')}`;
}

const rewritten: KernelVariant = (_, usual: Kernel) => ({ ...usual, code: softwareUnits(usual.code) });

/** For `createEngine`: the kernels of linear layers and attention on matrix units in software. */
export const softwareUnitKernels = Object.fromEntries(
  ['linear', 'linearActivation', 'linearResidual', 'linearBackwardInput', 'linearBackwardActivation', 'attention',
    'attentionBackwardParts']
    .map((op) => [op, rewritten]));
