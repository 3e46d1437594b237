/** Whether a result shows which appearance it was made for. */

const distance = (a: Float32Array, b: Float32Array): number => a.reduce((sum, v, i) => sum + (v - b[i]!) ** 2, 0);

/**
 * Of results made for the appearances in order, how many have their own as the nearest by CLS token (the appearance loss' distance).
 * By chance it is one, whatever the number. Several places equally near count as missed.
 */
export const retrieved = (results: readonly Float32Array[], appearances: readonly Float32Array[]): number =>
  results.filter((cls, own) => {
    const nearest = distance(cls, appearances[own]!);
    return appearances.every((other, i) => i === own || distance(cls, other) > nearest);
  }).length;
