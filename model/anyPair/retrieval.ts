/** Whether a result shows which appearance it was made for. */

const distance = (a: Float32Array, b: Float32Array): number => a.reduce((sum, v, i) => sum + (v - b[i]!) ** 2, 0);

/**
 * The number of results whose nearest appearance by CLS token (the distance of the appearance loss) is their own. Results are in
 * the order of their appearances. By chance it is one, whatever their number. A tie counts as a miss.
 */
export const retrieved = (results: readonly Float32Array[], appearances: readonly Float32Array[]): number =>
  results.filter((cls, own) => {
    const nearest = distance(cls, appearances[own]!);
    return appearances.every((other, i) => i === own || distance(cls, other) > nearest);
  }).length;
