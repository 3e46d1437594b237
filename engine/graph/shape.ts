/** Shapes and the checks of them. */
import { ShapeError } from './errors.js';

/** Sizes from the outermost axis to the innermost, row-major. `[]` is a scalar. */
export type Shape = readonly number[];

/** Shapes whose rank has been checked, to take apart. */
export type Shape2 = readonly [number, number];
export type Shape3 = readonly [number, number, number];
export type Shape4 = readonly [number, number, number, number];

/** Number of elements. */
export const sizeOf = (shape: Shape): number => shape.reduce((product, n) => product * n, 1);

/** `[2, 3]`, for messages and printed graphs. */
export const showShape = (shape: Shape): string => `[${shape.join(', ')}]`;

export const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((n, i) => n === b[i]);

/** @throws ShapeError unless every size is a positive integer */
export function checkShape(who: string, shape: Shape): void {
  if (shape.every((n) => Number.isInteger(n) && n > 0)) return;
  throw new ShapeError(`${who}: sizes must be positive integers, got ${showShape(shape)}`);
}

/** @throws ShapeError unless `a` and `b` are equal */
export function expectSame(who: string, what: string, a: Shape, b: Shape): void {
  if (!sameShape(a, b)) throw new ShapeError(`${who}: ${what}: ${showShape(a)} and ${showShape(b)}`);
}

/** @throws ShapeError unless `shape` has `rank` axes */
export function expectRank(who: string, what: string, shape: Shape, rank: number): void {
  if (shape.length !== rank) throw new ShapeError(`${who}: ${what} must have ${rank} axes, got ${showShape(shape)}`);
}
