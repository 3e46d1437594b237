/** Finds a ViT among the tensors of a file, under the names of any family, and gives them this project's names. */
import { listed } from '../files/errors.js';
import type { StoredTensor, StoredTensors } from '../files/tensors.js';
import { joined } from '../rows.js';
import { CheckpointError } from './errors.js';
import { families, type Family, type Source } from './families.js';

/** A ViT in a file. Every parameter of its family's table is there; shapes are not checked. */
export type FoundVit = Readonly<ReturnType<typeof findVit>>;

/** Some checkpoints hold two networks: the teacher is the published model, and an average is better than its source. */
const ranks: readonly RegExp[] = [/(^|\.)teacher\./, /(^|[._])ema([._]|$)/];
const STUDENT = /(^|\.)student\./;

function rankOf(prefix: string): number {
  const rank = ranks.findIndex((pattern) => pattern.test(prefix));
  return rank >= 0 ? rank : ranks.length + Number(STUDENT.test(prefix));
}

/** @throws CheckpointError when there is no ViT, or when it is incomplete, with the missing and the left-over names */
export function findVit(tensors: StoredTensors) {
  const [best, ...rest] = candidates(tensors);
  if (!best) {
    const anchors = families.map(({ anchor }) => anchor).join(', ');
    const found = listed([...tensors.keys()], 4) || 'nothing';
    throw new CheckpointError(`it holds no ViT: expected one of the tensors ${anchors}, found ${found}`);
  }
  const { family, prefix } = best;
  const own = [...tensors.keys()].filter((name) => name.startsWith(prefix));
  const names = new Set(own.map((name) => name.slice(prefix.length)));
  const depth = countBlocks(names, family);
  const table = expand(family, Math.max(1, depth));
  const used = new Set([...table.values()].flatMap((source) => source.names));
  const leftOver = [...names].filter((name) => !used.has(name));
  checkWhole(family, prefix, [...used].filter((name) => !names.has(name)), leftOver);
  const get = (name: string): StoredTensor => tensors.get(prefix + name)!;
  return {
    family,
    /** The text before the family's names: `model.`, `teacher.backbone.`. */
    prefix,
    depth,
    /** Other ViTs in the same file, by prefix. */
    others: rest.map((other) => other.prefix),
    tensors: new Map([...table].map(([name, source]) => [name, join(source, get)])),
    /** The file's own name of a parameter, for errors. */
    sourceOf: (name: string): string => table.get(name)?.names.map((source) => prefix + source).join(' + ') ?? name,
  };
}

/** Families and prefixes whose anchor is in the file, the best first. */
function candidates(tensors: StoredTensors): { family: Family; prefix: string }[] {
  const found = families.flatMap((family) => [...tensors.keys()]
    .filter((name) => name === family.anchor || name.endsWith(`.${family.anchor}`))
    .map((name) => ({ family, prefix: name.slice(0, -family.anchor.length) })));
  return found.sort((a, b) => rankOf(a.prefix) - rankOf(b.prefix));
}

function countBlocks(names: ReadonlySet<string>, { block }: Family): number {
  const numbers = new Set([...names].flatMap((name) => block.exec(name)?.[1] ?? []).map(Number));
  const gap = [...numbers.keys()].findIndex((_, i) => !numbers.has(i));
  if (gap >= 0) throw new CheckpointError(`block ${gap} is missing: the file has blocks up to ${Math.max(...numbers)}`);
  return numbers.size;
}

/** The table with every block's number in place of `{}`. */
function expand({ table }: Family, depth: number): Map<string, Source> {
  const entries = Object.entries(table);
  const inBlocks = entries.filter(([name]) => name.includes('{}'));
  const numbered = (i: number): [string, Source][] => {
    const number = (name: string): string => name.replace('{}', String(i));
    return inBlocks.map(([name, source]) => [number(name), { ...source, names: source.names.map(number) }]);
  };
  const blocks = Array.from({ length: depth }, (_, i) => numbered(i));
  return new Map([...entries.filter((entry) => !inBlocks.includes(entry)), ...blocks.flat()]);
}

function checkWhole({ label, foreign }: Family, prefix: string, missing: readonly string[], leftOver: readonly string[]): void {
  if (missing.length > 0) {
    const what = missing.length === 1 ? 'a tensor is missing' : `${missing.length} tensors are missing`;
    const others = leftOver.length > 0 ? `; left over: ${listed(leftOver)}` : '';
    const where = prefix === '' ? label : `${label} below "${prefix}"`;
    throw new CheckpointError(`${what}: ${listed(missing)}${others} (by ${where})`);
  }
  const strange = listed(leftOver.filter((name) => foreign.test(name)).map((name) => prefix + name), 4);
  if (strange === '') return;
  throw new CheckpointError(`${strange} belongs to a kind of ViT that is not supported: use DINO's, timm's or CLIP's plain ViT`);
}

/** One parameter from its sources. */
function join({ names, ones = 0 }: Source, get: (name: string) => StoredTensor): StoredTensor {
  const parts = names.map(get);
  const [first] = parts as [StoredTensor, ...StoredTensor[]];
  if (parts.length === 1) return { ...first, shape: [...Array<number>(ones).fill(1), ...first.shape] };
  const [, ...rest] = first.shape;
  if (parts.some(({ shape }) => shape.length === 0 || shape.slice(1).join() !== rest.join())) {
    const shapes = parts.map(({ shape }) => `[${shape.join(', ')}]`).join(', ');
    throw new CheckpointError(`${names.join(', ')} do not go together: ${shapes}`);
  }
  const rows = parts.reduce((sum, { shape }) => sum + shape[0]!, 0);
  return { shape: [rows, ...rest], dtype: first.dtype, read: () => joined(parts.map((part) => part.read())) };
}
