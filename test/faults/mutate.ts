/** Damage to files, repeatable by seed: what a bad disk, an interrupted download or a malicious author makes of them. */
import { random } from '../helpers/random.js';

type Damage = (bytes: Buffer, next: () => number) => Buffer;

const below = (next: () => number, n: number): number => Math.floor(next() * n);
const pick = <T>(next: () => number, items: readonly T[]): T => items[below(next, items.length)]!;

/** Most formats keep their sizes, counts and offsets as one of these. */
const LIMITS = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff] as const;

/** By name, for reports. */
export const damages: Readonly<Record<string, Damage>> = {
  'flipped bits': (bytes, next) => {
    const out = Buffer.from(bytes);
    for (let i = 1 + below(next, 8); i > 0; i--) out[below(next, out.length)]! ^= 1 << below(next, 8);
    return out;
  },
  'random bytes': (bytes, next) => {
    const out = Buffer.from(bytes);
    const [at, size] = [below(next, out.length), 1 + below(next, 16)];
    for (let i = at; i < Math.min(out.length, at + size); i++) out[i] = below(next, 256);
    return out;
  },
  'cut short': (bytes, next) => bytes.subarray(0, below(next, bytes.length)),
  'beginning lost': (bytes, next) => bytes.subarray(1 + below(next, bytes.length - 1)),
  'huge number': (bytes, next) => {
    const out = Buffer.from(bytes);
    const value = pick(next, LIMITS);
    const at = below(next, Math.max(1, out.length - 8));
    const shifted = (): bigint => (BigInt(value) << BigInt(below(next, 32))) & 0xffffffffffffffffn;
    if (next() < 0.3 && out.length >= 8) out.writeBigUInt64LE(shifted(), at);
    else if (next() < 0.5 && out.length >= at + 4) out.writeUInt32LE(value, at);
    else if (out.length >= at + 2) out.writeUInt16LE(value & 0xffff, at);
    return out;
  },
  'part repeated': (bytes, next) => {
    const at = below(next, bytes.length);
    const part = bytes.subarray(at, at + 1 + below(next, 200));
    return Buffer.concat([bytes.subarray(0, at), ...Array.from({ length: 1 + below(next, 4) }, () => part), bytes.subarray(at)]);
  },
  'part lost': (bytes, next) => {
    const at = below(next, bytes.length);
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + below(next, 64))]);
  },
  'parts swapped': (bytes, next) => {
    const [a, b] = [below(next, bytes.length), below(next, bytes.length)];
    const size = 1 + below(next, 32);
    const out = Buffer.from(bytes);
    bytes.copy(out, a, b, b + size);
    bytes.copy(out, b, a, a + size);
    return out;
  },
};

export interface Mutant {
  /** The damages, such as `cut short` or `flipped bits, huge number`. */
  readonly what: string;
  readonly bytes: Buffer;
}

/** The `index`-th damaged copy of `bytes`: one to three damages, the same for the same index. */
export function mutate(bytes: Buffer, index: number): Mutant {
  const next = random(index);
  const names = Object.keys(damages);
  const what: string[] = [];
  let out = bytes;
  for (let i = pick(next, [1, 1, 1, 2, 3]); i > 0; i--) {
    const name = pick(next, names);
    if (out.length > 1) out = damages[name]!(out, next);
    what.push(name);
  }
  return { what: what.join(', '), bytes: out };
}
