/** The safetensors reader checks everything in a file. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CheckpointFileError } from '../../model/files/errors.js';
import { parseSafetensors, serializeSafetensors } from '../../model/files/safetensors.js';

/** A file with the given header, as text or object, and data. */
function file(header: unknown, data: Uint8Array = new Uint8Array(0), claimed?: bigint): Uint8Array {
  const text = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, claimed ?? BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(data, 8 + text.length);
  return bytes;
}

const bytesOf = (array: ArrayBufferView): Uint8Array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

const entry = (dtype: string, shape: readonly number[], from: number, to: number) => ({ dtype, shape, data_offsets: [from, to] });

const rejects = (bytes: Uint8Array, text: RegExp) =>
  assert.throws(() => parseSafetensors(bytes), (error: Error) =>
    error instanceof CheckpointFileError && text.test(error.message));

test('safetensors: what is written is read back, scalars, empty tensors and awkward names included', () => {
  const tensors = new Map([
    ['blocks.0.w', { shape: [2, 3], data: Float32Array.of(1, -2, 3.5, 0, 1e-30, -1e30) }],
    ['scalar', { shape: [], data: Float32Array.of(7) }],
    ['empty', { shape: [0, 4], data: new Float32Array(0) }],
    ['__proto__', { shape: [1], data: Float32Array.of(4) }],
    ['ä"\\', { shape: [1], data: Float32Array.of(5) }],
  ]);
  const { tensors: read, metadata } = parseSafetensors(serializeSafetensors(tensors, { recipe: 'splice' }));
  assert.equal([...read.keys()], [...tensors.keys()]);
  for (const [name, { shape, data }] of tensors) assert.equal(read.get(name), { shape, data });
  assert.equal([...metadata], [['recipe', 'splice']]);
});

test('safetensors: the data starts at a multiple of 8', () => {
  for (const name of ['a', 'ab', 'abc', 'abcd', 'abcde']) {
    const bytes = serializeSafetensors(new Map([[name, { shape: [1], data: Float32Array.of(1) }]]));
    assert.is(new DataView(bytes.buffer).getBigUint64(0, true) % 8n, 0n);
  }
});

test('safetensors: every readable type', () => {
  const cases: [string, ArrayBufferView, number[]][] = [
    ['F64', Float64Array.of(0.1, -2), [Math.fround(0.1), -2]],
    ['F32', Float32Array.of(0.1, -2), [Math.fround(0.1), -2]],
    // 1, -2, the smallest subnormal, the largest, infinity
    ['F16', Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00), [1, -2, 2 ** -24, 65504, Infinity]],
    ['BF16', Uint16Array.of(0x3f80, 0xc000, 0x7f80), [1, -2, Infinity]],
    ['I64', BigInt64Array.of(3n, -4n), [3, -4]],
    ['I32', Int32Array.of(3, -4), [3, -4]],
    ['U8', Uint8Array.of(3, 255), [3, 255]],
    ['BOOL', Uint8Array.of(0, 1), [0, 1]],
  ];
  for (const [dtype, values, expected] of cases) {
    const data = bytesOf(values);
    const { tensors } = parseSafetensors(file({ x: entry(dtype, [expected.length], 0, data.length) }, data));
    assert.equal([...tensors.get('x')!.data], expected, dtype);
  }
});

test('safetensors: a NaN of half precision stays NaN', () => {
  for (const [dtype, bits] of [['F16', 0x7e00], ['BF16', 0x7fc0]] as const) {
    const { tensors } = parseSafetensors(file({ x: entry(dtype, [1], 0, 2) }, bytesOf(Uint16Array.of(bits))));
    assert.ok(Number.isNaN(tensors.get('x')!.data[0]), dtype);
  }
});

test('safetensors: a header of odd length, so that the data is not aligned', () => {
  const { tensors } = parseSafetensors(file(`${JSON.stringify({ x: entry('F32', [1], 0, 4) })} `, bytesOf(Float32Array.of(2.5))));
  assert.is(tensors.get('x')!.data[0], 2.5);
});

test('safetensors: a view into a larger buffer is read from its own start', () => {
  const whole = serializeSafetensors(new Map([['x', { shape: [1], data: Float32Array.of(2.5) }]]));
  const shifted = new Uint8Array(whole.length + 3);
  shifted.set(whole, 3);
  assert.is(parseSafetensors(shifted.subarray(3)).tensors.get('x')!.data[0], 2.5);
});

test("safetensors: Node's Buffers, whose slice() shares memory, are read like any bytes", () => {
  const one = (value: number) => ({ shape: [1], data: Float32Array.of(value) });
  const whole = serializeSafetensors(new Map([['x', one(2.5)], ['y', one(3.5)]]));
  const { tensors } = parseSafetensors(Buffer.from(whole));
  assert.equal([[...tensors.get('x')!.data], [...tensors.get('y')!.data]], [[2.5], [3.5]]);
});

test('safetensors: hostile and damaged files are refused by name', () => {
  const four = new Uint8Array(4);
  rejects(new Uint8Array(5), /5 bytes are too few/);
  rejects(file({}, four, 2n ** 63n), /claims 9223372036854775808 bytes/);
  rejects(file({}, new Uint8Array(0), 100n), /cut short/);
  rejects(file('{"x":'), /not JSON/);
  rejects(file('[1]'), /not a JSON object/);
  rejects(file({ x: 3 }), /the entry of x is not an object/);
  rejects(file({ x: entry('F8_E4M3', [4], 0, 4) }, four), /of type F8_E4M3: save it as one of F64, F32/);
  rejects(file({ x: entry('constructor', [4], 0, 4) }, four), /of type constructor/);
  rejects(file({ x: { ...entry('F32', [1], 0, 4), dtype: 4 } }, four), /the type of x is not a text/);
  rejects(file({ x: entry('F4', [4], 4, 0) }, four), /its offsets hold -4/);
  rejects(file({ x: entry('F32', [-1], 0, 4) }, four), /shape of x/);
  rejects(file({ x: entry('F32', [1.5], 0, 4) }, four), /shape of x/);
  rejects(file({ x: entry('F32', [2 ** 40, 2 ** 40], 0, 4) }, four), /its offsets hold 4/);
  rejects(file({ x: { dtype: 'F32', shape: [1], data_offsets: [0] } }, four), /two positions/);
  rejects(file({ x: entry('F32', [1], 4, 0) }, four), /its offsets hold -4/);
  rejects(file({ x: entry('F32', [2], 0, 4) }, four), /F32 \[2\], 8 bytes, but its offsets hold 4/);
  rejects(file({ x: entry('F32', [2], 0, 8) }, four), /ends at byte 8, the file holds 4/);
  rejects(file({ x: entry('F32', [1], 0, 4), y: entry('F32', [1], 0, 4) }, four), /y overlaps/);
  rejects(file({ x: entry('F32', [1], 4, 8) }, new Uint8Array(8)), /4 bytes before x belong to no tensor/);
  rejects(file({ x: entry('F32', [1], 0, 4) }, new Uint8Array(6)), /2 bytes at the end/);
  rejects(file({ __metadata__: { a: 1 } }), /__metadata__\.a is not a string/);
});

test('safetensors: a tensor whose values do not fill its shape is not written', () => {
  assert.throws(() => serializeSafetensors(new Map([['x', { shape: [3], data: new Float32Array(2) }]])), /x has 2 values/);
});

test.run();
