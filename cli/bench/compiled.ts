/** What compilers made of this version's kernels: the figures in compiled.json, which `npm run offline -- --save` writes. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packageRoot } from '../shared/files.js';
import type { Compiled, Loop } from './prediction.js';

/** Figures by the kernel's name, each with the key of the kernel that they are of. */
export type CompiledKernels = ReadonlyMap<string, Compiled & { readonly key: string }>;

export interface CompiledFile {
  /** Name and version of each target's compiler. */
  readonly compilers: Readonly<Record<string, string>>;
  readonly targets: ReadonlyMap<string, CompiledKernels>;
}

/** The target of a GPU's kernels for its matrix units, of which the rest are those of the GPU itself. */
export const unitsTarget = (name: string): string => `${name} units`;

/** All kernels of a GPU. Those for its matrix units say so after their names, which others have too. */
export const kernelsOf = ({ targets }: Pick<CompiledFile, 'targets'>, name: string): CompiledKernels | undefined => {
  const usual = targets.get(name);
  const units = [...(targets.get(unitsTarget(name)) ?? [])];
  return usual && new Map([...usual, ...units.map(([kernel, figures]) => [`${kernel} on units`, figures] as const)]);
};

export const COMPILED_FILE = join(packageRoot, 'cli', 'bench', 'compiled.json');

const FIGURES = ['registers', 'spills', 'scratch', 'shared', 'waves', 'instructions', 'loads'] as const;
const LOOP = ['all', 'fma', 'wide', 'half', 'single', 'stores', 'global', 'special', 'shuffles', 'barriers', 'units'] as const;

type Row = readonly [key: string, ...figures: (number | readonly number[])[]];
interface Json {
  readonly compilers: CompiledFile['compilers'];
  readonly targets: Readonly<Record<string, Readonly<Record<string, Row>>>>;
}

const rowOf = (figures: Compiled & { readonly key: string }): Row => [
  figures.key, ...FIGURES.map((name) => figures[name]),
  ...[figures.around, ...figures.loops].map((loop) =>
    LOOP.flatMap((name) => (loop[name] === undefined ? [] : [Math.round(100 * loop[name]) / 100]))),
];

function figuresOf([key, ...values]: Row): Compiled & { readonly key: string } {
  const named = <T extends string>(names: readonly T[], numbers: readonly unknown[]): Record<T, number> =>
    Object.fromEntries(names.flatMap((name, i) => (i < numbers.length ? [[name, numbers[i]]] : []))) as Record<T, number>;
  const [around, ...loops] = (values.slice(FIGURES.length) as (readonly number[])[]).map((loop): Loop => named(LOOP, loop));
  return { key, ...named(FIGURES, values), around: around!, loops };
}

/** A line for each kernel, so that a change of figures is a change of lines. */
export function showCompiled({ compilers, targets }: CompiledFile): string {
  const line = (name: string, value: unknown): string => `${JSON.stringify(name)}:${JSON.stringify(value)}`;
  const kernels = (of: CompiledKernels): string =>
    [...of].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, figures]) => line(name, rowOf(figures))).join(',\n');
  const parts = [...targets].map(([name, of]) => `${JSON.stringify(name)}:{\n${kernels(of)}\n}`);
  const columns = JSON.stringify(['key', ...FIGURES, LOOP, '...']);
  return `{"columns":${columns},\n"compilers":${JSON.stringify(compilers)},\n"targets":{${parts.join(',')}}}\n`;
}

export function parseCompiled(text: string): CompiledFile {
  const { compilers, targets } = JSON.parse(text) as Json;
  const kernels = (rows: Readonly<Record<string, Row>>): CompiledKernels =>
    new Map(Object.entries(rows).map(([name, row]) => [name, figuresOf(row)]));
  return { compilers, targets: new Map(Object.entries(targets).map(([name, rows]) => [name, kernels(rows)])) };
}

export const readCompiled = async (path = COMPILED_FILE): Promise<CompiledFile> => parseCompiled(await readFile(path, 'utf8'));
