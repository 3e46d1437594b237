/** What `npm run offline` gives to compilers and reads out of their machine code; one test needs nvcc. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { kernelsOf, parseCompiled, readCompiled, showCompiled } from '../../cli/bench/compiled.js';
import type { Compiled, Loop } from '../../cli/bench/prediction.js';
import { changes, limitProblems, regressions } from '../bench/offline/compare.js';
import { cudaOf, declarationsOf } from '../bench/offline/cuda.js';
import type { StepKernel } from '../bench/offline/kernels.js';
import { loopsOf, type Instruction } from '../bench/offline/loops.js';
import { nvcc, occupancy } from '../bench/offline/nvcc.js';
import { parsed } from '../bench/offline/mesa.js';
import { ptxasFigures, sassOf, sectionsOf } from '../bench/offline/sass.js';

const kernel = `
override WG: u32;
override SCALE: f32;
struct Dims { N: u32, SHIFT: i32 }  // sizes
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;  // [N]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
var<private> seen = 0.0;
var<workgroup> tile: array<f32, WG * 2u>;
fn size(v: vec4f) -> f32 { return v.x + 0.5 * v.y; }
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let size = size(x[lane]);
  for (var i = 0u; i < dims.N; i++) { seen += 1e-3 * SCALE; }
  switch (lane) { case 0u, 1u: { y[0] = size; } default: { y[1] = x[0].zw.x; } }
}`;

test('WGSL becomes CUDA: declarations, functions apart from variables of their name, constants, cases that end', () => {
  const code = cudaOf({ code: kernel, constants: { WG: 64, SCALE: 0.125 } }, 'k1');
  for (const text of [
    'static constexpr u32 WG = u32(64);', 'static constexpr f32 SCALE = f32(0.125);', '__constant__ Dims dims;',
    '__constant__ const vec4f *__restrict__ x;', '__constant__ f32 *__restrict__ y;', '__shared__ f32 tile[WG * 2u];',
    'GPU f32 fn_size(vec4f v)', 'v.x + 0.5f * v.y', 'const auto size = fn_size(x[lane]);', 'auto i = 0u;', '1e-3f * SCALE',
    'f32 seen = 0.0f;', 'case 0u: case 1u: { y[0] = size;  break; }', 'default: { y[1] = x[0].zw().x;  break; }',
    'const auto lane = threadIdx.x;', 'extern "C" __global__ void __launch_bounds__(WG) k1()',
  ]) assert.ok(code.includes(text), `${text}\nis not in\n${code}`);
});

test('nvcc keeps the loads of what is selected', async () => {
  const compiler = nvcc();
  if (typeof compiler === 'string') return console.log(`skipped: ${compiler}`);
  const code = `@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(32)
fn main(@builtin(local_invocation_index) lane: u32) { y[lane] = dot(select(vec4f(), x[lane], lane < 7u), vec4f(2.0)); }`;
  const kernels = [{ key: '1', name: 'one', kernel: { code, workgroups: [1, 1, 1] as const }, bindings: [] }];
  const one = (await compiler.compile(kernels, { name: 'sm_90', compiler: 'nvcc', vendor: 'nvidia', lanes: [32, 32] })).get('1');
  assert.is((one as Compiled).loads, 16);
});

test('WGSL that it cannot rewrite is refused', () => {
  const other = kernel.replace('local_invocation_index', 'global_invocation_id');
  assert.throws(() => cudaOf({ code: kernel }, 'k'), /no value for override WG/);
  const constants = { WG: 64, SCALE: 1 };
  assert.throws(() => cudaOf({ code: other, constants }, 'k'), /no value for @builtin\(global_invocation_id\)/);
  assert.throws(() => cudaOf({ code: 'const_assert true;' }, 'k'), /cannot rewrite const_assert/);
  assert.is(declarationsOf('/* a; */ const A = 1; // b;\nstruct S { x: u32 }').length, 2);
});

const fma: Instruction = { kind: 'vector', fma: 1 };
const [vector, wide, scalar]: readonly Instruction[] = [{ kind: 'vector' }, { kind: 'wide' }, { kind: 'scalar' }];
const load: Instruction = { kind: 'global', loads: 16 };
const back = (target: number): Instruction => ({ kind: 'scalar', target });
const times = (n: number, one: Instruction): Instruction[] => Array.from({ length: n }, () => one);

