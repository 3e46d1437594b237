/** Checkpoints as people have them: the circumstance, a small file of our own that has it, and what must come of it. */
import { serializeSafetensors, type Weight } from '../../model/files/safetensors.js';
import { elementsOf } from '../../model/files/tensors.js';
import { tinyWeights } from '../helpers/tinyVit.js';
import { legacyTorch, op, pickle, tensorCodes, torchZip, zip, type TensorFields } from '../helpers/torchFiles.js';

/** The file is a ViT, the `takes`-th in it from 0, and the command says so in a line like `says`, or says nothing. */
interface Read {
  readonly takes: number;
  readonly says?: RegExp;
}

/** The file is refused in one line like this. */
interface Refused {
  readonly refused: RegExp;
}

export interface FieldCheckpoint {
  readonly circumstance: string;
  readonly make: () => Uint8Array;
  readonly expected: Read | Refused;
  /** The file's name, if it matters. */
  readonly name?: string;
}

const weights = [...tinyWeights()];
const total = weights.reduce((sum, [, { shape }]) => sum + elementsOf(shape), 0);
/** The numbers of the `which`-th ViT of a file are all this. */
export const valueOf = (which: number): number => Math.fround(0.01 * (which + 1));
const COPIES = 3;
/** The storage `0`: three ViTs, one after the other. */
const storage = new Uint8Array(Float32Array.from({ length: COPIES * total }, (_, i) => valueOf(Math.floor(i / total))).buffer);

const contiguous = (shape: readonly number[]): number[] => shape.map((_, axis) => elementsOf(shape.slice(axis + 1)));

interface Change {
  readonly prefix?: string;
  /** Number of the ViT in the storage. */
  readonly which?: number;
  /** Codes of a value in place of a tensor, by the tensor's name; none for a tensor that is missing. */
  readonly instead?: Readonly<Record<string, string>>;
  /** Wraps the codes of each tensor. */
  readonly wrap?: (codes: string) => string;
  readonly fields?: TensorFields;
}

/** The codes of each tensor of a ViT, by name. */
function entries(change: Change = {}): [string, string][] {
  const { prefix = '', which = 0, instead = {}, wrap = (codes: string) => codes, fields = {} } = change;
  let offset = which * total;
  return weights.map(([name, { shape }]): [string, string] => {
    const codes = tensorCodes({ count: COPIES * total, offset, shape, strides: contiguous(shape), ...fields }).join('');
    offset += elementsOf(shape);
    return [prefix + name, instead[name] ?? wrap(codes)];
  }).filter(([, codes]) => codes !== '');
}

/** Codes that set them as items of the dict on the stack. */
const items = (change?: Change): string => entries(change).map(([name, codes]) => op.text(name) + codes + op.setItem).join('');

const vit = (change?: Change): string => op.emptyDict + items(change);
const dict = (entries: Readonly<Record<string, string>>): string =>
  op.emptyDict + Object.entries(entries).map(([key, value]) => op.text(key) + value + op.setItem).join('');
const tuple = (...values: string[]): string => op.mark + values.join('') + op.tuple;
const list = (...values: string[]): string => op.emptyList + op.mark + values.join('') + op.appends;
const call = (name: string, ...args: string[]): string => op.global(name) + tuple(...args) + op.reduce;
/** An object of a class, with items and attributes. */
const object = (name: string, { state = '', rest = '' }: { state?: string; rest?: string } = {}): string =>
  op.global(name) + op.emptyTuple + op.newObject + rest + (state && state + op.build);

const file = (...codes: string[]): Buffer => torchZip(codes, storage);
/** A ViT with something else beside it. */
const beside = (value: string): (() => Buffer) => () => file(dict({ epoch: op.int(3), other: value, model: vit(), last: value }));
const row = (circumstance: string, make: () => Uint8Array, expected: Read | Refused, name?: string): FieldCheckpoint =>
  ({ circumstance, make, expected, ...(name !== undefined && { name }) });

