/** Random draws that depend only on a seed and a name, so that a run can be resumed at any step without saved state. */

/** Uniform in [0, 1), with helpers. */
export type Random = ReturnType<typeof random>;

/** Four words of state from any words, by the finaliser of murmur3 over a running sum. */
function spread(words: readonly number[]): [number, number, number, number] {
  let h = 0x9e3779b9;
  const mix = (word: number): number => {
    h = (h + Math.imul(word ^ (word >>> 15), 0x85ebca6b)) >>> 0;
    let z = h;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    h = (h ^ z ^ (z >>> 16)) >>> 0;
    return h;
  };
  words.forEach(mix);
  return [mix(1), mix(2), mix(3), mix(4) | 1];
}

const wordsOf = (part: string | number): number[] =>
  (typeof part === 'number' ? [part >>> 0, Math.floor(part / 2 ** 32) >>> 0] : [...new TextEncoder().encode(part), 0x100]);

/** A generator for a key such as `random(seed, 'structure', step)` (sfc32). A key gives the same draws on every machine. */
export function random(...key: readonly (string | number)[]) {
  let [a, b, c, d] = spread(key.flatMap(wordsOf));
  const next = (): number => {
    const t = (a + b + d) >>> 0;
    d = (d + 1) >>> 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) >>> 0;
    c = (((c << 21) | (c >>> 11)) + t) >>> 0;
    return t / 2 ** 32;
  };
  for (let i = 0; i < 12; i++) next();
  /** Uniform integer in [from, to], both included. */
  const integer = (from: number, to: number): number => from + Math.floor(next() * (to - from + 1));
  return Object.assign(next, {
    integer,
    /** Uniform in [from, to). */
    between: (from: number, to: number): number => from + (to - from) * next(),
    /** True with probability p. */
    chance: (p: number): boolean => next() < p,
    /** Normal with mean 0 and deviation 1 (Box-Muller). */
    normal: (): number => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
    /** 0 .. n-1 in random order (Fisher-Yates). */
    permutation: (n: number): number[] => {
      const order = Array.from({ length: n }, (_, i) => i);
      for (let i = n - 1; i > 0; i--) {
        const j = integer(0, i);
        [order[i], order[j]] = [order[j]!, order[i]!];
      }
      return order;
    },
  });
}
