/** Quantiles of many numbers without a full sort. */

const BUCKETS = 2048;

/** Values in buckets of increasing value, the start of each bucket and the end of the last. */
function fillBuckets(values: Float64Array): { ordered: Float64Array; starts: Uint32Array } {
  let [low, high] = [Infinity, -Infinity];
  for (const v of values) {
    if (v < low) low = v;
    if (v > high) high = v;
  }
  const scale = high > low ? (BUCKETS - 1) / (high - low) : 0;
  const starts = new Uint32Array(BUCKETS + 1);
  for (const v of values) starts[Math.trunc((v - low) * scale) + 1]!++;
  for (let b = 0; b < BUCKETS; b++) starts[b + 1]! += starts[b]!;
  const next = starts.slice();
  const ordered = new Float64Array(values.length);
  for (const v of values) ordered[next[Math.trunc((v - low) * scale)]!++] = v;
  return { ordered, starts };
}

/** `levels` linearly interpolated quantiles at even steps from the least to the largest value, as numpy's `quantile`. */
export function quantiles(values: Float64Array, levels: number): Float64Array {
  const { ordered, starts } = fillBuckets(values);
  const sorted = new Uint8Array(BUCKETS); // a bucket is sorted when it is first read
  let bucket = 0;
  const at = (rank: number): number => {
    while (starts[bucket + 1]! <= rank) bucket++; // ranks never fall
    if (!sorted[bucket]) ordered.subarray(starts[bucket]!, starts[bucket + 1]!).sort();
    sorted[bucket] = 1;
    return ordered[rank]!;
  };
  return Float64Array.from({ length: levels }, (_, q) => {
    const place = (q / (levels - 1)) * (values.length - 1);
    const rank = Math.floor(place);
    const below = at(rank);
    const saved = bucket;
    const above = at(Math.min(rank + 1, values.length - 1));
    bucket = saved;
    return below + (place - rank) * (above - below);
  });
}
