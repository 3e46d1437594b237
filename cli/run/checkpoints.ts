/**
 * DIR/checkpoints/NNNNN.safetensors: all that a run needs to continue. A file is whole or absent: it is written under another
 * name, synced and renamed, and the folder is synced. The one before it is kept, and a checksum shows later damage.
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  checkpointBytes, checkpointOf, checkpointParts, hashed, parseCheckpoint, type Checkpoint, type Identity,
} from '../../model/training/checkpoint.js';
import { stepsIn } from '../../model/training/run.js';
import { fileError, InputError } from '../shared/errors.js';
import { syncFolder, writeFileAtomic } from '../shared/files.js';
import { readBounded } from '../shared/read.js';

export { stepsIn, type Checkpoint, type Identity };

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

const KEPT = 2;
const NAME = /^\d{5,}\.safetensors$/;
/** More than the weights and moments of any model that is trained here. */
export const MAX_CHECKPOINT = 2e9;

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

/** The bytes of a checkpoint file. */
export function encodeCheckpoint(checkpoint: Checkpoint): Uint8Array {
  const parts = checkpointParts(checkpoint);
  return checkpointBytes(parts, sha256Of(hashed(parts)));
}

/** @throws Error naming the fault, for bytes that are not exactly what `encodeCheckpoint` made */
export function decodeCheckpoint(bytes: Uint8Array): Checkpoint {
  const { parts, sha256 } = parseCheckpoint(bytes);
  return checkpointOf(parts, sha256 === sha256Of(hashed(parts)));
}

function sha256Of(content: readonly Uint8Array[]): string {
  const hash = createHash('sha256');
  for (const part of content) hash.update(part);
  return hash.digest('hex');
}
