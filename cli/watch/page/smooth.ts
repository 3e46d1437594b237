/** The trend of a noisy curve. */

/** The neighbourhood of a point is this share of all points to each side. */
const SMOOTHING = 1 / 40;

/**
 * Geometric mean over the neighbourhood of each point, shorter at the ends, which does not lag as a running mean does. Values
 * without a logarithm (a term that is off, a gap) are left out. Prefix sums need one pass for any neighbourhood.
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
