/** A training of this page as a file. Runs in a worker. */
import {
  LOG_EVERY, packRun, pairIdentity, withoutUnused,
  type Fields, type Identity, type RunFile, type SpliceOptions, type StepLosses, type TrainingState,
} from '../../../model/index.js';
import { sha256, type Loaded } from './models.js';
import type { Photo } from './pictures.js';
import type { Prepared } from './plan.js';

/** A moment of a run from which it goes on. */
export interface Kept {
  readonly state: TrainingState;
  /** The part of the log that a longer run has too. */
  readonly log: readonly StepLosses[];
  /** Of training so far. */
  readonly seconds: number;
}

/** The parts of a run's file that its training does not change. */
export type RunSource = Pick<RunFile, 'config' | 'photos' | 'pixels'> & { readonly identity: Identity };

export const hash = (parts: readonly Uint8Array[]): Promise<string> => sha256(...(parts as readonly BlobPart[]));

/** Of a run that begins here. The photos are the pixels that it is trained on. */
export async function newSource(
  photos: Readonly<Record<'structure' | 'appearance', Photo>>, { vit, sha256: weights }: Loaded, options: SpliceOptions,
  isDetailed: boolean,
): Promise<RunSource> {
  const files = new Map<string, Uint8Array>();
  const described: Record<string, { readonly path: string; readonly sha256: string }> = {};
  for (const [which, photo] of Object.entries(photos)) {
    const { width, height } = photo.image;
    const png = await photo.png();
    const path = `photos/${which}.png`;
    const size = [width, height];
    files.set(path, png);
    described[which] = Object.assign({ path, sha256: await hash([png]), format: 'png' }, { size, usedSize: size });
  }
  const hashes = { structure: described['structure']!.sha256, appearance: described['appearance']!.sha256, weights };
  const identity = pairIdentity(hashes, vit.config, options);
  const { warmStart, steps } = options;
  const { name, config } = vit;
  return {
    photos: files, identity,
    config: {
      program: 'splice-gpu studio', command: 'transfer', plan: { warmStart, steps },
      options: { ...withoutUnused(options), size: null, saveEvery: 250, ...(isDetailed && { detail: 'auto' }) }, ...described,
      model: { given: name, name, path: name, sha256: weights, config }, identity, started: new Date().toISOString(),
    },
  };
}

/** The run as a file. */
export function pack({ source, options, regions }: Prepared, { state, log, seconds }: Kept): Promise<Uint8Array<ArrayBuffer>> {
  const { identity, config, ...files } = source;
  const { warmStart, steps } = options;
  const { stepsDone = 0 } = state.counters;
  const now = {
    ...config, plan: { warmStart, steps }, options: { ...(config['options'] as Fields), steps },
    status: 'interrupted', stepsDone, seconds,
  };
  const run = { ...files, ...(regions && { regions }), config: now, log, checkpoint: { state, identity, seconds, logBytes: 0 } };
  return packRun(run, hash) as Promise<Uint8Array<ArrayBuffer>>; // never shared memory
}

/** The part of a log that a longer run has too. */
export const keptLog = (log: readonly StepLosses[], stepsDone: number): StepLosses[] =>
  log.filter(({ step }) => step % LOG_EVERY === 0 && step < stepsDone);
