/**
 * DIR/checkpoints/NNNNN.safetensors: all that a run needs to continue. A file is whole or absent: it is written under another
 * name, synced and renamed, and the folder is synced. The one before it is kept, and a checksum shows later damage.
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parseSafetensors, serializeSafetensors } from '../../model/files/safetensors.js';
import type { TrainingState } from '../../model/training/run.js';
import type { Weight } from '../../model/vit/config.js';
import { fileError, InputError } from '../shared/errors.js';
import { syncFolder, writeFileAtomic } from '../shared/files.js';
import type { LogPart } from './log.js';
import { readBounded } from '../shared/read.js';

/** The parts of a run that a resume must not change: hashes of its photos and weights, and its settings, by name. */
export type Identity = Readonly<Record<string, string>>;

/** Its part of the log belongs to the steps done. */
export interface Checkpoint extends LogPart {
  readonly state: TrainingState;
  readonly identity: Identity;
  /** Training time so far. */
  readonly seconds: number;
}

export interface Checkpoints {
  /** Returns the path of the file. */
  write(checkpoint: Checkpoint): Promise<string>;
  /**
   * The newest that is whole and in which `problemOf` finds no fault; `onSkip` gets a line for each newer one. Undefined when
   * none was written yet. @throws InputError when there are some and none is usable
   */
  newest(
    problemOf: (found: Checkpoint) => Promise<string | undefined>, onSkip: (line: string) => void,
  ): Promise<Checkpoint | undefined>;
}

const FORMAT = 'splice-gpu checkpoint 1';
const KEPT = 2;
const NAME = /^\d{5,}\.safetensors$/;
/** More than the weights and moments of any model that is trained here. */
export const MAX_CHECKPOINT = 2e9;

/** Steps of a state, those of the warm start included. */
export const stepsIn = ({ counters: { warmStepsDone = 0, stepsDone = 0 } }: TrainingState): number => warmStepsDone + stepsDone;

/** The checkpoints in `folder`, which is created with the first. */
export function checkpointsIn(folder: string): Checkpoints {
  const pathOf = (steps: number) => join(folder, `${String(steps).padStart(5, '0')}.safetensors`);
  /** Their steps, largest first. */
  const list = async (): Promise<number[]> => {
    const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw fileError(folder, error);
    });
    return names.filter((name) => NAME.test(name)).map((name) => Number.parseInt(name, 10)).sort((a, b) => b - a);
  };
  return {
    write: async (checkpoint) => {
      const steps = stepsIn(checkpoint.state);
      if (await mkdir(folder, { recursive: true })) await syncFolder(dirname(folder));
      await writeFileAtomic(pathOf(steps), encodeCheckpoint(checkpoint));
      await syncFolder(folder); // before others are removed
      const all = await list();
      // Those of more steps are damaged ones that the run could not use.
      const old = [...all.filter((n) => n > steps), ...all.filter((n) => n <= steps).slice(KEPT)];
      for (const n of old) await rm(pathOf(n), { force: true });
      return pathOf(steps);
    },
    newest: async (problemOf, onSkip) => {
      const paths = (await list()).map(pathOf);
      for (const [i, path] of paths.entries()) {
        const found = await readCheckpoint(path).catch((error: Error) => error);
        const problem = found instanceof Error ? found.message : await problemOf(found);
        if (problem === undefined) return found as Checkpoint;
        onSkip(i + 1 < paths.length ? `${problem}: trying the checkpoint before it` : problem);
      }
      if (paths.length > 0) throw new InputError(`no checkpoint in ${folder} can be used: start a new run with another --out`);
      return undefined;
    },
  };
}

/** @throws InputError naming the file and what is wrong with it */
export async function readCheckpoint(path: string): Promise<Checkpoint> {
  try {
    return decodeCheckpoint(await readBounded(path, { maxBytes: MAX_CHECKPOINT }));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw code === undefined ? new InputError(`${path} is damaged (${message})`, { cause: error }) : fileError(path, error);
  }
}

/** The bytes of a checkpoint file. Counters are metadata next to the format, the identity, `logBytes` and `seconds`. */
export function encodeCheckpoint({ state, identity, logBytes, logSha256, seconds }: Checkpoint): Uint8Array {
  const tensors = new Map([...state.arrays].map(([name, data]) => [name, { shape: [data.length], data }]));
  const numbers = Object.entries({ ...state.counters, logBytes, seconds }).map(([name, value]) => [name, String(value)]);
  const texts = { identity: JSON.stringify(identity), ...(logSha256 !== undefined && { logSha256 }) };
  const metadata = { format: FORMAT, ...Object.fromEntries(numbers), ...texts };
  return serializeSafetensors(tensors, { ...metadata, sha256: checksum(tensors, new Map(Object.entries(metadata))) });
}

/** @throws Error naming the fault, for bytes that are not exactly what `encodeCheckpoint` made */
export function decodeCheckpoint(bytes: Uint8Array): Checkpoint {
  const { tensors, metadata } = parseSafetensors(bytes);
  if (metadata.get('format') !== FORMAT) throw new Error(`it is not a "${FORMAT}"`);
  const expected = metadata.get('sha256');
  metadata.delete('sha256');
  if (checksum(tensors, metadata) !== expected) throw new Error('its checksum is wrong');
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

/** SHA-256 of everything in a file except this value. */
function checksum(tensors: ReadonlyMap<string, Weight>, metadata: ReadonlyMap<string, string>): string {
  const hash = createHash('sha256').update(JSON.stringify([...metadata].sort()));
  for (const [name, { shape, data }] of tensors) {
    hash.update(JSON.stringify([name, shape])).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest('hex');
}
