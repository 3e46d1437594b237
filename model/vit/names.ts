/** Finds a ViT among the tensors of a file, under the names of any family, and gives them this project's names. */
import { sizeOf } from '../../engine/index.js';
import { listed, shown } from '../files/errors.js';
import type { StoredTensor, StoredTensors } from '../files/tensors.js';
import { joined } from '../rows.js';
import { CheckpointError } from './errors.js';
import { families, ZEROS, type Family, type Source } from './families.js';

/** A ViT in a file. Every parameter of its family's table is there; shapes are not checked. */
export type FoundVit = Readonly<ReturnType<typeof findVit>>;

/**
 * Some checkpoints hold several networks. The teacher is the published model, and an average is better than its source; neither
 * word stands for the network that is trained. Words by rank, after those comes everything else, then the last.
 */
const ranks: readonly (readonly string[])[] = [['teacher'], ['ema', 'momentum', 'target', 'average', 'averaged', 'swa']];
const TRAINED = ['student', 'online'];

/** The words of a name, in small letters: `module.studentModel_ema.` has four. */
const wordsOf = (name: string): string[] =>
  (name.match(/[A-Z]+(?![a-z])|[A-Z]?[a-z]+/g) ?? []).map((word) => word.toLowerCase());

function rankOf(prefix: string): number {
  const words = wordsOf(prefix);
  const has = (these: readonly string[]): boolean => these.some((word) => words.includes(word));
  const rank = ranks.findIndex(has);
  return rank >= 0 ? rank : ranks.length + Number(has(TRAINED));
}

/** @throws CheckpointError when there is no ViT, or when it is incomplete, with the missing and the left-over names */
export function findVit(tensors: StoredTensors) {
  const [best, ...rest] = candidates(tensors);
  if (!best) throw noVit(tensors);
  const { family, prefix } = best;
  const own = [...tensors].filter(([name]) => name.startsWith(prefix));
  const names = new Set(own.filter(([, tensor]) => isReadable(tensor)).map(([name]) => name.slice(prefix.length)));
  const depth = countBlocks(names, family);
  const table = expand(family, Math.max(1, depth), names);
  const used = new Set([...table.values()].flatMap(({ parts }) => parts).filter((name) => name !== ZEROS));
  const leftOver = [...names].filter((name) => !used.has(name));
  const missing = [...used].filter((name) => !names.has(name));
  checkReadable(missing.map((name) => prefix + name), tensors);
  checkWhole(family, prefix, missing, leftOver);
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

const isReadable = ({ unreadable }: StoredTensor): boolean => unreadable === undefined;

function noVit(tensors: StoredTensors): CheckpointError {
  const anchors = [...new Set(families.map(({ anchor }) => anchor))].join(', ');
  const others = [...tensors.others?.entries() ?? []].slice(0, 2).map(([name, what]) => `${shown(name)} (${shown(what)})`);
  const found = listed([...tensors.keys()], 4) || (others.length > 0 ? `no tensors, but ${others.join(', ')}` : 'nothing');
  const remedy = 'give a checkpoint of DINO, DINOv2, DINOv3, timm or CLIP';
  return new CheckpointError(`it holds no ViT: expected one of the tensors ${anchors}, found ${found}`, remedy);
}

/** @throws CheckpointError for the first of `missing` that is there as something else */
function checkReadable(missing: readonly string[], tensors: StoredTensors): void {
  const unreadable = missing.flatMap((name) => {
    const why = tensors.get(name)?.unreadable ?? tensors.others?.get(name);
    return why === undefined ? [] : [`${shown(name)} is ${shown(why, 200)}`];
  });
  if (unreadable.length === 0) return;
  const more = unreadable.length > 1 ? ` (and ${unreadable.length - 1} more cannot be read)` : '';
  throw new CheckpointError(`${unreadable[0]!}${more}`, '');
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
  const most = (): number => [...numbers].reduce((a, b) => Math.max(a, b));
  if (gap >= 0) throw new CheckpointError(`block ${gap} is missing: the file has blocks up to ${most()}`, SAVE_ALL);
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

const SAVE_ALL = 'save the whole ViT, all of its state_dict(), or use another';

/** Where a name would have to be another's: in the same part of the ViT, or beside all parts. */
const partOf = (name: string): string => (name.includes('.') ? name.slice(0, name.indexOf('.')) : '');

function checkWhole(
  { label, foreign, table }: Family, prefix: string, missing: readonly string[], leftOver: readonly string[],
): void {
  if (missing.length > 0) {
    const what = missing.length === 1 ? 'a tensor is missing' : `${missing.length} tensors are missing`;
    const near = leftOver.filter((name) => missing.some((other) => partOf(other) === partOf(name)));
    const others = near.length > 0 ? `; left over: ${listed(near)}` : '';
    const where = prefix === '' ? label : `${label} below "${shown(prefix)}"`;
    const pooled = table['cls_token']!.names.flat().some((name) => missing.includes(name));
    const hint = pooled ? '; ViTs without a CLS token, such as SigLIP\'s, have nothing for the appearance loss' : '';
    const remedy = hint ? 'use one that has it' : SAVE_ALL;
    throw new CheckpointError(`${what}: ${listed(missing)}${others} (by ${where})${hint}`, remedy);
  }
  const strange = listed(leftOver.filter((name) => foreign.test(name)).map((name) => prefix + name), 4);
  if (strange === '') return;
  const remedy = 'use a plain ViT of DINO, DINOv2, DINOv3, timm or CLIP';
  throw new CheckpointError(`${strange} belongs to a kind of ViT that is not supported`, remedy);
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
