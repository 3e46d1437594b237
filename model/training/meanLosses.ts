/** What runs of one pair can be compared by. */
import type { Engine } from '../../engine/index.js';
import { termNames } from '../method/options.js';
import { lossGraph, type Setting, type StepKind } from '../method/steps.js';
import { drawnStep } from './drawn.js';
import { largestOf } from './memoryNeed.js';
import { programCache } from './programs.js';

/** A seed that hardly any run trains with. */
const SEED = 2 ** 32 - 1;
/** As many of the first steps, of which none adds the whole photo. */
const DRAWS = 16;

/** Mean losses, by `termNames`, of the generator that makes the result, with what `prepare` uploaded to the engine. */
export async function meanLosses(engine: Engine, trained: Setting): Promise<Record<string, number>> {
  const setting = { ...trained, options: { ...trained.options, seed: SEED, sharedSteps: 0 } };
  const programs = programCache<StepKind>(engine, (g, kind) => lossGraph(g, kind, setting), (kind) => largestOf(kind, setting));
  try {
    const terms = termNames(setting.options);
    const sums = new Float64Array(terms.length);
    for (let draw = 1; draw <= DRAWS; draw++) {
      const program = await drawnStep(engine, setting, programs, 'train', draw);
      program.run();
      (await program.read('losses')).forEach((value, i) => (sums[i]! += value));
    }
    return Object.fromEntries(terms.map((term, i) => [term, sums[i]! / DRAWS]));
  } finally {
    programs.destroy();
  }
}
