/** Compiles kernels with NVIDIA's compiler, which needs no GPU. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { threadsOf, type Compiled } from '../../../cli/bench/prediction.js';
import { root } from '../../helpers/sources.js';
import { cudaOf } from './cuda.js';
import type { StepKernel } from './kernels.js';
import { loopsOf } from './loops.js';
import { ptxasFigures, sassOf, sectionsOf } from './sass.js';
import type { Compiler } from './compilers.js';

/** As exact as Vulkan asks of divisions, roots and small numbers, not more. */
const FLAGS = ['-cubin', '-Xptxas', '-v', '-ftz=true', '-prec-div=false', '-prec-sqrt=false', '-w', '-std=c++17'];

/** A multiprocessor of sm_90, by NVIDIA's tables. */
const SM = { registers: 65536, ofWarp: 256, warps: 64, groups: 32, sharedBytes: 227 * 1024, ofGroup: 1024, schedulers: 4 };

/** Warps that fit on a scheduler at once. */
export function occupancy(registers: number, shared: number, threads: number): number {
  const warps = Math.ceil(threads / 32);
  const ofWarp = Math.ceil((Math.ceil(registers / 8) * 8 * 32) / SM.ofWarp) * SM.ofWarp;
  const byRegisters = Math.floor(Math.floor(SM.registers / SM.schedulers / ofWarp) * SM.schedulers / warps);
  const byShared = Math.floor(SM.sharedBytes / (Math.ceil(shared / 128) * 128 + SM.ofGroup));
  const groups = Math.min(SM.groups, Math.floor(SM.warps / warps), byRegisters, byShared);
  return (groups * warps) / SM.schedulers;
}

const run = promisify(execFile);
/** What comes before kernels: more where some use matrix units. */
function prelude(kernels: readonly { readonly code: string }[]): string {
  const names = ['prelude', ...(kernels.some(({ code }) => code.includes('subgroup_matrix')) ? ['units'] : [])];
  return names.map((name) => readFileSync(join(root, `test/bench/offline/${name}.cuh`), 'utf8')).join('\n');
}

async function compileSome(kernels: readonly StepKernel[], arch: string): Promise<[string, Compiled | string][]> {
  const folder = mkdtempSync(join(tmpdir(), 'offline-'));
  const [source, binary] = [join(folder, 'kernels.cu'), join(folder, 'kernels.cubin')];
  try {
    const texts = kernels.map(({ key, kernel }) => cudaOf(kernel, `k${key}`));
    writeFileSync(source, [prelude(kernels.map(({ kernel }) => kernel)), ...texts].join('\n'));
    const { stderr } = await run('nvcc', [`-arch=${arch}`, ...FLAGS, '-o', binary, source], { maxBuffer: 1e8 });
    const [figures, sections] = [ptxasFigures(stderr), sectionsOf(readFileSync(binary))];
    return kernels.map(({ key, kernel }) => {
      const { registers, spills, scratch, shared } = figures.get(`k${key}`)!;
      const code = sassOf(sections.get(`.text.k${key}`)!);
      const waves = occupancy(registers, shared, threadsOf(kernel));
      return [key, { registers, spills, scratch, shared, waves, instructions: code.length, ...loopsOf(code) }];
    });
  } catch (error) {
    if (kernels.length === 1) return [[kernels[0]!.key, String((error as Error).message).split('\n').slice(1, 4).join(' ')]];
    const middle = Math.ceil(kernels.length / 2); // to find which one it is
    return [...(await compileSome(kernels.slice(0, middle), arch)), ...(await compileSome(kernels.slice(middle), arch))];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** NVIDIA's compiler, or what is missing. */
export function nvcc(): Compiler | string {
  const { status, stdout } = spawnSync('nvcc', ['--version'], { encoding: 'utf8' });
  if (status !== 0) return 'nvcc is not installed (CUDA toolkit 12 or later; no GPU is needed)';
  return {
    version: `nvcc ${/V([\d.]+)/.exec(stdout)?.[1] ?? ''}`,
    sourceOf: (kernel) => prelude([kernel]) + cudaOf(kernel, 'k'),
    compile: async (kernels, { name, family = name }) => {
      const count = Math.min(kernels.length, availableParallelism());
      const shares = Array.from({ length: count }, (_, i) => kernels.filter((_, k) => k % count === i));
      return new Map((await Promise.all(shares.map((share) => compileSome(share, family)))).flat());
    },
  };
}
