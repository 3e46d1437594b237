/** The Python names that a PyTorch checkpoint may use, and what stands in for each. Nothing of Python is run: a name that is not here ends the reading. */
import { CheckpointFileError, shown } from './errors.js';
import { Callable, Fields } from './pickle.js';
import { MAX_RANK, viewOf, type Storage, type StoredTensor } from './tensors.js';

/** What `torch.FloatStorage` and the like stand for: safetensors' name of the type. */
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
/** Settings and counters that training scripts leave beside the weights: nothing in them is looked at. */
const ignored: Call = () => new Fields();

/** Filled by what follows in the pickle. */
const emptyDict: Call = () => new Map();

/** `_rebuild_tensor(storage, offset, size, stride, ...)`; the second version adds what only training needs. */
const rebuildTensor: Call = ([storage, offset, shape, strides]) => {
  if (!(storage instanceof StorageValue) || !isNumbers([offset]) || !isNumbers(shape) || !isNumbers(strides)) {
    throw new CheckpointFileError('the pickle makes a tensor of what is none');
  }
  return new TensorValue(viewOf(storage.storage, { shape, offset: offset as number, strides }));
};

const functions: Readonly<Record<string, Call>> = {
  'collections.OrderedDict': emptyDict,
  'collections.defaultdict': emptyDict,
  'collections.Counter': ignored,
  'torch._utils._rebuild_tensor': rebuildTensor,
  'torch._utils._rebuild_tensor_v2': rebuildTensor,
  'torch._utils._rebuild_parameter': first,
  'torch._utils._rebuild_parameter_with_state': first,
  'torch.Size': first,
  'torch.device': ignored,
  'torch.jit._pickle.build_intlist': first,
  'torch.jit._pickle.build_doublelist': first,
  'torch.jit._pickle.build_boollist': first,
  'torch.jit._pickle.build_tensorlist': first,
  'torch.jit._pickle.restore_type_tag': first,
  'argparse.Namespace': ignored,
  'types.SimpleNamespace': ignored,
  'pathlib.PosixPath': ignored,
  'pathlib.WindowsPath': ignored,
  'builtins.set': ignored,
  '__builtin__.set': ignored,
  '_codecs.encode': ignored,
  'numpy.dtype': ignored,
  'numpy.ndarray': ignored,
  'numpy.core.multiarray.scalar': ignored,
  'numpy._core.multiarray.scalar': ignored,
  'numpy.core.multiarray._reconstruct': ignored,
  'numpy._core.multiarray._reconstruct': ignored,
};

const calls = new Map(Object.entries(functions).map(([name, call]) => [name, new Callable(name, call)]));
const types = new Map(Object.entries(storageTypes).map(([name, dtype]) => [`torch.${name}`, new StorageType(dtype)]));
const dtypes = /^torch\.(float|double|half|bfloat|u?int|long|short|bool)\d*$/;

/** @throws CheckpointFileError for every name that is not on the list */
export function torchName(name: string): unknown {
  const known = calls.get(name) ?? types.get(name);
  if (known) return known;
  if (dtypes.test(name)) return new Fields();
  // The classes of a TorchScript archive are defined in the archive itself; only their fields count here.
  if (name.startsWith('__torch__.')) return new Callable(name, () => new Fields());
  throw new CheckpointFileError(`it asks for the Python object ${shown(name)}, which weights do not need, so it was not read any further and nothing was run; if it holds a whole model, save its state_dict() instead`);
}

/** Lists may be shared and long, so their length comes first. */
const isNumbers = (value: unknown): value is number[] => Array.isArray(value) && value.length <= MAX_RANK && value.every((n) => typeof n === 'number');
