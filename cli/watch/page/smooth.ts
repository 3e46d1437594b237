/** The course behind a noisy curve. */

/** A point's neighbourhood is this share of all points to each side. */
const SMOOTHING = 1 / 40;

/**
 * Geometric mean over each point's neighbourhood, which is cut at the ends, so it does not lag behind as a running mean would. Values
 * that have no logarithm (a term that is off, a gap) are left out. By prefix sums: one pass however wide the neighbourhood.
 */
export function smoothed(values: readonly (number | null)[]): (number | null)[] {
  const radius = Math.max(1, Math.round(values.length * SMOOTHING));
  const sums = new Float64Array(values.length + 1);
  const counts = new Uint32Array(values.length + 1);
  values.forEach((value, i) => {
    const counted = value !== null && value > 0;
    sums[i + 1] = sums[i]! + (counted ? Math.log(value) : 0);
    counts[i + 1] = counts[i]! + (counted ? 1 : 0);
  });
  return values.map((value, i) => {
    if (value === null || value <= 0) return null;
    const [from, to] = [Math.max(0, i - radius), Math.min(values.length, i + radius + 1)];
    return Math.exp((sums[to]! - sums[from]!) / (counts[to]! - counts[from]!));
  });
}
