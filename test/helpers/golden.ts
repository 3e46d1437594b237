/** Golden numbers and the formulas their inputs come from; see test/golden/README.md. */
import { goldenFile } from './host.js';

export interface GoldenTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

export interface Golden {
  readonly tensors: ReadonlyMap<string, GoldenTensor>;
  /** `__metadata__`, its values parsed. */
  readonly meta: Record<string, any>; // eslint-disable-line @typescript-eslint/no-explicit-any -- JSON of many shapes
  readonly get: (name: string) => GoldenTensor;
  /** The tolerance rule: 4 times the error of PyTorch in float32, at least 2e-5. */
  readonly tolerance: (name: string) => number;
}

interface Entry {
  readonly shape: number[];
  readonly data_offsets: [from: number, to: number];
}

/** A file of test/golden, by its name without the ending. */
export function golden(name: string): Golden {
  const file = goldenFile(name);
  const headLength = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  const head = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + headLength))) as Record<string, Entry>;
  const body = file.slice(8 + headLength).buffer;
  const { __metadata__: meta, ...entries } = head as Record<string, never>;
  const tensors = new Map(Object.entries(entries as typeof head).map(([key, { shape, data_offsets: [from, to] }]) =>
    [key, { shape, data: new Float32Array(body.slice(from, to)) }]));
  const parsed = Object.fromEntries(Object.entries((meta ?? {}) as Record<string, string>).map(([k, v]) => [k, JSON.parse(v)]));
  const get = (key: string): GoldenTensor => {
    const t = tensors.get(key);
    if (!t) throw new Error(`golden ${name} has no tensor ${key}`);
    return t;
  };
  return { tensors, meta: parsed, get, tolerance: (key) => Math.max(2e-5, 4 * (parsed['f32_err']?.[key] ?? 0)) };
}

/** 32-bit FNV-1a of the UTF-8 bytes. */
function fnv1a(text: string): number {
  let h = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) h = Math.imul(h ^ byte, 0x01000193) >>> 0;
  return h;
}

/** Element i is `offset + scale * u`, u in [-1, 1) from a counter hash of `name` and i. */
export function fill(name: string, shape: readonly number[], scale = 1, offset = 0): Float32Array {
  const start = fnv1a(name);
  return Float32Array.from({ length: shape.reduce((n, s) => n * s, 1) }, (_, i) => {
    let h = (start + Math.imul(i, 0x9e3779b9)) >>> 0;
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    h = (h ^ (h >>> 16)) >>> 0;
    return offset + scale * ((h >>> 8) * 2 ** -23 - 1);
  });
}

/** A smooth, colourful picture from a formula: [3, height, width] in 0..1. */
export function testImage(name: string, height: number, width: number): Float32Array {
  const coef = fill(name, [3, 6, 4]);
  const image = new Float32Array(3 * height * width);
  for (let c = 0; c < 3; c++) {
    for (let i = 0; i < height; i++) {
      for (let j = 0; j < width; j++) {
        let value = 0;
        for (let k = 0; k < 6; k++) {
          const [amp, fy, fx, phase] = coef.subarray((c * 6 + k) * 4) as unknown as [number, number, number, number];
          value += amp * Math.sin(2 * Math.PI * (4 * fy * ((i + 0.5) / height) + 4 * fx * ((j + 0.5) / width) + phase));
        }
        image[(c * height + i) * width + j] = 1 / (1 + Math.exp(-1.5 * value));
      }
    }
  }
  return image;
}
