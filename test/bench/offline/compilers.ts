/** Compilers for GPUs that are not there, and what they made before. */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Compiled } from '../../../cli/bench/prediction.js';
import type { Kernel } from '../../../engine/index.js';
import type { StepKernel } from './kernels.js';
import { nvcc } from './nvcc.js';
import { radv } from './mesa.js';
import type { Target } from './targets.js';

export interface Compiler {
  readonly version: string;
  /** What the compiler gets to read: equal sources give equal figures. @throws Error for a kernel that it cannot have */
  readonly sourceOf: (kernel: Kernel) => string;
  /** Figures by the kernels' keys, or why a kernel does not compile. */
  readonly compile: (kernels: readonly StepKernel[], target: Target) => Promise<Map<string, Compiled | string>>;
}

/** The compilers of this machine; a text says what one lacks. */
export const compilers: Readonly<Record<Target['compiler'], () => Compiler | string>> = { nvcc, radv };

const { SPLICE_GPU_CACHE, XDG_CACHE_HOME } = process.env;
const cacheFolder = join(SPLICE_GPU_CACHE || XDG_CACHE_HOME || join(homedir(), '.cache'), 'splice-gpu');
const cacheFile = join(cacheFolder, 'compiled.json');
/** The files that read what compilers print: figures of other versions do not count. */
const readers = ['loops', 'sass', 'radv', 'nvcc', 'mesa'].map((name) => readFileSync(new URL(`${name}.js`, import.meta.url)));

/** Figures of this and earlier runs. A kernel that has not changed is not compiled again. */
export class Cache {
  readonly #known: Map<string, Compiled>;
  readonly #used = new Map<string, Compiled>();
  readonly #targets = new Set<string>();

  constructor() {
    let text = '{}';
    try {
      text = readFileSync(cacheFile, 'utf8');
    } catch {
      // the first run
    }
    this.#known = new Map(Object.entries(JSON.parse(text) as Record<string, Compiled>));
  }

  static #keyOf(kernel: Kernel, compiler: Compiler, target: Target): string {
    const hash = createHash('sha256');
    for (const part of [...readers, compiler.version, target.name, compiler.sourceOf(kernel)]) hash.update(part);
    return `${target.name}:${hash.digest('hex').slice(0, 24)}`;
  }

  /** Figures of `kernels` by their keys, or why one does not compile. */
  async compiled(kernels: readonly StepKernel[], compiler: Compiler, target: Target): Promise<Map<string, Compiled | string>> {
    this.#targets.add(target.name);
    const found = new Map<string, Compiled | string>();
    const open: { kernel: StepKernel; cacheKey: string }[] = [];
    for (const kernel of kernels) {
      try {
        const cacheKey = Cache.#keyOf(kernel.kernel, compiler, target);
        const known = this.#known.get(cacheKey);
        if (known) this.#keep(found, kernel.key, cacheKey, known);
        else open.push({ kernel, cacheKey });
      } catch (error) {
        found.set(kernel.key, (error as Error).message);
      }
    }
    if (open.length === 0) return found;
    const fresh = await compiler.compile(open.map(({ kernel }) => kernel), target);
    for (const { kernel: { key }, cacheKey } of open) {
      const figures = fresh.get(key) ?? 'the compiler said nothing';
      if (typeof figures === 'string') found.set(key, figures);
      else this.#keep(found, key, cacheKey, figures);
    }
    return found;
  }

  #keep(found: Map<string, Compiled | string>, key: string, cacheKey: string, figures: Compiled): void {
    found.set(key, figures);
    this.#used.set(cacheKey, figures);
  }

  /** Keeps what this run used, and all of the targets that it left out. */
  save(): void {
    mkdirSync(cacheFolder, { recursive: true });
    const others = [...this.#known].filter(([key]) => !this.#targets.has(key.split(':')[0]!));
    writeFileSync(cacheFile, JSON.stringify(Object.fromEntries([...others, ...this.#used])));
  }
}
