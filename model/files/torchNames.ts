/** The Python names that weights in a PyTorch checkpoint are made with, and their replacements. All others give stand-ins. */
import { Callable, StandIn } from './standIn.js';
import { elementTypes } from './numbers.js';
import { MAX_RANK, unreadable, viewOf, type Storage, type StoredTensor } from './tensors.js';

/** `torch.FloatStorage` and the like. */
export class StorageType extends StandIn {
  /** @param dtype safetensors' name of the type, or PyTorch's of one that is not read. @param bytes of an element */
  constructor(name: string, readonly dtype: string, readonly bytes: number) {
    super(name);
  }
}

/** A storage on the pickle's stack. */
export class StorageValue {
  constructor(readonly storage: Storage) {}
}

/** A tensor on the pickle's stack. */
export class TensorValue {
  constructor(readonly tensor: StoredTensor) {}
}

const readableTypes: Readonly<Record<string, string>> = {
  Double: 'F64', Float: 'F32', Half: 'F16', BFloat16: 'BF16',
  Long: 'I64', Int: 'I32', Short: 'I16', Char: 'I8', Byte: 'U8', Bool: 'BOOL',
};

/** Bytes of an element of types that are not read. A legacy stream has other storages behind theirs. */
const otherTypes: Readonly<Record<string, number>> = {
  ComplexFloat: 8, ComplexDouble: 16, QInt8: 1, QUInt8: 1, QInt32: 4, QUInt4x2: 1, QUInt2x4: 1, Untyped: 1,
};

type Call = (args: readonly unknown[]) => unknown;

const first: Call = ([value]) => value;

/**
 * `OrderedDict(pairs)`, `defaultdict(factory, dict)`; mostly empty, and the pickle fills it afterwards. A list is used up: one
 * that a hostile file gives to a thousand dicts costs no more than one.
 */
const dict: Call = (args) => {
  const given = args.find((arg) => arg instanceof Map);
  if (given) return given;
  const pairs = args.flatMap((arg) => (Array.isArray(arg) ? (arg as unknown[]).splice(0) : []));
  return new Map(pairs.filter((pair): pair is [unknown, unknown] => Array.isArray(pair)));
};

/** `_reconstructor(class, base, value of the base)`: how protocols 0 and 1 make an object. A dict or tuple keeps its items. */
const reconstructed: Call = ([type, , value]) =>
  (value instanceof Map ? value : new StandIn(nameOf(type), Array.isArray(value) ? value : []));

const nameOf = (type: unknown): string => (type instanceof StandIn ? type.name : 'an object');

/** `_rebuild_tensor(storage, offset, size, stride, ...)`; the second version adds what only training needs. */
const rebuiltTensor: Call = ([storage, offset, shape, strides]) => {
  if (!(storage instanceof StorageValue) || !isNumbers([offset]) || !isNumbers(shape) || !isNumbers(strides)) {
    return new TensorValue(unreadable('made from something other than a storage with sizes and strides: the file is damaged'));
  }
  return new TensorValue(viewOf(storage.storage, { shape, offset: offset as number, strides }));
};

/** `_rebuild_from_type_v2(function, subclass, arguments, state)`: a tensor of a subclass has the numbers of a plain one. */
const rebuiltSubclass: Call = ([make, type, args]) => (
  make instanceof Callable && make.call !== rebuiltSubclass && Array.isArray(args)
    ? make.call(args) : new StandIn(nameOf(type), [make, args])
);

const functions: readonly (readonly [Call, readonly string[]])[] = [
  [dict, ['collections.OrderedDict', 'collections.defaultdict', 'builtins.dict', '__builtin__.dict']],
  [reconstructed, ['copyreg._reconstructor', 'copy_reg._reconstructor']],
  [rebuiltTensor, ['torch._utils._rebuild_tensor', 'torch._utils._rebuild_tensor_v2']],
  [rebuiltSubclass, ['torch._tensor._rebuild_from_type', 'torch._tensor._rebuild_from_type_v2']],
  [first, [
    'torch._utils._rebuild_parameter', 'torch._utils._rebuild_parameter_with_state', 'torch.nn.parameter.Parameter',
    'torch.Size', 'torch.jit._pickle.build_intlist', 'torch.jit._pickle.build_doublelist', 'torch.jit._pickle.build_boollist',
    'torch.jit._pickle.build_tensorlist', 'torch.jit._pickle.restore_type_tag',
  ]],
];

const calls = functions.flatMap(([call, names]) => names.map((name) => [name, new Callable(name, call)] as const));
const storages = [
  ...Object.entries(readableTypes).map(([name, dtype]) => [name, dtype, elementTypes.get(dtype)!.bytes] as const),
  ...Object.entries(otherTypes).map(([name, bytes]) => [name, name, bytes] as const),
].flatMap(([name, ...type]) =>
  ['torch', 'torch.storage'].map((module) => [`${module}.${name}Storage`, new StorageType(name, ...type)] as const));
const known = new Map<string, unknown>([...calls, ...storages]);

/** The replacement of a Python name. The classes of a TorchScript archive, defined in the archive itself, are stand-ins too. */
export const torchName = (name: string): unknown => known.get(name) ?? new StandIn(name);

const kinds: readonly (readonly [RegExp, string])[] = [
  [/^torch\._utils\._rebuild_sparse/, 'a sparse tensor: save it with .to_dense()'],
  [/^torch\._utils\._rebuild_qtensor$/, 'a quantized tensor: save it with .dequantize()'],
  [/^torch\._utils\._rebuild_meta/, 'a tensor of the meta device, without numbers: save the model after its weights are loaded'],
  [/^numpy\./, 'an array of NumPy: save it with torch.from_numpy()'],
];

/** What a stand-in is, and the remedy if a tensor is needed there. */
export function whyNoTensor({ name }: StandIn): string {
  const what = kinds.find(([pattern]) => pattern.test(name))?.[1];
  return what ?? `of ${name}, not a plain tensor: save the state_dict() of a plain model`;
}

/** Lists may be shared and long, so their length is checked first. */
const isNumbers = (value: unknown): value is number[] =>
  Array.isArray(value) && value.length <= MAX_RANK && value.every((n) => typeof n === 'number');
