/** A step of one pair with what its seed draws. */
import type { Engine, Program } from '../../engine/index.js';
import { drawAppearance, drawStructure, type Draw } from '../method/augment.js';
import { recipes } from '../method/recipes.js';
import { colourValues, COMPARISONS, regionValues, tokenLabels, type Labels } from '../method/regions.js';
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
  /** Of the patches of the ViT's input, and of the pixels at which colours are compared. */
  const labelsOf = (labels: Labels, crop: Draw | undefined): readonly [Uint8Array, Uint8Array] => {
    const { height, width } = crop ? { height: crop.size, width: crop.size } : labels;
    const input = recipes[options.recipe].vitInput(height, width, vit.config, options.vitSize);
    const pixels = colourSize(height, width, setting);
    return [tokenLabels(labels, { input, patch }, crop), tokenLabels(labels, { input: pixels, patch: 1 }, crop)];
  };
  for (const [comparison, made] of [[COMPARISONS.crops, a], [COMPARISONS.whole, undefined]] as const) {
    if (!program.takes(`${comparison}.free`)) continue;
    const [x, y] = [labelsOf(structure, made), labelsOf(appearances[look]!, b)];
    const values = Object.entries({ ...regionValues(x[0], y[0], count), ...colourValues(x[1], y[1], count) });
    program.writeTaken(Object.fromEntries(values.map(([name, data]) => [`${comparison}.${name}`, data])));
  }
}

/** The program of a step, with its crops, colours, frame, regions and directions written. */
export async function drawnStep(
  engine: Engine, setting: Setting, programs: ProgramCache<StepKind>, phase: Phase, step: number,
): Promise<Program> {
  const { options, structure, frames } = setting;
  const looks = looksOf(setting);
  const { seed: own, warmSeed = own, sharedSteps = 0 } = options;
  const seed = phase === 'warm-start' || step < sharedSteps ? warmSeed : own;
  const next = (what: string) => random(seed, phase, what, step);
  const a = drawStructure(next('structure'), options.recipe, structure.height, structure.width);
  const look = step % looks.length;
  const b = drawAppearance(next('appearance'), options.recipe, looks[look]!.height, looks[look]!.width);
  const program = await stepProgram(programs, options, phase, step, a, b, look);
  if (frames) writeFrame(engine, setting, next('frame').integer(0, frames.length - 1));
  if (program.takes(DIRECTIONS)) program.write(DIRECTIONS, drawDirections(next('directions')));
  if (setting.regions) writeRegions(program, setting, look, ...(phase === 'uncropped' ? [] : [a, b]));
  return program;
}
