/** The work of `splice-gpu figures`: every figure of the study as one labelled picture each. */
import { access } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { EXIT_INTERRUPTED, UsageError } from '../../shared/errors.js';
import { ownPairs, scaleOf, type FigureContext, type Pair } from './context.js';
import { FIGURES } from './list.js';
import { prepareFolder } from '../../shared/files.js';
import { readModels, saveSheet } from '../study.js';
import type { Parts } from '../../run/parts.js';

export interface FiguresOptions {
  readonly out: string;
  /** Everything small and short. */
  readonly quick: boolean;
  /** The first makes all figures, the second is compared with it. */
  readonly models: readonly string[];
  /** Structure and appearance photos in turn; the project's own scenes when there are none. */
  readonly photos: readonly string[];
  /** Names of figures; all when absent. */
  readonly only?: readonly string[];
  readonly seed: number;
  /** Makes pictures anew that are there already. */
  readonly force: boolean;
  readonly json: boolean;
}

/** Writes OUT/NAME.png for every figure that is not there yet. Answers with the exit code: 130 when interrupted. */
export async function figures(options: FiguresOptions, parts: Parts): Promise<number> {
  const { out, quick, models: modelNames, only, seed, force, json } = options;
  const unknown = only?.find((name) => !FIGURES.some((figure) => figure.name === name));
  if (unknown !== undefined) throw new UsageError(`--only ${unknown}: figures are ${FIGURES.map(({ name }) => name).join(', ')}`);
  const scale = scaleOf(quick);
  const pairs = pairsOf(options.photos);
  const models = await readModels(modelNames, Math.min(scale.vitSize, scale.invertSize, scale.transferVitSize), [], parts);
  await prepareFolder(out);
  const tell = (text: string): void => void parts.stderr.write(`${text}\n`);
  const context: FigureContext = { out, scale, seed, models, modelNames, pairs, parts, tell };
  const wanted = FIGURES.filter(({ name }) => !only || only.includes(name));
  const made: { name: string; path: string; status: 'made' | 'kept' | 'left out'; seconds: number }[] = [];
  for (const [i, { name, what, make }] of wanted.entries()) {
    if (parts.interrupt.aborted) break;
    const path = join(out, `${name}.png`);
    const began = performance.now();
    if (!force && (await exists(path))) {
      made.push({ name, path: resolve(path), status: 'kept', seconds: 0 });
      tell(`${i + 1}/${wanted.length} ${name}: there already, --force makes it anew`);
      continue;
    }
    tell(`${i + 1}/${wanted.length} ${name}: ${what}`);
    const sheet = await make(context);
    if (sheet === undefined) break;
    const isMade = typeof sheet !== 'string';
    if (isMade) await saveSheet(path, sheet);
    else tell(`${name} is left out: ${sheet}`);
    made.push({ name, path: resolve(path), status: isMade ? 'made' : 'left out', seconds: Math.round((performance.now() - began) / 100) / 10 });
    if (isMade && !json) parts.stdout.write(`${path}\n`);
  }
  if (json) parts.stdout.write(`${JSON.stringify({ out: resolve(out), quick, models: models.map(({ vit, sha256 }) => ({ name: vit.name, sha256 })), figures: made })}\n`);
  return parts.interrupt.aborted ? EXIT_INTERRUPTED : 0;
}

/** @throws UsageError for an odd number of photos */
function pairsOf(photos: readonly string[]): Pair[] {
  if (photos.length === 0) return ownPairs();
  if (photos.length % 2 === 1) throw new UsageError(`figures: ${photos.length} photos are given: give structure and appearance in turn`);
  const pairs = Array.from({ length: photos.length / 2 }, (_, i) => {
    const [structure, appearance] = [photos[2 * i]!, photos[2 * i + 1]!];
    return { name: `${nameOf(structure)}-as-${nameOf(appearance)}`, structure, appearance };
  });
  // Folders are named after pairs.
  return pairs.map((pair, i) => (pairs.some(({ name }, j) => j !== i && name === pair.name) ? { ...pair, name: `${i + 1}-${pair.name}` } : pair));
}

/** The file's name; its folder's too where it is `structure` or `appearance`, as in folders of pairs. */
function nameOf(path: string): string {
  const name = basename(path, extname(path));
  const folder = basename(dirname(resolve(path)));
  return (/^(structure|appearance)$/.test(name) ? `${folder}-${name}` : name).replaceAll(/[^\w.-]+/g, '_');
}

const exists = (path: string): Promise<boolean> => access(path).then(() => true, () => false);