const plain: Read = { takes: 0 };
const numbers = (count: number): string => list(Array.from({ length: count }, (_, i) => op.int(i)).join(''));
const circle = op.global('runner.Trainer') + op.emptyTuple + op.newObject + op.put(9) + dict({ self: op.get(9) }) + op.build;
const sparse = call('torch._utils._rebuild_sparse_tensor', object('torch.sparse_coo'), tuple(tensorCodes().join(''), op.none));
const bytes = (text: string): string => `B${Buffer.from(Uint32Array.of(text.length).buffer).toString('latin1')}${text}`;
const complex = tensorCodes({ key: 'c', type: 'torch.ComplexFloatStorage', count: 4, shape: [4] }).join('');

const besideWeights = Object.entries({
  'a dict subclass of a framework, with attributes':
    object('lightning.AttributeDict', { rest: op.text('lr') + op.int(1) + op.setItem, state: dict({ x: op.none }) }),
  'an object of a class of the script': object('train.Settings', { state: dict({ width: op.int(5) }) }),
  'a defaultdict of lists':
    call('collections.defaultdict', op.global('builtins.list')) + op.text('k') + op.emptyList + op.setItem,
  'a set and a frozenset of protocol 4':
    tuple(op.emptySet + op.mark + op.int(1) + op.addItems, op.mark + op.int(1) + op.frozenset),
  'a complex number': call('builtins.complex', op.int(1), op.int(2)),
  'a date, a slice and a range': tuple(
    call('datetime.datetime', bytes('\x07\xe9\x01')), call('builtins.slice', op.int(1), op.none),
    call('builtins.range', op.int(3))),
  'a deque of numbers': call('collections.deque', op.emptyList, op.int(9)) + op.mark + op.int(1) + op.int(2) + op.appends,
  'a member of an enum': call('train.Phase', op.int(2)),
  'a partial function and a method': tuple(
    object('functools.partial', { state: tuple(op.global('a.f'), op.emptyTuple, op.emptyDict, op.none) }),
    call('builtins.getattr', object('a.B'), op.text('run'))),
  'an object with keyword arguments and one with slots': tuple(
    op.global('a.B') + op.emptyTuple + dict({ k: op.int(1) }) + op.newObjectEx,
    object('a.C', { state: tuple(op.none, dict({ slot: op.int(1) })) })),
  'a trainer that holds itself': circle,
  'a log of 200 000 numbers': numbers(200_000),
  'a text of 100 000 letters': op.text('x'.repeat(100_000)),
  'random states of NumPy, as bytes':
    call('numpy.random._pickle.__generator_ctor', op.text('MT19937'), bytes('\0'.repeat(10_000))),
  'a byte array of protocol 5 and a buffer outside of the pickle':
    tuple(`\x96${Buffer.from(new BigUint64Array([3n]).buffer).toString('latin1')}abc`, '\x97\x98'),
  'a sparse tensor': sparse,
  'a quantized tensor': call('torch._utils._rebuild_qtensor', op.none, op.int(0)),
  'a tensor of the meta device': call('torch._utils._rebuild_meta_tensor_no_storage', op.global('torch.float32'), op.emptyTuple),
  'a complex tensor': complex,
  'an expanded tensor, larger than its storage': tensorCodes({ shape: [64], strides: [0] }).join(''),
  'a call of a function of the system': call('os.system', op.text('true')),
  'values in the opcodes of protocol 0': tuple(
    op.line('I', '01'), op.line('L', '12L'), op.line('F', '1.5'), op.line('S', "'a\\'b'"), op.line('V', 'gr\\u00fc\\u00df'),
    op.mark + op.int(5) + op.line('p', '3') + op.line('g', '3') + op.list, op.mark + op.text('k') + op.none + op.dict,
    op.mark + op.instance('a.Old'), op.mark + op.global('a.Old') + op.int(1) + op.object, op.none + op.dup + op.pop),
  'an object of an extension code, and one outside of the pickle':
    tuple(op.extension(7), op.line('P', 'x'), op.text('y') + op.persistent),
  'two tensors of one name':
    dict({ 'a.b': tensorCodes().join(''), a: dict({ b: tensorCodes({ shape: [4] }).join('') }) }),
}).map(([what, codes]) => row(`beside the weights: ${what}`, beside(codes), plain));

