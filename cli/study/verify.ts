/** The work of `splice-gpu verify`: whether a result was made with these photos, this ViT and the settings that it carries. */
import { shown } from '../../model/files/errors.js';
import type { StepLosses, TrainingRun } from '../../model/training/run.js';
import { loadNamedVit, loadVit } from '../models/load.js';
import type { LoadedVit } from '../models/read.js';
import { readLabels } from '../photos/labels.js';
import { readImageText, readPhoto } from '../photos/photo.js';
import {
  BRANCH_KEYWORD, BRUSHED_KEYWORD, DETAIL_KEYWORD, GENERATOR_KEYWORD, LOSSES_KEYWORD, MODEL_KEYWORD, type PngText,
} from '../photos/pngText.js';
import type { Fields } from '../run/config.js';
import { checkMemory } from '../run/memory.js';
import type { Parts } from '../run/parts.js';
import { InputError } from '../shared/errors.js';
import { parseJson } from '../shared/files.js';
import { createProgress } from '../shared/progress.js';
import { moreOf, readInputs } from '../transfer/inputs.js';
import { parseOptions, type TransferOptions } from '../transfer/options.js';

export interface VerifyOptions {
  readonly result: string;
  readonly structure?: string;
  readonly appearance?: string;
  /** Label images of a result that was made with regions. */
  readonly structureRegions?: string;
  readonly appearanceRegions?: string;
  /** The ViT, by name or path; the one of the name that the result carries when absent. */
  readonly model?: string;
  readonly json?: boolean;
}

/** The answer about one part: `unknown` where nothing was given to compare with. */
interface Finding {
  readonly what: string;
  readonly verdict: 'same' | 'close' | 'other' | 'unknown';
  readonly text: string;
}

/** Other devices add in another order, and the warm start's steps multiply that. */
const CLOSE = 0.01;

/**
 * Compares hashes, and repeats the run up to the losses of its first step. Returns the exit code: 0 if nothing differs.
 * No path that stands inside the result is opened. @throws InputError for a picture without settings
 */
export async function verify(options: VerifyOptions, parts: Parts): Promise<number> {
  const { result, structure, appearance, structureRegions, appearanceRegions, json = false } = options;
  const text = await readImageText(result);
  const settings = parseJson(text['Settings'] ?? '');
  if (!settings) {
    throw new InputError(`${result} carries no settings of a transfer: give a result.png as it was written (other programs drop `
      + 'texts when they save a picture)');
  }
  const model = await modelOf(options, text, parts);
  const findings = [
    await photoFinding('structure photo', structure, settings['structure']),
    await photoFinding('appearance photo', appearance, settings['appearance']),
    ...(await labelFindings('structure', structureRegions, settings['structureRegions'])),
    ...(await labelFindings('appearance', appearanceRegions, settings['appearanceRegions'])),
    matched('ViT', model ?? `${shown(text['Model'] ?? 'unknown')} is not at hand (--model)`, text[MODEL_KEYWORD] ?? 'unknown'),
  ];
  const isSame = findings.every(({ verdict }) => verdict === 'same');
  const own = { ...options, model: model?.path ?? '' };
  findings.push(isSame ? await lossFinding(text, settings, own, parts) : skipped(findings));
  const agrees = findings.every(({ verdict }) => verdict !== 'other');
  const { Software: software, Steps: steps, [DETAIL_KEYWORD]: detail } = text;
  const facts = { result, agrees, findings, software, steps, settings, detail: (detail && parseJson(detail)) ?? null };
  parts.stdout.write(json ? `${JSON.stringify(facts)}\n` : findings.map(({ what, text: line }) => `${what}: ${line}\n`).join(''));
  return agrees ? 0 : 1;
}

async function photoFinding(what: string, path: string | undefined, expected: unknown): Promise<Finding> {
  const missing = `not given (--${what.split(' ')[0]})`;
  return matched(what, path === undefined ? missing : await readPhoto(path), String(expected));
}

/** Of a label image, where the result was made with one or one is given. */
async function labelFindings(of: string, path: string | undefined, expected: unknown): Promise<Finding[]> {
  if (path === undefined && expected === undefined) return [];
  const found = path === undefined ? `not given (--${of}-regions)` : await readLabels(path);
  return [matched(`${of} regions`, found, expected === undefined ? 'none' : String(expected))];
}

/** @param found a file, or in words why there is none */
function matched(what: string, found: string | { readonly path: string; readonly sha256: string }, expected: string): Finding {
  const wanted = shown(expected);
  if (typeof found === 'string') return { what, verdict: 'unknown', text: `${found}; its SHA-256 is ${wanted}` };
  const { path, sha256 } = found;
  if (sha256 === expected) return { what, verdict: 'same', text: `${path} is the one` };
  return { what, verdict: 'other', text: `${path} is another file: SHA-256 ${sha256} instead of ${wanted}` };
}

