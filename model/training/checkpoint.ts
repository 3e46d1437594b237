/**
 * A checkpoint as a safetensors file: all that a run needs to continue, under a checksum. Who writes one brings the SHA-256,
 * since Node has it at once and a browser later.
 */
import { parseSafetensors, serializeSafetensors } from '../files/safetensors.js';
import type { Weight } from '../vit/config.js';
import type { LogPart } from './log.js';
import type { TrainingState } from './run.js';

/** The parts of a run that a resume must not change: hashes of its photos and weights, and its settings, by name. */
export type Identity = Readonly<Record<string, string>>;

/** Its part of the log belongs to the steps done. */
export interface Checkpoint extends LogPart {
  readonly state: TrainingState;
  readonly identity: Identity;
  /** Training time so far. */
  readonly seconds: number;
}

/** The content of a checkpoint file but for its checksum. */
export interface CheckpointParts {
  readonly tensors: ReadonlyMap<string, Weight>;
  readonly metadata: ReadonlyMap<string, string>;
}

const FORMAT = 'splice-gpu checkpoint 1';

/** Counters are metadata next to the format, the identity, `logBytes` and `seconds`. */
export function checkpointParts({ state, identity, logBytes, logSha256, seconds }: Checkpoint): CheckpointParts {
  const tensors = new Map([...state.arrays].map(([name, data]) => [name, { shape: [data.length], data }]));
  const numbers = Object.entries({ ...state.counters, logBytes, seconds }).map(([name, value]) => [name, String(value)]);
  const texts = { identity: JSON.stringify(identity), ...(logSha256 !== undefined && { logSha256 }) };
  return { tensors, metadata: new Map(Object.entries({ format: FORMAT, ...Object.fromEntries(numbers), ...texts })) };
}

/** What a checkpoint's SHA-256 is of: everything in the file except this value. */
export function hashed({ tensors, metadata }: CheckpointParts): Uint8Array[] {
  const bytesOf = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
  const ofTensors = [...tensors].flatMap(([name, { shape, data }]) =>
    [bytesOf([name, shape]), new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength)]);
  return [bytesOf([...metadata].sort()), ...ofTensors];
}

/** The bytes of the file. @param sha256 of `hashed` */
export const checkpointBytes = ({ tensors, metadata }: CheckpointParts, sha256: string): Uint8Array =>
  serializeSafetensors(tensors, { ...Object.fromEntries(metadata), sha256 });

/** @throws Error for a file that is no checkpoint, CheckpointFileError for a damaged one */
export function parseCheckpoint(bytes: Uint8Array): { readonly parts: CheckpointParts; readonly sha256: string | undefined } {
  const { tensors, metadata } = parseSafetensors(bytes);
  if (metadata.get('format') !== FORMAT) throw new Error(`it is not a "${FORMAT}"`);
  const sha256 = metadata.get('sha256');
  metadata.delete('sha256');
  return { parts: { tensors, metadata }, sha256 };
}

/** @param isWhole whether the SHA-256 of `hashed` is the one in the file @throws Error naming the fault */
export function checkpointOf({ tensors, metadata }: CheckpointParts, isWhole: boolean): Checkpoint {
  if (!isWhole) throw new Error('its checksum is wrong');
  const { format: _, identity = '{}', logSha256, ...texts } = Object.fromEntries(metadata);
  const numbers = Object.entries(texts).map(([name, text]) => [name, numberOf(name, text)] as const);
  const { logBytes, seconds, ...counters } = Object.fromEntries(numbers);
  if (logBytes === undefined || seconds === undefined) throw new Error('logBytes or seconds is missing');
  const arrays = new Map([...tensors].map(([name, { data }]) => [name, data]));
  const log = { logBytes, ...(logSha256 !== undefined && { logSha256 }) };
  return { state: { counters, arrays }, identity: JSON.parse(identity) as Identity, ...log, seconds };
}

function numberOf(name: string, text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value >= 0) return value;
  throw new Error(`${name} is ${text}`);
}