test('hot loops are innermost ones with multiply-adds; the loop around is a quarter of a turn', () => {
  // 0: outer loop; 2: inner loop of 8 multiply-adds; 12: a small one that is none; then a copy without multiply-adds
  const code = [load, load, ...times(8, fma), wide!, back(2), fma, back(12), scalar!, back(0), vector!, load, back(16)];
  const { loops, around, loads } = loopsOf(code);
  assert.is(loops.length, 1);
  assert.equal([loops[0]!.all, loops[0]!.fma, loops[0]!.wide], [10, 8, 1]);
  assert.equal([around.all, around.fma, around.global], [6 / 4, 1 / 4, 2 / 4]);
  assert.is(loads, 16);
  assert.is(loopsOf(code, { isScalarFree: true }).loops[0]!.all, 9);
  const straight = loopsOf([load, load, fma]);
  assert.equal([straight.loops, straight.loads], [[], 32]);
});

test('a loop is hot by its products on matrix units too', () => {
  const { loops } = loopsOf([{ kind: 'vector', units: 128 }, back(0), ...times(16, fma), back(2)]);
  assert.equal(loops.map(({ units, fma: ofLane }) => [units, ofLane]), [[128, 0]]);
});

test('of two loops the remainder of the other does not count', () => {
  const code = [...times(64, fma), back(0), ...times(9, fma), back(65)];
  assert.equal(loopsOf(code).loops.map((loop) => loop.fma), [64]);
});

/** An instruction of 16 bytes: its operation, further bits of the first word, and the third word. */
function sass(...instructions: readonly (readonly number[])[]): Uint8Array {
  const words = instructions.flatMap(([first = 0, second = 0, third = 0]) => [first, second, third, 0]);
  return new Uint8Array(Uint32Array.from(words).buffer);
}

test("NVIDIA's machine code: multiply-adds, widths of loads, and where a branch leads", () => {
  const jump = -3 * 16 / 4; // words, from the instruction after the branch
  const branch = [0x947 | ((jump & 0xff) << 16), (Math.floor(jump / 256) * 4) >>> 0, 0x3ffff];
  assert.equal(sassOf(sass([0x23c], [0x83b])), [{ kind: 'vector', units: 64 }, { kind: 'wide' }], 'matrix units');
  const code = sassOf(sass([0x223], [0x984, 0, 6 << 9], branch, [0x981, 0, 5 << 9], [0x984, 0, 4 << 9], [0xb1d]));
  assert.equal(code, [
    { kind: 'vector', fma: 1 }, { kind: 'wide' }, { kind: 'scalar', target: 0 }, { kind: 'global', loads: 8 }, { kind: 'single' },
    { kind: 'barriers' },
  ]);
  assert.throws(() => sectionsOf(new Uint8Array(64)), /not an ELF file/);
});

test("the log of NVIDIA's assembler", () => {
  const log = `ptxas info    : Compiling entry function 'ka' for 'sm_90'
ptxas info    : Function properties for ka
    8 bytes stack frame, 4 bytes spill stores, 12 bytes spill loads
ptxas info    : Used 79 registers, used 1 barriers, 8 bytes cumulative stack size, 8448 bytes smem
ptxas info    : Compiling entry function 'kb' for 'sm_90'
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 10 registers, used 0 barriers`;
  assert.equal([...ptxasFigures(log)], [
    ['ka', { registers: 79, spills: 16, scratch: 8, shared: 8448 }], ['kb', { registers: 10, spills: 0, scratch: 0, shared: 0 }],
  ]);
});

test('occupancy of sm_90 by registers, workgroup memory and threads', () => {
  assert.is(occupancy(32, 0, 256), 16); // all 64 warps
  assert.is(occupancy(167, 12288, 64), 3); // a warp takes 5376 of a scheduler's 16384 registers
  assert.is(occupancy(32, 100 * 1024, 128), 2); // two groups by workgroup memory
  assert.is(occupancy(16, 0, 32), 8); // 32 groups of one warp
});

const amd = `## kernel abc
Compute Shader
disasm:
BB0:
\ts_mov_b32 s4, 0                     ; be840080
BB1:
\tds_load_b128 v[2:5], v2             ; d8d80000
\tbuffer_load_b64 v[6:7], v0, s[0:3], 0 offen ; e0500000
${'\tv_fmac_f32_e32 v1, v2, v3          ; 56020502\n'.repeat(6)}\tv_dual_fmac_f32 v1, v2, v2 :: v_dual_fmac_f32 v8, v2, v3 ; c8
\ts_waitcnt lgkmcnt(0)                ; bf89fc07
\ts_cbranch_scc0 BB1                  ; bfa1fff5
*** SHADER STATS ***
VGPRs: 96
Spilled SGPRs: 1
Spilled VGPRs: 2
LDS size: 8704
Scratch size: 64
Subgroups per SIMD: 16
Instructions: 23
## kernel def
## error no such thing
`;