const parameter = (codes: string): string => call('torch.nn.parameter.Parameter', codes, op.true);
const subclass = (codes: string): string => {
  const make = op.global('torch._utils._rebuild_tensor_v2');
  const args = codes.slice(make.length, -op.reduce.length);
  return call('torch._tensor._rebuild_from_type_v2', make, op.global('lib.Weight'), args, op.emptyDict);
};
/** A module as pickle has it. */
const module = (parameters: string, modules: string): string =>
  object('net.Part', { state: dict({ training: op.true, _parameters: parameters, _buffers: op.emptyDict, _modules: modules }) });

function wholeModule(): Buffer {
  const tree: Record<string, unknown> = {};
  for (const [name, codes] of entries()) {
    let at = tree;
    for (const part of name.split('.').slice(0, -1)) at = (at[part] ??= {}) as Record<string, unknown>;
    at[name.split('.').at(-1)!] = codes;
  }
  const write = (node: Record<string, unknown>): string => {
    const of = (kind: string) => Object.entries(node).filter(([, value]) => typeof value === kind);
    const parameters = dict(Object.fromEntries(of('string')) as Record<string, string>);
    const modules = of('object').map(([key, value]) => [key, write(value as Record<string, unknown>)] as const);
    return module(parameters, dict(Object.fromEntries(modules)));
  };
  return file(write(tree));
}

const wraps: readonly FieldCheckpoint[] = [
  row('the weights in a dict subclass', () => file(object('train.State', { rest: items() })), plain),
  row('the weights in an OrderedDict of Python 2, a list of pairs', () => file(call('collections.OrderedDict',
    list(...entries().map(([name, codes]) => list(op.text(name), codes))))), plain),
  row('the weights in a dict subclass of protocol 1',
    () => file(call('copy_reg._reconstructor', op.global('a.State'), op.global('__builtin__.dict'), vit())), plain),
  row('the weights as an attribute of an object',
    () => file(object('collections.UserDict', { state: dict({ data: vit() }) })), plain),
  row('the weights in an object with slots',
    () => file(object('a.Saved', { state: tuple(op.none, dict({ net: vit() })) })), plain),
  row('a whole pickled module', wholeModule, plain),
  row('parameters of PyTorch 0.4', () => file(vit({ wrap: parameter })), plain),
  row('tensors of a subclass', () => file(vit({ wrap: subclass })), plain),
  row('a pair of weights and epoch', () => file(tuple(vit(), op.int(7))), plain),
  row('a list of epoch and weights', () => file(list(op.int(7), vit())), plain),
  row('a pair in a pair', () => file(tuple(tuple(op.none, dict({ net: vit() })), op.int(1))), plain),
  row('a named tuple', () => file(op.global('a.Saved') + tuple(op.int(1), vit()) + op.newObject), plain),
  row('a list of two networks', () => file(list(vit(), vit({ which: 1 }))),
    { takes: 0, says: /several ViTs: "0\." is used, not "1\."/ }),
  row('protocol 4, with names from the stack', () => file(op.text('collections') + op.text('OrderedDict') + op.stackGlobal
    + op.emptyTuple + op.reduce + items()), plain),
  row('a named tuple of protocol 1', () =>
    file(call('copy_reg._reconstructor', op.global('a.Saved'), op.global('__builtin__.tuple'), tuple(op.int(1), vit()))), plain),
  ...[1, 2, 3, 4, 5].map((protocol) => row(`a legacy stream of protocol ${protocol}`,
    () => legacyTorch([vit()], [{ key: '0', count: COPIES * total, bytes: storage }], protocol), plain)),
  row('a legacy stream, with a storage of an unread type first', () => {
    const first = dict({ c: complex, model: vit({ fields: { key: 'f' } }) });
    return legacyTorch([first], [
      { key: 'c', count: 4, bytes: new Uint8Array(32) }, { key: 'f', count: COPIES * total, bytes: storage },
    ]);
  }, plain),
];

