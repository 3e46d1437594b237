/** JSON from strangers. */
import { CheckpointFileError } from './errors.js';

/** JSON makes two bytes of brackets into a hundred of memory, so they are counted before it is parsed. A tensor of a safetensors header has three. */
const MAX_BRACKETS = 100_000;

/** The value, or an error that says what of `what` (`the header`) is wrong. @throws CheckpointFileError */
export function boundedJson(bytes: Uint8Array, what: string, maxBytes: number): unknown {
  if (bytes.length > maxBytes) throw new CheckpointFileError(`${what} has ${bytes.length} bytes: at most ${maxBytes} are read`);
  let brackets = 0;
  for (const byte of bytes) if (byte === 0x5b || byte === 0x7b) brackets++;
  if (brackets > MAX_BRACKETS) throw new CheckpointFileError(`${what} has ${brackets} brackets: no model needs more than ${MAX_BRACKETS}`);
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new CheckpointFileError(`${what} is not JSON`);
  }
}

export const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
