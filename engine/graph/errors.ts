/** Errors of the engine. */

/** Tells the kinds of errors apart, also where a bundler renames classes or a page loads two copies of the engine. */
export type EngineErrorCode = 'SHAPE' | 'USE' | 'FEATURE' | 'KERNEL' | 'OUT_OF_MEMORY' | 'DEVICE_LOST';

/** Every error that the engine throws. */
export abstract class EngineError extends Error {
  abstract readonly code: EngineErrorCode;
}

/** A tensor does not fit where it is used. The message names the op and prints both sides. */
export class ShapeError extends EngineError {
  override readonly name = 'ShapeError';
  readonly code = 'SHAPE';
}

/** A call that cannot be right: an unknown name, a wrong number of values, something used after `destroy()` or out of turn. */
export class UseError extends EngineError {
  override readonly name = 'UseError';
  readonly code = 'USE';
}