/** The ViT that was given, or a known one of the name in the result; undefined when that is none. */
async function modelOf({ model }: VerifyOptions, text: PngText, parts: Parts): Promise<LoadedVit | undefined> {
  const fetching = { signal: parts.interrupt, output: parts.stderr };
  return model === undefined
    ? loadNamedVit(text['Model'] ?? '', fetching).catch(() => undefined) : loadVit(model, {}, fetching);
}

const FIRST = "first step's losses";

function skipped(findings: readonly Finding[]): Finding {
  const missing = findings.filter(({ verdict }) => verdict !== 'same').map(({ what }) => what);
  return { what: FIRST, verdict: 'unknown', text: `not repeated, without the right ${missing.join(' and ')}` };
}

/** Repeats the run up to its first step's losses. */
async function lossFinding(text: PngText, settings: Fields, given: VerifyOptions, parts: Parts): Promise<Finding> {
  const expected = parseJson(text[LOSSES_KEYWORD] ?? '') as StepLosses | undefined;
  const without = (why: string): Finding => ({ what: FIRST, verdict: 'unknown', text: `not repeated: ${why}` });
  if (!expected) return without('an earlier version did not write them into a result');
  if (text[BRANCH_KEYWORD] !== undefined) return without('its first steps are those of another run, of which it is a branch');
  if (text[BRUSHED_KEYWORD] !== undefined) return without('its regions were brushed while it trained');
  if (text[GENERATOR_KEYWORD] !== undefined) return without('it began with a generator for any pair');
  if (settings['frames'] !== undefined) return without('it is of a sequence, of which one frame was given');
  if (settings['looks'] !== undefined) return without('every region has an appearance photo of its own');
  const inputs = await readInputs(optionsOf(settings, given), parts);
  const { engine, adapter, close } = await parts.openEngine({ precision: inputs.options.splice.precision });
  try {
    const { options: { splice }, structure, appearance, model } = inputs;
    const run = await parts.startSplice(engine, model.vit, structure.image, appearance.image, splice, undefined, moreOf(inputs));
    try {
      checkMemory(run.memory, adapter, 'verify it on another device');
      return compared(expected, await firstLosses(run, splice.warmStart, parts));
    } finally {
      run.destroy();
    }
  } finally {
    close();
  }
}

/** The options in a result's settings, with files that the user gave. @throws InputError for settings that are damaged */
function optionsOf(settings: Fields, { result, ...given }: VerifyOptions): TransferOptions {
  const { structure: _, appearance: __, structureRegions: ___, appearanceRegions: ____, ...options } = settings;
  const labels = (['structureRegions', 'appearanceRegions'] as const).filter((name) => given[name] !== undefined);
  const config = {
    options, structure: { path: given.structure }, appearance: { path: given.appearance },
    model: { given: given.model, config: {} },
    ...Object.fromEntries(labels.map((name) => [name, { path: given[name] }])),
  };
  try {
    return parseOptions(config, { folder: '', json: false });
  } catch (error) {
    throw new InputError(`${result} carries damaged settings (${(error as Error).message})`, { cause: error });
  }
}

async function firstLosses(run: TrainingRun, warmStart: number, { stderr, interrupt }: Parts): Promise<StepLosses> {
  const progress = createProgress(warmStart + 1, stderr);
  for (let done = 1; done <= warmStart + 1; done++) {
    interrupt.throwIfAborted();
    await run.step();
    await run.sync();
    progress.update(done, done <= warmStart ? 'warm start' : 'first step');
  }
  progress.finish();
  return run.losses();
}

function compared(expected: StepLosses, found: StepLosses): Finding {
  const names = [...new Set([...Object.keys(expected), ...Object.keys(found)])];
  const difference = (name: string): number => {
    const [a = NaN, b = NaN] = [expected[name], found[name]];
    return a === b ? 0 : Math.abs(a - b) / Math.max(Math.abs(a), Math.abs(b));
  };
  const worst = names.reduce((most, name) => (difference(name) <= difference(most) ? most : name), names[0]!);
  const most = difference(worst);
  if (most === 0) return { what: FIRST, verdict: 'same', text: 'the same to the last digit' };
  const by = `${worst} differs by ${(100 * most).toPrecision(2)} %`;
  return most <= CLOSE
    ? { what: FIRST, verdict: 'close', text: `${by}, as on another kind of device` }
    : { what: FIRST, verdict: 'other', text: `${by}: the result was not made with these settings and this version` };
}
