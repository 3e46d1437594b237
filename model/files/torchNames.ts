/** The Python names that a PyTorch checkpoint may use, and their replacements. No Python is run: any other name is an error. */
import { CheckpointFileError, shown } from './errors.js';
import { Callable, Fields } from './pickle.js';
import { MAX_RANK, viewOf, type Storage, type StoredTensor } from './tensors.js';

/** `torch.FloatStorage` and the like: safetensors' name of the type. */
export class StorageType {
  constructor(readonly dtype: string) {}
}

/** A storage on the pickle's stack. */
export class StorageValue {
  constructor(readonly storage: Storage) {}
}

/** A tensor on the pickle's stack. */
export class TensorValue {
  constructor(readonly tensor: StoredTensor) {}
}

const storageTypes: Readonly<Record<string, string>> = {
  DoubleStorage: 'F64', FloatStorage: 'F32', HalfStorage: 'F16', BFloat16Storage: 'BF16',
  LongStorage: 'I64', IntStorage: 'I32', ShortStorage: 'I16', CharStorage: 'I8', ByteStorage: 'U8', BoolStorage: 'BOOL',
};

type Call = (args: readonly unknown[]) => unknown;

const first: Call = ([value]) => value;
/** Settings and counters that training scripts store with the weights. They are not read. */
const ignored: Call = () => new Fields();

/** The pickle fills it afterwards. */
const emptyDict: Call = () => new Map();

/** `_rebuild_tensor(storage, offset, size, stride, ...)`; the second version adds what only training needs. */
const rebuildTensor: Call = ([storage, offset, shape, strides]) => {
  if (!(storage instanceof StorageValue) || !isNumbers([offset]) || !isNumbers(shape) || !isNumbers(strides)) {
    throw new CheckpointFileError('the pickle makes a tensor from something other than a storage with sizes and strides');
  }
  return new TensorValue(viewOf(storage.storage, { shape, offset: offset as number, strides }));
};

const functions: readonly (readonly [Call, readonly string[]])[] = [
  [emptyDict, ['collections.OrderedDict', 'collections.defaultdict']],
  [rebuildTensor, ['torch._utils._rebuild_tensor', 'torch._utils._rebuild_tensor_v2']],
  [first, [
    'torch._utils._rebuild_parameter', 'torch._utils._rebuild_parameter_with_state', 'torch.Size',
    'torch.jit._pickle.build_intlist', 'torch.jit._pickle.build_doublelist', 'torch.jit._pickle.build_boollist',
    'torch.jit._pickle.build_tensorlist', 'torch.jit._pickle.restore_type_tag',
  ]],
  [ignored, [
    'collections.Counter', 'torch.device', 'argparse.Namespace', 'types.SimpleNamespace', 'pathlib.PosixPath',
    'pathlib.WindowsPath', 'builtins.set', '__builtin__.set', '_codecs.encode', 'numpy.dtype', 'numpy.ndarray',
    'numpy.core.multiarray.scalar', 'numpy._core.multiarray.scalar',
    'numpy.core.multiarray._reconstruct', 'numpy._core.multiarray._reconstruct',
  ]],
];

const calls = new Map(functions.flatMap(([call, names]) => names.map((name) => [name, new Callable(name, call)] as const)));
const types = new Map(Object.entries(storageTypes).map(([name, dtype]) => [`torch.${name}`, new StorageType(dtype)]));
const dtypes = /^torch\.(float|double|half|bfloat|u?int|long|short|bool)\d*$/;

/** @throws CheckpointFileError for every name that is not on the list */
export function torchName(name: string): unknown {
  const known = calls.get(name) ?? types.get(name);
  if (known) return known;
  if (dtypes.test(name)) return new Fields();
  // The classes of a TorchScript archive are defined in the archive itself; only their fields are read.
  if (name.startsWith('__torch__.')) return new Callable(name, () => new Fields());
  throw new CheckpointFileError(`it asks for the Python object ${shown(name)}, which weights do not need, so it was not read any `
    + 'further and nothing was run; if it holds a whole model, save its state_dict() instead');
}

/** Lists may be shared and long, so their length is checked first. */
const isNumbers = (value: unknown): value is number[] =>
  Array.isArray(value) && value.length <= MAX_RANK && value.every((n) => typeof n === 'number');
