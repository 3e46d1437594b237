/** JSON from files that are not trusted. */
import { CheckpointFileError } from './errors.js';

/** Two bytes of brackets parse to a hundred bytes, so they are counted first. A tensor's entry in a header has three. */
const MAX_BRACKETS = 100_000;

/** @param what the JSON's name in errors, such as `the header`. @throws CheckpointFileError */
export function boundedJson(bytes: Uint8Array, what: string, maxBytes: number): unknown {
  if (bytes.length > maxBytes) throw new CheckpointFileError(`${what} has ${bytes.length} bytes: at most ${maxBytes} are read`);
  let brackets = 0;
  for (const byte of bytes) if (byte === 0x5b || byte === 0x7b) brackets++;
  const tooMany = `${what} has ${brackets} brackets: no model needs more than ${MAX_BRACKETS}`;
  if (brackets > MAX_BRACKETS) throw new CheckpointFileError(tooMany);
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new CheckpointFileError(`${what} is not JSON`);
  }
}

/** Seeds, steps, layers, sizes and offsets are such numbers. */
export const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
