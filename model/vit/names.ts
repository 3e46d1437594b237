/** Finds a ViT among the tensors of a file, under the names of any family, and gives them this project's names. */
import { sizeOf } from '../../engine/index.js';
import { listed } from '../files/errors.js';
import type { StoredTensor, StoredTensors } from '../files/tensors.js';
import { joined } from '../rows.js';
import { CheckpointError } from './errors.js';
import { families, ZEROS, type Family, type Source } from './families.js';

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
    const anchors = [...new Set(families.map(({ anchor }) => anchor))].join(', ');
    const found = listed([...tensors.keys()], 4) || 'nothing';
    throw new CheckpointError(`it holds no ViT: expected one of the tensors ${anchors}, found ${found}`);
  }
  const { family, prefix } = best;
  const own = [...tensors.keys()].filter((name) => name.startsWith(prefix));
  const names = new Set(own.map((name) => name.slice(prefix.length)));
  const depth = countBlocks(names, family);
  const table = expand(family, Math.max(1, depth), names);
  const used = new Set([...table.values()].flatMap(({ parts }) => parts).filter((name) => name !== ZEROS));
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
    sourceOf: (name: string): string => 
      table.get(name)?.parts.filter((part) => part !== ZEROS).map((part) => prefix + part).join(' + ') ?? name,
  };
}

/** Families and prefixes whose anchor is in the file, the best first; the first family that fits, for each prefix. */
function candidates(tensors: StoredTensors): { family: Family; prefix: string }[] {
  const found = new Map<string, Family>();
  for (const family of families) {
    for (const name of tensors.keys()) {
      if (name !== family.anchor && !name.endsWith(`.${family.anchor}`)) continue;
      const prefix = name.slice(0, -family.anchor.length);
      const isMarked = (family.marks ?? []).every((mark) => tensors.has(prefix + mark));
      if (isMarked && !found.has(prefix)) found.set(prefix, family);
    }
  }
  return [...found].map(([prefix, family]) => ({ family, prefix })).sort((a, b) => rankOf(a.prefix) - rankOf(b.prefix));
}

function countBlocks(names: ReadonlySet<string>, { block }: Family): number {
  const numbers = new Set([...names].flatMap((name) => block.exec(name)?.[1] ?? []).map(Number));
  const gap = [...numbers.keys()].findIndex((_, i) => !numbers.has(i));
  if (gap >= 0) throw new CheckpointError(`block ${gap} is missing: the file has blocks up to ${Math.max(...numbers)}`);
  return numbers.size;
}

/** One parameter in a file: the names of its parts. */
interface Chosen extends Pick<Source, 'ones'> {
  readonly parts: readonly string[];
}

/** The table with every block's number in place of `{}`, and of each parameter the alternative that `names` has. */
function expand({ table }: Family, depth: number, names: ReadonlySet<string>): Map<string, Chosen> {
  const blocks = Array.from({ length: depth }, (_, i) => i);
  const inBlock = (name: string, i: number): string => name.replace('{}', String(i));
  const isThere = (part: string): boolean => blocks.some((i) => names.has(inBlock(part, i)));
  const choose = ({ names: alternatives, optional }: Source): readonly string[] | undefined =>
    alternatives.find((parts) => parts.every((part) => part === ZEROS || isThere(part)))
    ?? alternatives.find((parts) => parts.some(isThere)) ?? (optional ? undefined : alternatives[0]);
  return new Map(Object.entries(table).flatMap(([own, source]) => {
    const parts = choose(source);
    if (!parts) return [];
    const numbered = (i: number): [string, Chosen] =>
      [inBlock(own, i), { parts: parts.map((part) => inBlock(part, i)), ...(source.ones && { ones: source.ones }) }];
    return own.includes('{}') ? blocks.map(numbered) : [numbered(0)];
  }));
}

function checkWhole(
  { label, foreign, table }: Family, prefix: string, missing: readonly string[], leftOver: readonly string[],
): void {
  if (missing.length > 0) {
    const what = missing.length === 1 ? 'a tensor is missing' : `${missing.length} tensors are missing`;
    const others = leftOver.length > 0 ? `; left over: ${listed(leftOver)}` : '';
    const where = prefix === '' ? label : `${label} below "${prefix}"`;
    const pooled = table['cls_token']!.names.flat().some((name) => missing.includes(name));
    const hint = pooled ? '; ViTs without a CLS token, such as SigLIP\'s, have nothing for the appearance loss' : '';
    throw new CheckpointError(`${what}: ${listed(missing)}${others} (by ${where})${hint}`);
  }
  const strange = listed(leftOver.filter((name) => foreign.test(name)).map((name) => prefix + name), 4);
  if (strange === '') return;
  const remedy = 'use a plain ViT of DINO, DINOv2, DINOv3, timm or CLIP';
  throw new CheckpointError(`${strange} belongs to a kind of ViT that is not supported: ${remedy}`);
}

/** One parameter from its parts. */
function join({ parts: names, ones = 0 }: Chosen, get: (name: string) => StoredTensor): StoredTensor {
  const first = get(names[0]!);
  if (names.length === 1) return { ...first, shape: [...Array<number>(ones).fill(1), ...first.shape] };
  const parts = names.map((name) => (name === ZEROS ? zerosLike(first) : get(name)));
  const [, ...rest] = first.shape;
  if (parts.some(({ shape }) => shape.length === 0 || shape.slice(1).join() !== rest.join())) {
    const shapes = parts.map(({ shape }) => `[${shape.join(', ')}]`).join(', ');
    throw new CheckpointError(`${names.join(', ')} do not go together: ${shapes}`);
  }
  const rows = parts.reduce((sum, { shape }) => sum + shape[0]!, 0);
  return { shape: [rows, ...rest], dtype: first.dtype, read: () => joined(parts.map((part) => part.read())) };
}

const zerosLike = ({ shape, dtype }: StoredTensor): StoredTensor =>
  ({ shape, dtype, read: () => new Float32Array(sizeOf(shape)) });
