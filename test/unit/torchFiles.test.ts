/** PyTorch's files: everything it writes is read, and nothing else is done with them. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CheckpointFileError } from '../../model/files/errors.js';
import { openCheckpoint } from '../../model/files/read.js';
import type { StoredTensors } from '../../model/files/tensors.js';
import { fill } from '../helpers/golden.js';
import { fixture, op, tensorCodes, torchZip, zip } from '../helpers/torchFiles.js';

const rejects = (bytes: Uint8Array, text: RegExp, read = false) =>
  assert.throws(() => {
    const tensors = openCheckpoint(bytes);
    if (read) for (const tensor of tensors.values()) tensor.read();
  }, (error: Error) => error instanceof CheckpointFileError && text.test(error.message) && error.message.length < 500);

const values = (tensors: StoredTensors, name: string): number[] => [...tensors.get(name)!.read()];
const half = (x: number): number => {
  // Round to eleven bits, halves to even; `fill` stays far from the ends of the range.
  const unit = 2 ** (Math.floor(Math.log2(Math.abs(x))) - 10);
  const [low, rest] = [Math.floor(x / unit), x / unit - Math.floor(x / unit)];
  return unit * (rest > 0.5 || (rest === 0.5 && low % 2 !== 0) ? low + 1 : low);
};

for (const name of ['kinds.zip.pth', 'kinds.legacy.pth']) {
  test(`${name}: every type, strides, shared storages, and values that are not tensors`, () => {
    const tensors = openCheckpoint(fixture(name));
    assert.equal(values(tensors, 'f32'), [...fill('kinds.f32', [2, 3])]);
    assert.equal(values(tensors, 'f64'), [...fill('kinds.f64', [3])].map((x) => Math.fround(x * 1e-3)));
    assert.equal(values(tensors, 'f16'), [...fill('kinds.f16', [5])].map(half));
    for (const [i, x] of fill('kinds.bf16', [5]).entries()) {
      assert.ok(Math.abs(values(tensors, 'bf16')[i]! - x) <= Math.abs(x) * 2 ** -8);
    }
    assert.equal(['i64', 'i32', 'i16', 'i8', 'u8', 'bool'].map((kind) => values(tensors, kind)),
      [[1, -2, 2 ** 40], [3, -4], [5, -6], [7, -8], [9, 255], [1, 0]]);
    assert.equal([tensors.get('scalar')!.shape, tensors.get('empty')!.shape, values(tensors, 'empty')], [[], [0, 3], []]);
    const base = fill('kinds.base', [4, 6]);
    const transposed = Array.from({ length: 24 }, (_, i) => base[(i % 4) * 6 + Math.floor(i / 4)]!);
    assert.equal([tensors.get('transposed')!.shape, values(tensors, 'transposed')], [[6, 4], transposed]);
    assert.equal(values(tensors, 'halfTransposed'), transposed.map(half));
    assert.equal(values(tensors, 'stepped'), [8, 9, 10, 20, 21, 22].map((i) => base[i]!));
    const cube = fill('kinds.permuted', [2, 3, 4]);
    assert.equal([tensors.get('permuted')!.shape, values(tensors, 'permuted')],
      [[4, 2, 3], Array.from({ length: 24 }, (_, i) => cube[(i % 6) * 4 + Math.floor(i / 6)]!)]);
    const shared = [...fill('kinds.shared', [10])];
    assert.equal([values(tensors, 'shared.whole'), values(tensors, 'shared.part')], [shared, shared.slice(3, 7)]);
    assert.equal(values(tensors, 'parameter'), [...fill('kinds.parameter', [3])]);
    assert.equal(['epoch', 'note', 'args', 'args.lr'].filter((key) => tensors.has(key)), []);
  });
}

test('PyTorch: modules of a TorchScript archive become dotted names', () => {
  const tensors = openCheckpoint(fixture('clip.jit.pt'));
  const name = 'visual.transformer.resblocks.0.attn.in_proj_weight';
  assert.equal([tensors.get(name)!.dtype, tensors.get(name)!.shape], ['F16', [12, 4]]);
  assert.equal(values(tensors, name), [...fill(`jit.${name}`, [12, 4])].map(half));
});

test('PyTorch: names that run something are refused, and nothing is run', () => {
  const run = (name: string, argument: string) => torchZip([op.global(name), op.text(argument), op.tuple1, op.reduce]);
  const forbidden = [
    'os.system', 'posix.system', 'builtins.eval', 'builtins.getattr', 'subprocess.Popen', 'torch.load', 'torch.nn.Linear',
    'runpy._run_code',
  ];
  for (const name of forbidden) {
    rejects(run(name, 'touch /tmp/owned'), /asks for the Python object .*nothing was run/);
  }
  rejects(torchZip([op.text('os'), op.text('system'), op.stackGlobal, op.text('true'), op.tuple1, op.reduce]),
    /asks for the Python object os\.system/);
  rejects(torchZip([op.text('x'), op.text('y'), op.tuple1, op.reduce]), /calls something that is not a function/);
});

test('PyTorch: damaged and hostile pickles', () => {
  rejects(torchZip([op.setItem]), /empty stack/);
  rejects(torchZip([op.tuple]), /no mark/);
  rejects(torchZip([op.get(5)]), /recalls object 5/);
  rejects(torchZip(['\xff']), /0xff at byte 2, which is no opcode/);
  rejects(torchZip([`X\xff\xff\xff\x7f`]), /needs 2147483647 bytes/);
  rejects(torchZip(tensorCodes({ count: 17, shape: [17] })), /has 64 bytes, 68 are expected/, true);
  rejects(torchZip(tensorCodes({ key: '7' })), /has no x\/data\/7/, true);
  rejects(torchZip(tensorCodes({ shape: [17] })), /does not fit its storage/, true);
  rejects(torchZip(tensorCodes({ offset: 1 })), /does not fit its storage/, true);
  rejects(torchZip(tensorCodes({ shape: [2 ** 30, 2 ** 30], strides: [0, 0] })), /does not fit its storage/, true);
  rejects(torchZip(tensorCodes({ shape: [4], strides: [6] })), /does not fit its storage/, true);
  rejects(torchZip(tensorCodes({ shape: [4], strides: [-1] })), /without valid sizes or strides/, true);
  rejects(torchZip(tensorCodes({ shape: [4, 4], strides: [4] })), /without valid sizes or strides/, true);
  rejects(torchZip([op.emptyList, op.persistent]), /asks for the Python object something outside of the pickle/);
  assert.is(openCheckpoint(torchZip([`\x8a\xff${'\x7f'.repeat(255)}`])).size, 0, 'an integer of 2040 bits is not used');
});

/** A dict of two items, both the memo's entry i, kept as entry i + 1. */
const doubled = (i: number): string => [
  op.emptyDict, op.text('a'), op.get(i), op.setItem, op.text('b'), op.get(i), op.setItem, op.put(i + 1),
].join('');

