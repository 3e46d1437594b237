/**
 * Colours in other RGB spaces than sRGB that a file names by numbers instead of an ICC profile: code points of ITU-T H.273
 * (https://www.itu.int/rec/T-REC-H.273), or the gamma and chromaticities of a PNG.
 */
import { linear as srgbToLight } from '../../model/compare/lab.js';
import type { Pixels } from './png.js';

/** Chromaticities x, y of red, green, blue and white. */
export type Primaries = readonly [rx: number, ry: number, gx: number, gy: number, bx: number, by: number, wx: number, wy: number];

export interface ColourSpace {
  readonly primaries: Primaries;
  /** A stored value in 0..1 as light, 1 the white of an ordinary picture. */
  readonly toLight: (value: number) => number;
}

const D65 = [0.3127, 0.329] as const;
const SRGB: Primaries = [0.64, 0.33, 0.3, 0.6, 0.15, 0.06, ...D65];
export const ADOBE_RGB: ColourSpace = {
  primaries: [0.64, 0.33, 0.21, 0.71, 0.15, 0.06, ...D65], toLight: (v) => v ** (563 / 256),
};

const PRIMARIES = new Map<number, Primaries>([
  [1, SRGB],
  [4, [0.67, 0.33, 0.21, 0.71, 0.14, 0.08, 0.31, 0.316]],
  [5, [0.64, 0.33, 0.29, 0.6, 0.15, 0.06, ...D65]],
  [6, [0.63, 0.34, 0.31, 0.595, 0.155, 0.07, ...D65]],
  [7, [0.63, 0.34, 0.31, 0.595, 0.155, 0.07, ...D65]],
  [8, [0.681, 0.319, 0.243, 0.692, 0.145, 0.049, 0.31, 0.316]],
  [9, [0.708, 0.292, 0.17, 0.797, 0.131, 0.046, ...D65]],
  [11, [0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.314, 0.351]],
  [12, [0.68, 0.32, 0.265, 0.69, 0.15, 0.06, ...D65]],
]);

const srgbOf = (light: number): number => (light <= 0.0031308 ? 12.92 * light : 1.055 * light ** (1 / 2.4) - 0.055);
const videoToLight = (v: number): number => (v < 0.081 ? v / 4.5 : ((v + 0.099) / 1.099) ** (1 / 0.45));

/** White of an ordinary picture in HDR ones, in cd/m2 (ITU-R BT.2408). What is brighter is white here. */
const WHITE = 203;

/** SMPTE ST 2084. */
function pqToLight(v: number): number {
  const p = v ** (32 / 2523);
  return ((10000 / WHITE) * (Math.max(p - 3424 / 4096, 0) / (2413 / 128 - (2392 / 128) * p)) ** (8192 / 1305));
}

/** ITU-R BT.2100 for a display of 1000 cd/m2, each channel by itself. */
function hlgToLight(v: number): number {
  const [a, b, c] = [0.17883277, 0.28466892, 0.55991073];
  const scene = v <= 0.5 ? v ** 2 / 3 : (Math.exp((v - c) / a) + b) / 12;
  return (1000 / WHITE) * scene ** 1.2;
}

const CURVES = new Map<number, (v: number) => number>([
  ...[1, 6, 14, 15].map((code) => [code, videoToLight] as const),
  [4, (v) => v ** 2.2], [5, (v) => v ** 2.8], [8, (v) => v], [13, srgbToLight], [16, pqToLight], [18, hlgToLight],
]);

/** The space of two code points. Undefined for sRGB itself, and for numbers that say nothing: those are taken for sRGB. */
export function codedSpace(primaries: number, curve: number): ColourSpace | undefined {
  const [found, toLight] = [PRIMARIES.get(primaries) ?? SRGB, CURVES.get(curve) ?? srgbToLight];
  return found === SRGB && toLight === srgbToLight ? undefined : { primaries: found, toLight };
}

/** Programs write the nearest gamma, 1 / 2.2, for sRGB itself. */
const SRGB_GAMMA = 0.45455;
const isNear = (a: number, b: number, most: number): boolean => Math.abs(a - b) <= most;