test("RADV's figures and disassembly", () => {
  const found = parsed(amd, { lanes: [32, 64] });
  const { loops, around, ...rest } = found.get('abc') as Compiled;
  const figures = { registers: 96, spills: 3, scratch: 64, shared: 8704, waves: 8, instructions: 23, loads: 8 };
  assert.equal(rest, figures);
  assert.equal([loops[0]!.all, loops[0]!.fma, loops[0]!.wide, loops[0]!.global, around.all], [9, 8, 1, 1, 0]);
  assert.is(found.get('def'), 'no such thing');
  assert.is((parsed(amd, { lanes: [64, 64] }).get('abc') as Compiled).waves, 16);
  assert.is((parsed(amd, { lanes: [32, 64], units: [{}] }).get('abc') as Compiled).waves, 16, 'a kernel that asks for 32 lanes');
});

const loop: Loop = { all: 100, fma: 80, wide: 8, half: 0, single: 0, stores: 0, global: 1, special: 0, shuffles: 0, barriers: 0 };
const nothing = Object.fromEntries(Object.keys(loop).map((key) => [key, 0])) as unknown as Loop;
const good: Compiled = {
  registers: 80, spills: 0, scratch: 0, shared: 8192, waves: 6, instructions: 300, loads: 16, loops: [loop], around: nothing,
};

test('spills, lost occupancy and a loop that grew are named; better figures are not', () => {
  const worse = (change: Partial<Compiled>): string[] => regressions('linear', { ...good, ...change }, good);
  assert.equal(worse({}), []);
  assert.equal(worse({ waves: 8, loops: [{ ...loop, all: 90 }] }), []);
  assert.equal(worse({ spills: 4 }), ['linear spills 4']);
  assert.equal(worse({ scratch: 16 }), ['linear takes 16 bytes of scratch memory']);
  assert.equal(worse({ waves: 5 }), ['linear lost occupancy: 5 waves a scheduler, was 6']);
  const doubled = 'linear: its loop takes 2.50 instructions for each multiply-add, was 1.25';
  assert.equal(worse({ loops: [{ ...loop, all: 200 }] }), [doubled]);
  assert.equal(regressions('new', good, undefined), []);
});

test("a kernel beyond WebGPU's default limits is named", () => {
  const bindings = ['uniform', ...Array.from({ length: 9 }, () => 'storage')] as StepKernel['bindings'];
  const code = '@compute @workgroup_size(WG) fn main() {}';
  const large: StepKernel = { key: 'k', name: 'big', bindings, kernel: { code, constants: { WG: 512 }, workgroups: [1, 1, 1] } };
  assert.equal(limitProblems(large, { ...good, shared: 20000 }).map((problem) => problem.split(',')[0]), [
    'big needs 9 storage buffers', 'big needs 512 threads', 'big needs 20000 bytes of workgroup memory',
  ]);
});

test('saved figures are read as they were written', () => {
  const kernels = new Map([['linear', { key: 'abc', ...good }], ['add', { key: 'def', ...good, loops: [] }]]);
  const file = { compilers: { sm_90: 'nvcc 13' }, targets: new Map([['sm_90', kernels]]) };
  const again = parseCompiled(showCompiled(file));
  assert.equal(Object.fromEntries(again.targets.get('sm_90')!), Object.fromEntries(kernels));
  assert.equal(again.compilers, file.compilers);
  const now = new Map([['linear', { key: 'other', ...good }], ['new', { key: 'x', ...good }]]);
  assert.equal(changes(now, kernels), { added: ['new'], gone: ['add'], changed: ['linear'] });
});

test('a kernel for matrix units does not take the place of the usual one of its name', () => {
  const of = (key: string) => new Map([['linear', { key, ...good }]]);
  const found = kernelsOf({ targets: new Map([['sm_90', of('usual')], ['sm_90 units', of('on units')]]) }, 'sm_90')!;
  assert.equal([...found.values()].map(({ key }) => key), ['usual', 'on units']);
});

test('no kernel of the saved figures spills or needs more workgroup memory than every device has', async () => {
  const { targets } = await readCompiled();
  assert.ok(targets.size >= 7);
  for (const [target, kernels] of targets) {
    assert.ok(kernels.size > (target.endsWith(' units') ? 5 : 100), target); // the few kernels for matrix units alone
    for (const [name, { spills, scratch, shared }] of kernels) {
      assert.ok(spills === 0 && scratch === 0 && shared <= 16384, `${target}: ${name}`);
    }
  }
});

test.run();