/** A file of several networks, in this order; the first is number 0. */
const networks = (...prefixes: string[]) => () =>
  file(op.emptyDict + prefixes.map((prefix, which) => items({ prefix, which })).join(''));
const chosen = (prefixes: readonly string[], takes: number): FieldCheckpoint => {
  const quoted = `"${prefixes[takes]!}"`;
  return row(`of ${prefixes.join(' and ')} the ${takes === 0 ? 'first' : 'second'} is meant`, networks(...prefixes),
    { takes, says: new RegExp(`several ViTs: ${quoted.replaceAll('.', '\\.')} is used, not `) });
};

const choices: readonly FieldCheckpoint[] = [
  chosen(['student_model.', 'teacher_model.'], 1),
  chosen(['studentModel.', 'teacherModel.'], 1),
  chosen(['StudentNet.', 'TeacherNet.'], 1),
  chosen(['module.student.', 'module.teacher.'], 1),
  chosen(['model.', 'model_ema.'], 1),
  chosen(['model.', 'modelEMA.module.'], 1),
  chosen(['EMAModel.', 'model.'], 0),
  chosen(['online_encoder.', 'target_encoder.'], 1),
  chosen(['onlineNetwork.vit.', 'network.vit.'], 1),
  chosen(['base_encoder.', 'momentum_encoder.'], 1),
  chosen(['model.', 'averaged_model.module.'], 1),
  chosen(['student_ema.', 'student.'], 0),
  chosen(['model.', 'cinema.'], 0),
  chosen(['net.', 'targets.'], 0),
];

const remade = (change: Change): (() => Buffer) => () => file(vit(change));
const KEY = 'blocks.0.attn.qkv.weight';
const NUMPY = call('numpy.core.multiarray._reconstruct', op.global('numpy.ndarray'), tuple(op.int(0)), bytes('b'));
const withoutBiases = Object.fromEntries([0, 1].map((i) => [`blocks.${i}.attn.qkv.bias`, '']));