/** The space of a PNG's gamma (of encoding, such as 0.45455) and chromaticities, each if given. Undefined for sRGB's. */
export function measuredSpace(gamma: number | undefined, given: Primaries | undefined): ColourSpace | undefined {
  const isGamma = gamma === undefined || gamma <= 0 || isNear(gamma, SRGB_GAMMA, 1e-3);
  const own = given && given.every((v, i) => isNear(v, SRGB[i]!, 2e-3)) ? undefined : given;
  if (isGamma && !own) return undefined;
  return { primaries: own ?? SRGB, toLight: isGamma ? srgbToLight : (v) => v ** (1 / gamma) };
}

type Matrix = readonly (readonly number[])[];
const times = (a: Matrix, b: Matrix): Matrix =>
  a.map((row) => b[0]!.map((_, j) => row.reduce((sum, v, k) => sum + v * b[k]![j]!, 0)));

function inverse(m: Matrix): Matrix {
  const minor = (i: number, j: number): number => {
    const [r, s] = [(i + 1) % 3, (i + 2) % 3];
    const [c, d] = [(j + 1) % 3, (j + 2) % 3];
    return m[r]![c]! * m[s]![d]! - m[r]![d]! * m[s]![c]!;
  };
  const determinant = [0, 1, 2].reduce((sum, j) => sum + m[0]![j]! * minor(0, j), 0);
  if (!(Math.abs(determinant) > 1e-9)) throw new Error('its colours are described by impossible numbers');
  return [0, 1, 2].map((i) => [0, 1, 2].map((j) => minor(j, i) / determinant));
}

const xyz = (x: number, y: number): number[] => [x / y, 1, (1 - x - y) / y];
const column = (values: readonly number[]): Matrix => values.map((value) => [value]);

/** To CIE XYZ. http://www.brucelindbloom.com/index.html?Eqn_RGB_XYZ_Matrix.html */
function toXyz([rx, ry, gx, gy, bx, by, wx, wy]: Primaries): Matrix {
  const corners = [xyz(rx, ry), xyz(gx, gy), xyz(bx, by)];
  const rows = [0, 1, 2].map((i) => corners.map((corner) => corner[i]!));
  const scales = times(inverse(rows), column(xyz(wx, wy)));
  return rows.map((row) => row.map((v, j) => v * scales[j]![0]!));
}

/** Bradford's cone responses. */
const CONES: Matrix = [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]];

function adapted(white: readonly [number, number]): Matrix {
  const [from, to] = [white, D65].map(([x, y]) => times(CONES, column(xyz(x, y))));
  const scaling = [0, 1, 2].map((i) => [0, 1, 2].map((j) => (i === j ? to![i]![0]! / from![i]![0]! : 0)));
  return times(inverse(CONES), times(scaling, CONES));
}

/** Light in `primaries` as light in sRGB's. @throws Error when these primaries span no colours */
function toSrgbLight(primaries: Primaries): Matrix {
  const white = [primaries[6], primaries[7]] as const;
  return times(inverse(toXyz(SRGB)), times(adapted(white), toXyz(primaries)));
}

/** Steps of light in which it is looked up. */
const STEPS = 65535;

/** `pixels` of `space` in sRGB, in place; colours outside of it go to its border. @throws Error as `toSrgbLight` */
export function toSrgb(pixels: Pixels, { primaries, toLight }: ColourSpace): Pixels {
  const { data } = pixels;
  const max = data instanceof Uint16Array ? 65535 : 255;
  const light = Float32Array.from({ length: max + 1 }, (_, v) => toLight(v / max));
  const stored = Float32Array.from({ length: STEPS + 1 }, (_, v) => Math.round(max * srgbOf(v / STEPS)));
  const rows = toSrgbLight(primaries);
  for (let i = 0; i < data.length; i += 3) {
    const [r, g, b] = [light[data[i]!]!, light[data[i + 1]!]!, light[data[i + 2]!]!];
    for (let c = 0; c < 3; c++) {
      const [fromR, fromG, fromB] = rows[c]! as [number, number, number];
      const value = fromR * r + fromG * g + fromB * b;
      data[i + c] = stored[Math.round(STEPS * Math.min(1, Math.max(0, value)))]!;
    }
  }
  return pixels;
}
