/** A step of one pair with what its seed draws. */
import type { Engine, Program } from '../../engine/index.js';
import { drawAppearance, drawStructure, type Draw } from '../method/augment.js';
import { recipes } from '../method/recipes.js';
import { colourValues, COMPARISONS, regionValues, tokenLabels, type Labels, type PatchGrid } from '../method/regions.js';
import { colourSize, looksOf, type Setting, type StepKind } from '../method/steps.js';
import { DIRECTIONS, drawDirections } from '../method/texture.js';
import { random } from '../random.js';
import type { ProgramCache } from './programs.js';
import { stepProgram, writeFrame, type Phase } from './steps.js';

/** Writes the regions of a step's tokens, of the whole photos without crops `a` and `b`. */
function writeRegions(program: Program, setting: Setting, look: number, a?: Draw, b?: Draw): void {
  const { regions, vit, options } = setting;
  const { count, structure, appearances } = regions!;
  const { patch } = vit.config;
  const labelsIn = (grid: (height: number, width: number) => PatchGrid) => (labels: Labels, crop: Draw | undefined): Uint8Array =>
    tokenLabels(labels, crop ? grid(crop.size, crop.size) : grid(labels.height, labels.width), crop);
  const { vitInput } = recipes[options.recipe];
  const inPatches = labelsIn((...size) => ({ input: vitInput(...size, vit.config, options.vitSize), patch }));
  const inPixels = labelsIn((...size) => ({ input: colourSize(...size, setting), patch: 1 }));
  for (const [comparison, made] of [[COMPARISONS.crops, a], [COMPARISONS.whole, undefined]] as const) {
    if (!program.takes(`${comparison}.free`)) continue;
    const given = appearances[look]!;
    const values = {
      ...regionValues(inPatches(structure, made), inPatches(given, b), count),
      // Labelling every pixel takes time, and the whole photos' colours are not compared.
      ...(program.takes(`${comparison}.made.colours`) && colourValues(inPixels(structure, made), inPixels(given, b), count)),
    };
    program.writeTaken(Object.fromEntries(Object.entries(values).map(([name, data]) => [`${comparison}.${name}`, data])));
  }
}

/** The seed of a step's draws. */
function seedOf({ options: { seed, warmSeed = seed, sharedSteps = 0 } }: Setting, phase: Phase, step: number): number {
  return phase === 'warm-start' || step < sharedSteps ? warmSeed : seed;
}

/** The frame that a step takes of a sequence; without one, 0. */
export const frameOf = (setting: Setting, phase: Phase, step: number): number =>
  random(seedOf(setting, phase, step), phase, 'frame', step).integer(0, (setting.frames?.length ?? 1) - 1);

/** The program of a step, with its crops, colours, frame, regions and directions written. */
export async function drawnStep(
  engine: Engine, setting: Setting, programs: ProgramCache<StepKind>, phase: Phase, step: number,
): Promise<Program> {
  const { options, structure, frames } = setting;
  const looks = looksOf(setting);
  const next = (what: string) => random(seedOf(setting, phase, step), phase, what, step);
  const a = drawStructure(next('structure'), options.recipe, structure.height, structure.width);
  const look = step % looks.length;
  const b = drawAppearance(next('appearance'), options.recipe, looks[look]!.height, looks[look]!.width);
  const program = await stepProgram(programs, options, phase, step, a, b, look);
  if (frames) writeFrame(engine, setting, frameOf(setting, phase, step));
  if (program.takes(DIRECTIONS)) program.write(DIRECTIONS, drawDirections(next('directions')));
  if (setting.regions) writeRegions(program, setting, look, ...(phase === 'uncropped' ? [] : [a, b]));
  return program;
}
