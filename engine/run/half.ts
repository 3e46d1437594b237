/** IEEE 754 binary16: one sign bit, five of exponent (bias 15), ten of fraction. */

/** The bits of the nearest binary16, of two equally near ones the even; beyond 65504 infinity. */
export function toHalf(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (Number.isNaN(value)) return 0x7e00;
  if (size >= 65520) return sign | 0x7c00;
  const exponent = Math.max(-14, Math.floor(Math.log2(size)));
  const steps = roundEven(size / 2 ** (exponent - 10));
  // Below 1024 steps the number is subnormal; 2048 of them carry into the next exponent by themselves.
  return sign | (steps < 1024 ? steps : ((exponent + 15) << 10) + (steps - 1024));
}

function roundEven(x: number): number {
  const low = Math.floor(x);
  const rest = x - low;
  return rest > 0.5 || (rest === 0.5 && low % 2 === 1) ? low + 1 : low;
}

const floats = new Float32Array(1);
const bitsOf = new Uint32Array(floats.buffer);

/** `toHalf` of every element. Most numbers are neither tiny nor huge and take integer operations alone. */
export function toHalves(data: ArrayLike<number>): Uint16Array {
  const result = new Uint16Array(data.length);
  for (let i = 0; i < data.length; i++) {
    floats[0] = data[i]!;
    const bits = bitsOf[0]!;
    const size = bits & 0x7fffffff;
    const isNormal = size >= 0x38800000 && size < 0x477fe000; // 2^-14 to 65504
    const rounded = (size - 0x38000000 + 0xfff + ((size >>> 13) & 1)) >>> 13;
    result[i] = isNormal ? ((bits >>> 16) & 0x8000) | rounded : toHalf(data[i]!);
  }
  return result;
}

let values: Float32Array | undefined;

/** Every float16 as float32, indexed by its bits: a table is faster than converting the hundred million weights of a model. */
export function halfValues(): Float32Array {
  return (values ??= Float32Array.from({ length: 65_536 }, (_, bits) => fromHalf(bits)));
}

export function fromHalves(bits: Uint16Array): Float32Array {
  const value = halfValues();
  return Float32Array.from(bits, (half) => value[half]!);
}

function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction ? NaN : sign * Infinity;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
