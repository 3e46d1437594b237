/** Mean and variance of each channel of a picture that comes in parts, in double precision. */

/** Sums are of differences to each channel's first value: a large mean would take the variance's digits. */
export function channelMoments(channels: number) {
  const [origins, sums, squares] = [new Float64Array(channels), new Float64Array(channels), new Float64Array(channels)];
  let count = 0;
  return {
    /** `part` is [1, C, rows, W]. */
    add: (part: Float32Array): void => {
      const plane = part.length / channels;
      for (let c = 0; c < channels; c++) {
        if (count === 0) origins[c] = part[c * plane]!;
        const origin = origins[c]!;
        for (let i = c * plane; i < (c + 1) * plane; i++) {
          const d = part[i]! - origin;
          sums[c]! += d;
          squares[c]! += d * d;
        }
      }
      count += plane;
    },
    /** [C, 2]: mean and 1 / sqrt(var + eps), var the biased variance, as `batchnormGiven` takes them. */
    statistics: (eps: number): Float32Array => Float32Array.from({ length: 2 * channels }, (_, i) => {
      const c = i >> 1;
      const mean = sums[c]! / count;
      return i % 2 === 0 ? origins[c]! + mean : 1 / Math.sqrt(Math.max(0, squares[c]! / count - mean * mean) + eps);
    }),
  };
}
