/** Damaged and malicious checkpoints: mutations of real files, and files that no program would write. */
import { serializeSafetensors } from '../../model/files/safetensors.js';
import { random } from '../helpers/random.js';
import { tinyWeights } from '../helpers/tinyVit.js';
import { fixture, op, pickle, tensorCodes, zip, type ZipPart } from '../helpers/torchFiles.js';
import { mutate, type Mutant } from './mutate.js';

/** Makes the `index`-th file of a kind. */
export type Maker = (index: number) => Mutant;

const torchFiles = ['kinds.zip.pth', 'kinds.legacy.pth', 'dino.pth', 'teacher.legacy.pth', 'clip.jit.pt'].map(fixture);
const safetensors = Buffer.from(serializeSafetensors(tinyWeights(), { made: 'for tests' }));
const weightMap = { 'a.weight': 'model-1.safetensors', 'a.bias': 'model-2.safetensors', b: 'model-1.safetensors' };
const shardIndex = Buffer.from(JSON.stringify({ metadata: { total_size: 12 }, weight_map: weightMap }));

/** The valid files that mutants are made of. */
export const seeds: readonly Buffer[] = [...torchFiles, safetensors, shardIndex];

/** The pickle and storages of a small checkpoint, to be packed again with correct checksums. */
function parts(): ZipPart[] {
  const entries = ['a', 'b.c', 'd'].flatMap((name) => [op.text(name), ...tensorCodes({ shape: [4, 4], strides: [4, 1] })]);
  const item = [op.text('k'), op.int(1), op.setItem];
  const object = [op.global('a.Config'), op.emptyTuple, op.newObject, op.emptyDict, ...item, op.build];
  const call = [op.global('os.system'), op.text('true'), op.tuple1, op.reduce, ...item];
  const set = [op.emptySet, op.mark, op.int(1), op.addItems];
  entries.push(op.text('e'), ...object, op.text('f'), ...call, op.text('g'), ...set);
  return [
    { name: 'x/data.pkl', data: pickle(op.emptyDict, op.put(0), op.mark, ...entries, op.setItems) },
    { name: 'x/data/0', data: Buffer.alloc(64, 7) },
    { name: 'x/byteorder', data: Buffer.from('little') },
  ];
}

/** A checkpoint of one pickle and one storage. */
const inZip = (pickled: Uint8Array): Buffer =>
  zip([{ name: 'x/data.pkl', data: pickled }, { name: 'x/data/0', data: Buffer.alloc(64) }]);

const inPickle: Maker = (index) => {
  const [data, ...rest] = parts() as [ZipPart, ...ZipPart[]];
  const { what, bytes } = mutate(Buffer.from(data.data), index);
  return { what: `${what} in the pickle`, bytes: zip([{ ...data, data: bytes }, ...rest]) };
};

const globals = [
  'collections.OrderedDict', 'os.system', 'torch.Size', 'argparse.Namespace', 'torch.FloatStorage', 'copyreg._reconstructor',
  'torch._tensor._rebuild_from_type_v2', 'torch._utils._rebuild_tensor_v2', 'torch.ComplexFloatStorage', '__torch__.Net',
] as const;

/** Programs of random pickle opcodes: most run for a while before they fail. */
const program: Maker = (index) => {
  const next = random(index);
  const below = (n: number): number => Math.floor(next() * n);
  const makers: (() => string)[] = [
    () => op.emptyDict, () => op.emptyList, () => op.emptyTuple, () => op.none, () => op.mark,
    () => op.int(below(5) - 2), () => op.text('ab'.repeat(below(4))), () => op.get(below(6)), () => op.put(below(6)),
    () => op.memoize, () => op.setItem, () => op.setItems, () => op.append, () => op.appends,
    () => op.tuple, () => op.tuple1, () => op.tuple2, () => op.build, () => op.reduce,
    () => op.persistent, () => op.stackGlobal, () => op.global(globals[below(globals.length)]!),
    () => op.newObject, () => op.newObjectEx, () => op.object, () => op.instance(globals[below(globals.length)]!),
    () => op.emptySet, () => op.addItems, () => op.frozenset, () => op.extension(below(9)), () => op.pop, () => op.dup,
    () => op.list, () => op.dict, () => op.line('V', 'a'), () => op.line('I', '7'), () => op.line('P', 'x'),
    () => tensorCodes({ offset: below(4), shape: [below(5), below(5)], strides: [below(5), below(3)] }).join(''),
  ];
  const codes = Array.from({ length: 1 + below(400) }, () => makers[below(makers.length)]!());
  // A stack to take from, so that the first opcodes do not end the program.
  const stack = Array.from({ length: 20 }, () => (next() < 0.5 ? op.get(below(2)) : op.emptyList));
  return { what: 'random program', bytes: inZip(pickle(op.emptyDict, op.put(0), op.put(1), ...stack, ...codes)) };
};

