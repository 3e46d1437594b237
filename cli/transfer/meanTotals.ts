/** What the seeds of a pair are compared by. */
import { readCheckpoint } from '../run/checkpoints.js';
import { readConfig } from '../run/config.js';
import { branchPoints } from '../run/kept.js';
import type { Parts } from '../run/parts.js';
import { InputError } from '../shared/errors.js';
import { moreOf, readInputs } from './inputs.js';
import { parseOptions } from './options.js';
import { startOf } from './transfer.js';

/**
 * Total losses of a run's generator after each of `steps`, or else at its newest checkpoint: means over draws that are the same
 * for all seeds. @throws InputError for a step that was not kept
 */
export async function meanTotals(folder: string, parts: Parts, steps?: readonly number[]): Promise<number[]> {
  const inputs = await readInputs(parseOptions(await readConfig(folder), { folder, json: false }), parts);
  const { options: { splice }, structure, appearance, model: { vit } } = inputs;
  const points = await branchPoints(folder, splice.warmStart);
  const wanted = steps?.map((step) => {
    const found = points.find((point) => point.steps === step);
    if (!found) throw new InputError(`${folder} holds no checkpoint after ${step} steps: make the run with --keep-every`);
    return found;
  }) ?? points.slice(-1);
  const startPair = await startOf(inputs, parts);
  const { engine, close } = await parts.openEngine({ precision: splice.precision });
  try {
    const totals: number[] = [];
    for (const { path } of wanted) {
      const { state } = await readCheckpoint(path);
      const run = await startPair(engine, vit, structure.image, appearance.image, splice, state, moreOf(inputs));
      totals.push((await run.meanLosses())['total']!);
      run.destroy();
    }
    return totals;
  } finally {
    close();
  }
}
