/** DIR/kept/NNNNN.safetensors: checkpoints after NNNNN steps of the training, from which a branch can begin. */
import { link, mkdir, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileError } from '../shared/errors.js';
import { syncFolder, writeFileAtomic } from '../shared/files.js';
import { readBounded } from '../shared/read.js';
import { MAX_CHECKPOINT } from './checkpoints.js';

export interface Kept {
  /** Steps of the training, without the warm start. */
  readonly steps: number;
  readonly path: string;
}

const NAME = /^\d{5,}\.safetensors$/;

/** Keeps a checkpoint for good: under another name of its file, or as a copy where a file has only one name. */
export async function keepCheckpoint(checkpoint: string, folder: string, steps: number): Promise<void> {
  const path = join(folder, `${String(steps).padStart(5, '0')}.safetensors`);
  try {
    if (await mkdir(folder, { recursive: true })) await syncFolder(dirname(folder));
    await rm(path, { force: true });
    await link(checkpoint, path).catch(async () =>
      writeFileAtomic(path, await readBounded(checkpoint, { maxBytes: MAX_CHECKPOINT })));
    await syncFolder(folder);
  } catch (error) {
    throw fileError(path, error);
  }
}

/** The checkpoints in such a folder, ascending; none when there is no folder. */
async function keptIn(folder: string): Promise<Kept[]> {
  const names = (await readdir(folder).catch(() => [])).filter((name) => NAME.test(name));
  return names.map((name) => ({ steps: Number.parseInt(name, 10), path: join(folder, name) })).sort((a, b) => a.steps - b.steps);
}

/** The checkpoints of a run from which a branch can begin, ascending: those that are kept, and the newest. */
export async function branchPoints(run: string, warmStart: number): Promise<Kept[]> {
  const recent = (await keptIn(join(run, 'checkpoints'))).map((each) => ({ ...each, steps: each.steps - warmStart }));
  const all = new Map([...(await keptIn(join(run, 'kept'))), ...recent].map((each) => [each.steps, each]));
  return [...all.values()].filter(({ steps }) => steps > 0).sort((a, b) => a.steps - b.steps);
}
