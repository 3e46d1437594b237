/** The work of `splice-gpu figures`: every figure of the study as a labelled picture. */
import { join, resolve } from 'node:path';
import type { Parts } from '../../run/parts.js';
import { EXIT_INTERRUPTED, UsageError } from '../../shared/errors.js';
import { exists, prepareFolder } from '../../shared/files.js';
import { modelFacts, readModels, saveSheet } from '../study.js';
import { ownPairs, photoName, scaleOf, type FigureContext, type Pair } from './context.js';
import { FIGURES } from './list.js';
import { writeLine } from '../../shared/progress.js';

export interface FiguresOptions {
  readonly out: string;
  /** Everything small and short. */
  readonly quick?: boolean;
  /** The first makes all figures, the second is compared with it. */
  readonly model: readonly string[];
  /** Structure and appearance photos in turn; the project's own scenes when there are none. */
  readonly photos: readonly string[];
  /** Names of figures; all when absent. */
  readonly only?: readonly string[];
  readonly seed: number;
  /** Makes existing pictures again. */
  readonly force?: boolean;
  readonly json?: boolean;
}

/** Writes OUT/NAME.png for every figure that does not exist yet. Returns the exit code: 130 when interrupted. */
export async function figures(options: FiguresOptions, parts: Parts): Promise<number> {
  const { out, quick = false, only, seed, force, json } = options;
  const unknown = only?.find((name) => !FIGURES.some((figure) => figure.name === name));
  if (unknown !== undefined) throw new UsageError(`--only ${unknown}: figures are ${FIGURES.map(({ name }) => name).join(', ')}`);
  const scale = scaleOf(quick);
  const pairs = pairsOf(options.photos);
  const vitSize = Math.min(scale.vitSize, scale.invertSize, scale.transferVitSize);
  const { models } = await readModels(options.model, { vitSize }, parts);
  await prepareFolder(out);
  const note = (text: string): void => writeLine(parts.stderr, text);
  const context: FigureContext = { out, scale, seed, models, modelNames: options.model, pairs, parts, note };
  const wanted = FIGURES.filter(({ name }) => !only || only.includes(name));
  const done: { name: string; path: string; status: 'made' | 'kept' | 'left out'; seconds: number }[] = [];
  for (const [i, { name, what, make }] of wanted.entries()) {
    if (parts.interrupt.aborted) break;
    const file = join(out, `${name}.png`);
    const [path, began] = [resolve(file), performance.now()];
    if (!force && (await exists(path))) {
      done.push({ name, path, status: 'kept', seconds: 0 });
      note(`${i + 1}/${wanted.length} ${name}: exists already, --force makes it again`);
      continue;
    }
    note(`${i + 1}/${wanted.length} ${name}: ${what}`);
    const sheet = await make(context);
    if (sheet === undefined) break;
    const isMade = typeof sheet !== 'string';
    if (isMade) await saveSheet(path, sheet);
    else note(`${name} is left out: ${sheet}`);
    const seconds = Math.round((performance.now() - began) / 100) / 10;
    done.push({ name, path, status: isMade ? 'made' : 'left out', seconds });
    if (isMade && !json) parts.stdout.write(`${file}\n`);
  }
  const facts = { out: resolve(out), quick, models: models.map(modelFacts), figures: done };
  if (json) parts.stdout.write(`${JSON.stringify(facts)}\n`);
  return parts.interrupt.aborted ? EXIT_INTERRUPTED : 0;
}

/** @throws UsageError for an odd number of photos */
function pairsOf(photos: readonly string[]): Pair[] {
  if (photos.length === 0) return ownPairs();
  if (photos.length % 2 === 1) {
    throw new UsageError(`figures: ${photos.length} photos are given: give structure and appearance in turn`);
  }
  const pairs = Array.from({ length: photos.length / 2 }, (_, i) => {
    const [structure, appearance] = [photos[2 * i]!, photos[2 * i + 1]!];
    return { name: `${photoName(structure)}-as-${photoName(appearance)}`, structure, appearance };
  });
  // Names of folders, which must be unique.
  const isTaken = ({ name }: Pair): boolean => pairs.filter((other) => other.name === name).length > 1;
  return pairs.map((pair, i) => (isTaken(pair) ? { ...pair, name: `${i + 1}-${pair.name}` } : pair));
}
