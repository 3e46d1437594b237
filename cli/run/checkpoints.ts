/**
 * DIR/checkpoints/NNNNN.safetensors: all that a run needs to go on. A file is whole or not there: written beside, synced, renamed, and
 * the folder synced. The one before is kept, and a checksum tells when the newest was damaged later.
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunState } from '../../model/training/state.js';
import { parseSafetensors, serializeSafetensors } from '../../model/files/safetensors.js';
import type { Weight } from '../../model/vit/config.js';
import { fileProblem, InputError } from '../shared/errors.js';
import { syncFolder, writeFileAtomic } from '../shared/files.js';

/** What must be the same for a run to go on: hashes of photos and weights, and the settings. By name, as users know them. */
export type Identity = Readonly<Record<string, string>>;

export interface Checkpoint {
  readonly state: RunState;
  readonly identity: Identity;
  /** Bytes of log.jsonl that belong to the steps done. */
  readonly logBytes: number;
  /** Training time so far. */
  readonly seconds: number;
}

export interface Checkpoints {
  write(checkpoint: Checkpoint): Promise<void>;
  /**
   * The newest that is whole and that `problemOf` finds no fault with; `onSkip` hears a line for each newer one. Undefined where none
   * was written yet. @throws InputError when there are some and none is usable
   */
  newest(problemOf: (checkpoint: Checkpoint) => string | undefined, onSkip: (line: string) => void): Promise<Checkpoint | undefined>;
}

const FORMAT = 'splice-gpu checkpoint 1';
const KEPT = 2;
const NAME = /^\d{5,}\.safetensors$/;
/** More than any generator's weights and moments. */
const MAX_BYTES = 1e9;
const TENSORS = ['weights', 'momentum', 'variance', 'losses'] as const;
const COUNTERS = ['warmStepsDone', 'stepsDone', 'updates', 'logBytes'] as const;

/** The checkpoints in `folder`, which is made with the first. */
export function checkpointsIn(folder: string): Checkpoints {
  const pathOf = (steps: number) => join(folder, `${String(steps).padStart(5, '0')}.safetensors`);
  /** Steps behind each, most first. */
  const list = async (): Promise<number[]> => {
    const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw new InputError(`${folder} ${fileProblem(error)}`, { cause: error });
    });
    return names.filter((name) => NAME.test(name)).map((name) => Number.parseInt(name, 10)).sort((a, b) => b - a);
  };
  return {
    write: async (checkpoint) => {
      const steps = checkpoint.state.warmStepsDone + checkpoint.state.stepsDone;
      await mkdir(folder, { recursive: true });
      await writeFileAtomic(pathOf(steps), encodeCheckpoint(checkpoint));
      await syncFolder(folder); // before others go
      const all = await list();
      // Those of more steps are damaged ones that the run went back behind.
      const old = [...all.filter((n) => n > steps), ...all.filter((n) => n <= steps).slice(KEPT)];
      for (const n of old) await rm(pathOf(n), { force: true });
    },
    newest: async (problemOf, onSkip) => {
      const paths = (await list()).map(pathOf);
      for (const [i, path] of paths.entries()) {
        const found = await readCheckpoint(path).catch((error: Error) => error);
        const problem = found instanceof Error ? found.message : problemOf(found);
        if (problem === undefined) return found as Checkpoint;
        onSkip(i + 1 < paths.length ? `${problem}: trying the checkpoint before it` : problem);
      }
      if (paths.length > 0) throw new InputError(`no checkpoint in ${folder} can be used: start the run anew with --force`);
      return undefined;
    },
  };
}

/** @throws InputError naming the file and what is wrong with it */
export async function readCheckpoint(path: string): Promise<Checkpoint> {
  const reading = <T>(work: Promise<T>): Promise<T> =>
    work.catch((error: unknown) => {
      throw new InputError(`${path} ${fileProblem(error)}`, { cause: error });
    });
  const { size } = await reading(stat(path));
  if (size > MAX_BYTES) throw new InputError(`${path} is damaged (no checkpoint has ${size} bytes)`);
  const bytes = await reading(readFile(path));
  try {
    return decodeCheckpoint(bytes);
  } catch (error) {
    throw new InputError(`${path} is damaged (${(error as Error).message})`, { cause: error });
  }
}

/** The bytes of a checkpoint file. */
export function encodeCheckpoint({ state, identity, logBytes, seconds }: Checkpoint): Uint8Array {
  const kept = [...TENSORS.map((name) => [name as string, state[name]] as const), ...(state.average ? [['average', state.average] as const] : [])];
  const tensors = new Map(kept.map(([name, data]) => [name, { shape: [data.length], data }]));
  const { warmStepsDone, stepsDone, updates } = state;
  const metadata = {
    format: FORMAT,
    ...Object.fromEntries(Object.entries({ warmStepsDone, stepsDone, updates, logBytes, seconds }).map(([name, value]) => [name, String(value)])),
    identity: JSON.stringify(identity),
  };
  return serializeSafetensors(tensors, { ...metadata, sha256: checksum(tensors, new Map(Object.entries(metadata))) });
}

/** @throws Error that says what is wrong, for bytes that are not exactly what `encodeCheckpoint` made */
export function decodeCheckpoint(bytes: Uint8Array): Checkpoint {
  const { tensors, metadata } = parseSafetensors(bytes);
  if (metadata.get('format') !== FORMAT) throw new Error(`it is no "${FORMAT}"`);
  const expected = metadata.get('sha256');
  metadata.delete('sha256');
  if (checksum(tensors, metadata) !== expected) throw new Error('its checksum is wrong');
  const [warmStepsDone, stepsDone, updates, logBytes] = COUNTERS.map((name) => numberOf(metadata, name)) as [number, number, number, number];
  const [weights, momentum, variance, losses] = TENSORS.map((name) => {
    const data = tensors.get(name)?.data;
    if (!data) throw new Error(`${name} is missing`);
    return data;
  }) as [Float32Array, Float32Array, Float32Array, Float32Array];
  const average = tensors.get('average')?.data;
  const state = { warmStepsDone, stepsDone, updates, weights, momentum, variance, losses, ...(average && { average }) };
  return { state, identity: JSON.parse(metadata.get('identity') ?? '{}') as Identity, logBytes, seconds: numberOf(metadata, 'seconds') };
}

function numberOf(metadata: ReadonlyMap<string, string>, name: string): number {
  const value = Number(metadata.get(name));
  if (Number.isFinite(value) && value >= 0) return value;
  throw new Error(`${name} is ${metadata.get(name)}`);
}

/** SHA-256 of all that a file holds but this. */
function checksum(tensors: ReadonlyMap<string, Weight>, metadata: ReadonlyMap<string, string>): string {
  const hash = createHash('sha256').update(JSON.stringify([...metadata].sort()));
  for (const [name, { shape, data }] of tensors) {
    hash.update(JSON.stringify([name, shape])).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest('hex');
}