const refusals: readonly FieldCheckpoint[] = [
  row('a needed tensor is sparse', remade({ instead: { [KEY]: sparse } }),
    { refused: /blocks\.0\.attn\.qkv\.weight is a sparse tensor: save it with \.to_dense\(\)$/ }),
  row('needed tensors are quantized', remade({ wrap: () => call('torch._utils._rebuild_qtensor', op.none) }),
    { refused: /found no tensors, but .*cls_token \(a quantized tensor: save it with \.dequantize\(\)\)/ }),
  row('a needed tensor is an array of NumPy', remade({ instead: { [KEY]: NUMPY } }),
    { refused: /blocks\.0\.attn\.qkv\.weight is an array of NumPy: save it with torch\.from_numpy\(\)$/ }),
  row('a needed tensor is of an unknown class', remade({ instead: { [KEY]: call('lib.Packed', op.int(1)) } }),
    { refused: /blocks\.0\.attn\.qkv\.weight is of lib\.Packed, not a plain tensor: save the state_dict\(\)/ }),
  row('a needed tensor is complex', remade({ instead: { [KEY]: complex } }),
    { refused: /blocks\.0\.attn\.qkv\.weight is of type ComplexFloat: save it as one of F64, F32/ }),
  row('a needed tensor is on the meta device',
    remade({ instead: { [KEY]: call('torch._utils._rebuild_meta_tensor_no_storage', op.none) } }),
    { refused: /is a tensor of the meta device, without numbers: save the model after its weights are loaded$/ }),
  row('two tensors have the name of a needed one', () => file(dict({
    blocks: dict({ 0: dict({ 'attn.qkv.weight': tensorCodes({ shape: [4] }).join('') }) }),
  }) + items()), { refused: /blocks\.0\.attn\.qkv\.weight is there twice/ }),
  row('no biases of queries, keys and values', remade({ instead: withoutBiases }),
    { refused: /: 2 tensors are missing: blocks\.0\.attn\.qkv\.bias, blocks\.1\.attn\.qkv\.bias \(by [^;]*\); save/ }),
  row('no CLS token', remade({ instead: { cls_token: '' } }),
    { refused: /a tensor is missing: cls_token \(by .*; use one that has it$/ }),
  row('a block is missing', remade({ instead: Object.fromEntries(weights.map(([name]) => [name, '']).filter(([name]) =>
    name!.startsWith('blocks.0.'))) }), { refused: /block 0 is missing: .*; save the whole ViT/ }),
  row('a pickled function of the system in place of weights', () => torchZip([call('os.system', op.text('true'))]),
    { refused: /asks for the Python object os\.system, so nothing was read and nothing was run; if it is a whole model, save/ }),
  row('a dict of settings alone', () => file(dict({ lr: op.int(1), net: object('a.Net') })),
    { refused: /found no tensors, but net \(of a\.Net, .*; give a checkpoint of DINO/ }),
  row('a file that is cut short', () => file(vit()).subarray(0, 9000),
    { refused: /the zip archive has no end: .*; get the file again$/ }),
  row('a damaged storage', () => {
    const damaged = file(vit());
    damaged[damaged.length - 1000]! ^= 1;
    return damaged;
  }, { refused: /in the archive is damaged: .*; get the file again$/ }),
  row('a page in place of the file', () => Buffer.from('<!doctype html><title>Log in</title>'),
    { refused: /is a web page.*again$/ }),
  row('a picture in place of the file', () => Buffer.from('\x89PNG\r\n\x1a\n....', 'latin1'),
    { refused: /a picture.*give the file/ }),
  row('a pointer of Git LFS', () => Buffer.from('version https://git-lfs.github.com/spec/v1\n'),
    { refused: /LFS.*\(git lfs pull\)$/ }),
  row('a pickle that torch.save did not write', () => pickle(op.emptyDict), { refused: /; save the weights with torch\.save$/ }),
  row('an archive that was packed again', () => zip([{ name: 'x/data.pkl', data: pickle(vit()), change: { method: 8 } }]),
    { refused: /compressed \(method 8\).*; pack the archive again without compression$/ }),
  row('weights that are not finite', () => serializeSafetensors(new Map([...weights, ['cls_token', nan([1, 1, 8])]])),
    { refused: /not finite \(NaN or infinity\) in cls_token; use a checkpoint from before its training diverged$/ }),
];

function nan(shape: readonly number[]): Weight {
  return { shape, data: new Float32Array(elementsOf(shape)).fill(NaN) };
}

/** A safetensors file with one more tensor of a type, of eight bytes; `name` may be that of a needed one. */
function typed(dtype: string, shape: readonly number[], name = 'aux'): Uint8Array {
  const others = new Map(weights.filter(([own]) => own !== name));
  const whole = Buffer.from(serializeSafetensors(others));
  const length = Number(whole.readBigUInt64LE(0));
  const header = JSON.parse(whole.toString('utf8', 8, 8 + length)) as Record<string, unknown>;
  const size = whole.length - 8 - length;
  const text = Buffer.from(JSON.stringify({ ...header, [name]: { dtype, shape, data_offsets: [size, size + 8] } }));
  const claim = Buffer.from(new BigUint64Array([BigInt(text.length)]).buffer);
  return Buffer.concat([claim, text, whole.subarray(8 + length), Buffer.alloc(8)]);
}

const SAFETENSORS = 'a.safetensors';

const types: readonly FieldCheckpoint[] = [
  ...Object.entries({ F8_E4M3: [8], F8_E5M2: [8], C64: [1], F4: [16], F8_E8M0: [2, 4], U64: [1], NEW_TYPE: [3] }).map(
    ([dtype, shape]) => row(`beside the weights: a tensor of ${dtype}`, () => typed(dtype, shape), plain, SAFETENSORS)),
  row('safetensors: a needed tensor of F8_E4M3', () => typed('F8_E4M3', [1, 1, 8], 'cls_token'),
    { refused: /cls_token is of type F8_E4M3: save it as one of F64, F32, F16, BF16/ }, SAFETENSORS),
];

export const fieldCheckpoints: readonly FieldCheckpoint[] = [...besideWeights, ...wraps, ...choices, ...refusals, ...types];
