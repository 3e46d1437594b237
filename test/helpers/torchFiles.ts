/** Hand-made PyTorch files that PyTorch would never write, and small ones that it wrote (test/fixtures/checkpoints/make.py). */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { crc32 } from '../../model/files/zip.js';

export const fixturePath = (name: string): string =>
  fileURLToPath(new URL(`../../../test/fixtures/checkpoints/${name}`, import.meta.url));
export const fixture = (name: string): Buffer => readFileSync(fixturePath(name));

export interface ZipPart {
  readonly name: string;
  readonly data: Uint8Array;
  readonly change?: Partial<Readonly<Record<'method' | 'flags' | 'crc' | 'packed' | 'size' | 'header', number>>>;
}

/** A zip archive of stored entries; `change` makes its directory lie. `count` is what the end record claims. */
export function zip(parts: readonly ZipPart[], count = parts.length): Buffer {
  const files: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const { name, data, change = {} } of parts) {
    const text = Buffer.from(name);
    const { method = 0, flags = 0, crc = crc32(data), packed = data.length, size = data.length, header = at } = change;
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(flags, 2);
    fields.writeUInt16LE(method, 4);
    fields.writeUInt32LE(crc, 10);
    fields.writeUInt32LE(packed, 14);
    fields.writeUInt32LE(size, 18);
    fields.writeUInt16LE(text.length, 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), fields, text, data]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(header, 10);
    directory.push(Buffer.from('PK\x01\x02\0\0', 'latin1'), fields, tail, text);
    files.push(local);
    at += local.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(count, 8);
  end.writeUInt16LE(count, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...files, central, end]);
}

/** Opcodes of pickle by pickletools' names, those the tests use. */
export const op = {
  proto: '\x80\x02', stop: '.', mark: '(', none: 'N', emptyDict: '}', emptyList: ']', emptyTuple: ')', tuple: 't',
  tuple1: '\x85', tuple2: '\x86', appends: 'e', append: 'a', setItem: 's', setItems: 'u', reduce: 'R', build: 'b',
  persistent: 'Q', stackGlobal: '\x93', memoize: '\x94', newObject: '\x81', newObjectEx: '\x92', object: 'o', pop: '0', dup: '2',
  emptySet: '\x8f', addItems: '\x90', frozenset: '\x91', true: '\x88', tuple3: '\x87',
  list: 'l', dict: 'd',
  line: (code: string, text: string) => `${code}${text}\n`,
  instance: (name: string) => op.global(name).replace('c', 'i'),
  extension: (code: number) => `\x84${uint32(code)}`,
  global: (name: string) => `c${name.slice(0, name.lastIndexOf('.'))}\n${name.slice(name.lastIndexOf('.') + 1)}\n`,
  text: (text: string) => `X${uint32(Buffer.byteLength(text, 'latin1'))}${text}`,
  int: (value: number) => `J${uint32(value >>> 0)}`,
  put: (index: number) => `r${uint32(index)}`,
  get: (index: number) => `j${uint32(index)}`,
} as const;

function uint32(value: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes.toString('latin1');
}

export const pickle = (...codes: readonly string[]): Buffer => Buffer.from(op.proto + codes.join('') + op.stop, 'latin1');

/** A torch.save archive of `codes` with one storage, `0`. */
export const torchZip = (codes: readonly string[], storage: Uint8Array = new Uint8Array(64)): Buffer =>
  zip([{ name: 'x/data.pkl', data: pickle(...codes) }, { name: 'x/data/0', data: storage }]);

/** A storage of a legacy stream. */
export interface Stored {
  readonly key: string;
  /** Elements. */
  readonly count: number;
  readonly bytes: Uint8Array;
}

/** PyTorch's mark as a number of 80 bits. */
const MAGIC = '\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.';

/** How protocols begin, as pickle.dumps writes the mark. */
const marks = (protocol: number): string => {
  if (protocol < 2) return 'L119547037146038801333356L\n.';
  const frame = protocol < 4 ? '' : `\x95${String.fromCharCode(MAGIC.length)}${'\0'.repeat(7)}`;
  return `\x80${String.fromCharCode(protocol)}${frame}${MAGIC}`;
};

/** The stream of PyTorch before 1.6: `codes`, then the storages. Only the mark is of `protocol`. */
export function legacyTorch(codes: readonly string[], storages: readonly Stored[], protocol = 2): Buffer {
  const magic = marks(protocol);
  const keys = pickle(op.emptyList, ...storages.map(({ key }) => op.text(key) + op.append));
  const parts = storages.flatMap(({ count, bytes }) => [Buffer.from(new BigInt64Array([BigInt(count)]).buffer), bytes]);
  const head = [Buffer.from(magic, 'latin1'), pickle(op.int(1001)), pickle(op.emptyDict), pickle(...codes), keys];
  return Buffer.concat([...head, ...parts]);
}

/** Codes that push a tensor over storage `key` of a type, float by default, which is said to have `count` elements. */
export interface TensorFields {
  readonly key?: string;
  readonly type?: string;
  readonly count?: number;
  readonly offset?: number;
  readonly shape?: readonly number[];
  readonly strides?: readonly number[];
}

export const tensorCodes = (
  { key = '0', type = 'torch.FloatStorage', count = 16, offset = 0, shape = [16], strides = [1] }: TensorFields = {},
): string[] => [
  op.global('torch._utils._rebuild_tensor_v2'), op.mark,
  op.mark, op.text('storage'), op.global(type), op.text(key), op.text('cpu'), op.int(count), op.tuple,
  op.persistent, op.int(offset), op.mark, ...shape.map(op.int), op.tuple, op.mark, ...strides.map(op.int), op.tuple, '\x89',
  op.emptyDict, op.tuple, op.reduce,
];
