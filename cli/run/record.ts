/** A run's config.json as it is written, and as it is compared with on a resume. */
import type { TrainingRun } from '../../model/training/run.js';
import type { AdapterSummary } from '../gpu/device.js';
import { version } from '../shared/version.js';
import { stepsIn, type Checkpoint, type Identity } from './checkpoints.js';
import { checkIdentity, type Fields } from './config.js';
import type { Training } from './training.js';

/** Why a run is continued. */
export type Reason = 'resumed' | 'device lost' | 'regions brushed';

/**
 * To be called before a page shows anything that a config.json names. @param saved the config of the run in `folder`
 * @throws InputError when photos, weights or settings are not those the run began with
 */
export const checkRecord = (folder: string, saved: Fields, training: Training): void =>
  checkIdentity(folder, recordedIdentity(saved, training), training.identity, training.sources);

/** The identity in a config.json; earlier versions recorded only some hashes of it, at the places where `config` has them. */
function recordedIdentity(saved: Fields, { identity, config }: Training): Identity {
  const written = saved['identity'];
  if (typeof written === 'object' && written !== null) return written as Identity;
  const hashOf = (place: unknown): unknown => (typeof place === 'object' ? (place as Fields | null)?.['sha256'] : undefined);
  const known: Record<string, string> = {};
  for (const [name, place] of Object.entries(config)) {
    const [was, is] = [hashOf(saved[name]), hashOf(place)];
    // Two places may have the same photo; they are in the same order in both.
    const entry = Object.keys(identity).find((each) => identity[each] === is && !(each in known));
    if (entry !== undefined && typeof was === 'string') known[entry] = was;
  }
  return { ...identity, ...known };
}

/** The part of config.json about when and where the run is made. */
export function describeMaking(
  device: AdapterSummary, from: Checkpoint | undefined, saved: Fields | undefined, reason: Reason,
): Fields {
  const at = new Date().toISOString();
  const { started = at, resumed } = saved ?? {};
  const continued = { at, step: from ? stepsIn(from.state) : 0, reason, device };
  return {
    device, started,
    ...(saved && { resumed: [...(Array.isArray(resumed) ? (resumed as unknown[]) : []), continued] }),
  };
}

/** The part of config.json that does not depend on when and where the run is made. */
export const recordOf = ({ command, plan: { warmStart, steps }, config, page, identity }: Training): Fields =>
  ({ program: 'splice-gpu', version: version(), command, plan: { warmStart, steps }, ...config, page, identity });

/** Lines about where a run continues. */
export function continuing(from: Checkpoint | undefined, saved: Fields, adapter: AdapterSummary): string[] {
  if (!from) return ['no checkpoint was written yet: starting from the beginning'];
  const isSame = JSON.stringify(saved['device']) === JSON.stringify(adapter);
  const note = 'note: this is a different device, so results can differ in the last digits';
  return [`resuming after ${stepsOf(from.state.counters)}`, ...(isSame ? [] : [note])];
}

/** The steps of a run in words. */
export function stepsOf(done: Readonly<Partial<Pick<TrainingRun, 'warmStepsDone' | 'stepsDone'>>>): string {
  const { warmStepsDone, stepsDone = 0 } = done;
  return stepsDone > 0 || !warmStepsDone ? `${stepsDone} steps` : `${warmStepsDone} steps of the warm start`;
}