const names = [
  '/etc/passwd', '../../x', 'x/../../data.pkl', 'C:\\x', '\\\\host\\x', '',
  'x/data/0', 'x\0/data.pkl', 'x/data.pkl', 'a'.repeat(2000),
];
const fields = ['method', 'flags', 'crc', 'packed', 'size', 'header'] as const;

/** Directories with wrong sizes (as of zip bombs), offsets, methods, names and numbers of entries. */
const directory: Maker = (index) => {
  const next = random(index);
  const number = (): number => Math.floor(2 ** (32 * next()));
  const value = (field: string): number => (field === 'method' || field === 'flags' ? number() & 0xffff : number());
  const change = Object.fromEntries(fields.filter(() => next() < 0.25).map((field) => [field, value(field)]));
  const all = parts().map((part) => (next() < 0.5 ? { ...part, change } : part));
  if (next() < 0.4) all.push({ name: names[Math.floor(next() * names.length)]!, data: Buffer.alloc(8) });
  return { what: 'wrong directory', bytes: zip(all, next() < 0.2 ? number() & 0xffff : all.length) };
};

/** A mutated header with its correct length. */
const header: Maker = (index) => {
  const length = Number(safetensors.readBigUInt64LE(0));
  const { what, bytes } = mutate(safetensors.subarray(8, 8 + length), index);
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(bytes.length));
  return { what: `${what} in the header`, bytes: Buffer.concat([size, bytes, safetensors.subarray(8 + length)]) };
};

/** Kinds of files by name, each with its percentage. */
export const kinds: readonly { readonly name: string; readonly share: number; readonly make: Maker }[] = [
  { name: 'PyTorch, mutated', share: 30, make: (index) => mutate(torchFiles[index % torchFiles.length]!, index) },
  { name: 'PyTorch, pickle mutated, archive valid', share: 20, make: inPickle },
  { name: 'PyTorch, random pickle programs', share: 10, make: program },
  { name: 'zip, wrong directories', share: 10, make: directory },
  { name: 'safetensors, mutated', share: 15, make: (index) => mutate(safetensors, index) },
  { name: 'safetensors, header mutated, length correct', share: 10, make: header },
  { name: 'shard index, mutated', share: 5, make: (index) => mutate(shardIndex, index) },
];

const repeated = (count: number, text: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => text(i)).join('');

function withHeader(text: string): Buffer {
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(Buffer.byteLength(text)));
  return Buffer.concat([size, Buffer.from(text)]);
}

const bomb = (codes: string): Buffer => inZip(pickle(codes));
const tensor = tensorCodes().join('');

/** A dict of two items, both the memo's entry i, kept as entry i + 1. */
const doubled = (i: number): string =>
  op.emptyDict + op.text('a') + op.get(i) + op.setItem + op.text('b') + op.get(i) + op.setItem + op.put(i + 1);

