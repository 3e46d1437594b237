/** A state under other options: what a branch of a run begins with. */
import { termNames, type Distances, type Steadying } from '../method/options.js';
import type { TrainingState } from './run.js';

type Terms = Distances & Pick<Steadying, 'ema'>;

/**
 * The state of a run with the options `before`, for a run with the options `after`. A moving average that begins is that of the
 * weights alone; losses of new terms are 0 until the first step. With the same options it is the same state.
 */
export function branchedState({ counters, arrays }: TrainingState, before: Terms, after: Terms): TrainingState {
  const { weights, average = weights, losses, ...others } = Object.fromEntries(arrays);
  if (!weights || !losses) throw new Error('the state has no weights or no losses');
  const known = new Map(termNames(before).map((name, i) => [name, losses[i]]));
  const terms = Float32Array.from(termNames(after), (name) => known.get(name) ?? 0);
  const kept = { weights, ...(after.ema > 0 && { average: average! }), ...others, losses: terms };
  return { counters, arrays: new Map(Object.entries(kept)) };
}