test('PyTorch: objects that hold themselves, and trees that double at every level, are entered once', () => {
  const tensor = [op.text('w'), ...tensorCodes(), op.setItem];
  const circle = torchZip([op.emptyDict, op.put(0), op.text('a'), op.get(0), op.setItem, ...tensor]);
  assert.equal([...openCheckpoint(circle).keys()], ['w']);
  const tree = [op.emptyDict, op.put(0), ...Array.from({ length: 60 }, (_, i) => doubled(i)), ...tensor];
  assert.equal([...openCheckpoint(torchZip(tree)).keys()], ['w']);
  const lists = Array.from({ length: 60 }, (_, i) => op.get(i) + op.get(i) + op.tuple2 + op.put(i + 1)).join('');
  rejects(torchZip([op.text('os'), op.put(0), lists, op.get(60), op.stackGlobal]), /an invalid name/);
});

test('PyTorch: of a thousand tensors over one storage, only as many are read as the file has bytes', () => {
  const storage = new Uint8Array(4e6);
  const many = Array.from({ length: 1000 },
    (_, i) => [op.text(`t${i}`), ...tensorCodes({ count: 1e6, shape: [1e6] }), op.setItem].join(''));
  const bytes = torchZip([op.emptyDict, ...many], storage);
  assert.is(openCheckpoint(bytes).get('t999')!.read().length, 1e6);
  rejects(bytes, /claim more bytes than the file has/, true);
});

test('PyTorch: archives whose directory lies', () => {
  const pkl = { name: 'x/data.pkl', data: Buffer.from('\x80\x02}.', 'latin1') };
  assert.is(openCheckpoint(zip([pkl])).size, 0);
  rejects(zip([pkl], 500), /directory of the archive is damaged/);
  rejects(zip([pkl, { ...pkl }]), /two entries/);
  for (const name of ['/etc/passwd', '../x/data.pkl', 'x/../../y', 'C:\\x', 'a\\b', '', 'x'.repeat(600)]) {
    rejects(zip([pkl, { name, data: new Uint8Array(1) }]), /entry with a bad name/);
  }
  rejects(zip([{ ...pkl, change: { method: 8 } }]), /compressed \(method 8\)/);
  rejects(zip([{ ...pkl, change: { size: 1e9 } }]), /compressed/);
  rejects(zip([{ ...pkl, change: { size: 1e9, packed: 1e9 } }]), /claim more bytes than the file has/);
  rejects(zip([{ ...pkl, change: { flags: 1 } }]), /encrypted/);
  rejects(zip([{ ...pkl, change: { crc: 1 } }]), /CRC-32/);
  rejects(zip([{ ...pkl, change: { header: 7 } }]), /not at the position that the archive gives/);
  rejects(zip([{ name: 'x/readme.txt', data: new Uint8Array(3) }]), /no data\.pkl/);
});

test('PyTorch: files cut short, and files of another kind', () => {
  for (const name of ['dino.pth', 'teacher.legacy.pth']) {
    const whole = fixture(name);
    for (const share of [0.1, 0.5, 0.9, 0.999]) {
      rejects(whole.subarray(0, Math.floor(whole.length * share)), /cut short|damaged|too few/);
    }
  }
  rejects(Buffer.from('<!DOCTYPE html><html>404</html>'), /a web page/);
  rejects(Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:0'), /Git LFS pointer/);
  rejects(Buffer.from('\x80\x04\x95\x00 a pickle of something', 'latin1'), /not one that torch\.save wrote/);
});

test.run();
