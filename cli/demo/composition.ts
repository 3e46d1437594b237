/** The layout of a landscape: one composition made by hand per kind, and seeded variations of it. */

/** `valley`: green, with a lake at noon. `peaks`: snow at dusk. */
export type SceneKind = 'valley' | 'peaks';

/** Uniform numbers in 0..1 from a seed (Steele, Lea and Flood, "SplitMix", 2014; the 32-bit form). */
function uniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return ((z ^ (z >>> 15)) >>> 0) / 2 ** 32;
  };
}

/** Direction of the sun from azimuth (0 is straight ahead, positive to the right) and elevation, in degrees. */
function direction(azimuth: number, elevation: number): number[] {
  const [a, e] = [azimuth, elevation].map((degrees) => (degrees * Math.PI) / 180) as [number, number];
  return [Math.sin(a) * Math.cos(e), Math.sin(e), Math.cos(a) * Math.cos(e), 0];
}

/** Metres by which the camera stands elsewhere. */
export type Moved = readonly [right: number, up: number, ahead: number];

/**
 * The numbers of the kernel's `Scene` from `camera` on, in its order. Lengths are in metres, roughly.
 * Seed 0, the committed picture, is the middle of every range; other seeds give any value within it.
 */
export function composition(kind: SceneKind, seed: number, [right, up, ahead]: Moved = [0, 0, 0]): number[] {
  const random = uniform(seed);
  const around = (middle: number, spread: number): number => middle + spread * (seed === 0 ? 0 : 2 * random() - 1);
  const peaks = kind === 'peaks';
  return [
    // camera, view
    around(0, 3) + right, around(3.4, 1) + up, around(0, 1.5) + ahead, peaks ? 0.8 : 0.62,
    around(1.3, 0.25), around(peaks ? 0.09 : 0.03, 0.03), around(0, 0.12), 0,
    // sun
    ...direction(around(peaks ? -75 : -65, 40), around(peaks ? 13 : 48, peaks ? 5 : 10)),
    // lake
    around(-8, 4), around(34, 4), around(22, 4), around(30, 4),
    // summit
    around(-55, 40), around(270, 30), around(peaks ? 50 : 40, 12), around(peaks ? 42 : 30, 10),
    // house
    around(15, 3), around(47, 4), around(0.5, 0.6), 0,
    // air
    around(peaks ? 0.46 : 0.49, 0.06), seed === 0 ? 8.2 : 100 * random(),
    around(peaks ? 0.0018 : 0.0016, 0.0008), around(peaks ? 0.006 : 0.014, 0.004),
    // trees
    around(0.8, 0.2),
  ];
}