/** Files that ask for as much memory or time as the bounds allow. */
export const bombs: Readonly<Record<string, () => Buffer>> = {
  'a pickle of a million dicts': () => bomb(repeated(1_000_000, () => op.emptyDict)),
  'a pickle of dicts, each kept in the memo': () => bomb(repeated(74_000, () => op.emptyDict + op.memoize)),
  'a pickle of one text of 7 MB, recalled 140 000 times': () =>
    bomb(op.text('x'.repeat(7e6)) + op.put(0) + repeated(140_000, () => op.get(0))),
  'a pickle whose tuples double 100 times': () =>
    bomb(op.emptyDict + op.put(0) + repeated(100, (i) => op.get(i) + op.get(i) + op.tuple2 + op.put(i + 1))),
  'a pickle whose dicts double 100 times': () => bomb(op.emptyDict + op.put(0) + repeated(100, doubled)),
  'a dict in itself': () => bomb(op.emptyDict + op.put(0) + op.text('a') + op.get(0) + op.setItem),
  'a list of 100 000 as the shape of every tensor': () => {
    const list = op.emptyList + op.put(0) + op.mark + repeated(100_000, () => op.none) + op.appends;
    return bomb(list + repeated(2000, () => tensor.replace(op.mark + op.int(16) + op.tuple, op.get(0))));
  },
  'five thousand tensors over one storage': () =>
    bomb(op.emptyDict + repeated(5_000, (i) => op.text(`t${i}`) + tensor + op.setItem)),
  'a pickle of 140 000 objects of an unknown class in one list': () =>
    bomb(op.global('a.B') + op.put(0) + op.emptyList + op.mark + repeated(140_000, () => op.get(0)) + op.appends),
  'a pickle of 35 000 calls of an unknown function, each with its attributes': () => {
    const call = op.get(0) + op.emptyTuple + op.reduce + op.get(1) + op.build;
    const begin = op.global('a.b') + op.put(0) + op.emptyDict + op.put(1) + op.emptyList + op.mark;
    return bomb(begin + repeated(35_000, () => call) + op.appends);
  },
  'a pickle of 740 000 numbers': () => bomb(op.mark + repeated(740_000, (i) => op.int(i)) + op.tuple),
  'a pickle of one list of 20 000 pairs for 20 000 dicts': () => {
    const pairs = op.emptyList + op.put(0) + op.mark + repeated(20_000, () => op.none + op.none + op.tuple2) + op.appends;
    return bomb(pairs + repeated(20_000, () => op.global('collections.OrderedDict') + op.get(0) + op.tuple1 + op.reduce));
  },
  'a tensor of a subclass made of itself': () => {
    const make = op.global('torch._tensor._rebuild_from_type_v2');
    const args = op.emptyList + op.put(0) + op.mark + make + op.none + op.get(0) + op.appends;
    return bomb(args + op.pop + make + op.get(0) + op.reduce);
  },
  'a pickle of unknown objects in one another, 40 000 deep': () =>
    bomb(repeated(40_000, () => op.global('a.b')) + op.emptyTuple + repeated(40_000, () => op.reduce + op.tuple1)),
  'a safetensors header of brackets': () => withHeader(`{"a":${'['.repeat(2_000_000)}`),
  'a safetensors header of 99 000 brackets and many numbers': () =>
    withHeader(`{"a":${'['.repeat(99_000)}${']'.repeat(99_000)},"b":[${'0,'.repeat(800_000)}0]}`),
  'a safetensors header of 20 000 tensors that are not there': () => {
    const entry = (i: number): string => `"t${i}":{"dtype":"F32","shape":[1],"data_offsets":[${4 * i},${4 * i + 4}]}`;
    return withHeader(`{${Array.from({ length: 20_000 }, (_, i) => entry(i)).join(',')}}`);
  },
  'an archive of 19 000 entries with long names': () =>
    zip(Array.from({ length: 19_000 }, (_, i) => ({ name: `x/${'n'.repeat(480)}${i}`, data: Buffer.alloc(1) }))),
  'an archive whose entry claims 4 GB': () => {
    const change = { packed: 0xfffffff0, size: 0xfffffff0 };
    return zip([{ name: 'x/data.pkl', data: Buffer.from('\x80\x02}.', 'latin1'), change }]);
  },
  'deflated zeros, a bomb for readers that unpack': () =>
    zip([{ name: 'x/data.pkl', data: Buffer.alloc(1000), change: { method: 8, size: 0xfffffff0 } }]),
};
