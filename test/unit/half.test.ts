import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { toHalf, toHalves } from '../../engine/index.js';
import { parseSafetensors, serializeSafetensors } from '../../model/files/safetensors.js';

/** A value of every sign, exponent and fraction, by the format's definition. */
const valueOf = (bits: number): number => {
  const [sign, exponent, fraction] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
};

test('every finite half is itself', () => {
  for (let bits = 0; bits < 0x10000; bits++) if (((bits >> 10) & 31) < 31) assert.is(toHalf(valueOf(bits)), bits);
});

test('numbers between two halves are rounded to the nearest, from the middle to the even one', () => {
  for (const bits of [0, 1, 2, 0x3fe, 0x3ff, 0x400, 0x401, 0x3bff, 0x3c00, 0x7bfe]) {
    const [low, high] = [valueOf(bits), valueOf(bits + 1)];
    assert.is(toHalf(low + 0.49 * (high - low)), bits);
    assert.is(toHalf(low + 0.51 * (high - low)), bits + 1);
    assert.is(toHalf((low + high) / 2), bits % 2 === 0 ? bits : bits + 1);
  }
});

test('beyond the largest half is infinity, and NaN stays NaN', () => {
  assert.is(toHalf(65519), 0x7bff);
  assert.is(toHalf(65520), 0x7c00);
  assert.is(toHalf(-1e9), 0xfc00);
  assert.is(toHalf(NaN) & 0x7c00, 0x7c00);
  assert.ok(toHalf(NaN) & 0x3ff);
});

test('an array is converted like its elements', () => {
  const special = [0, -0, 65504, 65519, 65520, 2 ** -14, 2 ** -24, Infinity, NaN];
  const values = Float32Array.from({ length: 20_000 }, (_, i) => special[i] ?? Math.sin(i) * 10 ** ((i % 15) - 9));
  assert.equal([...toHalves(values)], [...values].map(toHalf));
});

test('a file of halves has half the size and is read back to three digits', () => {
  const data = Float32Array.from({ length: 1000 }, (_, i) => Math.sin(i) * 10 ** ((i % 7) - 3));
  const tensors = new Map([['a', { shape: [10, 100], data }], ['b', { shape: [3], data: Float32Array.of(1, 2, 3) }]]);
  const [whole, half] = [serializeSafetensors(tensors), serializeSafetensors(tensors, {}, 'F16')];
  assert.ok(half.length < 0.55 * whole.length);
  const read = parseSafetensors(half).tensors;
  assert.equal(read.get('b')!.data, Float32Array.of(1, 2, 3));
  read.get('a')!.data.forEach((v, i) => assert.ok(Math.abs(v - data[i]!) <= Math.abs(data[i]!) / 2048 + 2 ** -25));
});

test.run();
