/**
 * An ablation: every set of options on every pair with every seed, as a table and a sheet.
 *
 *     node dist/test/study/ablate.js --out DIR [--pairs FOLDER] [--seeds 1,2] [--judge FILE] [all="..."] NAME="..."...
 *
 * Each NAME="..." is a set of options of `transfer`, and may be empty; those of `all` count for every set. FOLDER holds a
 * folder for each pair with structure.* and appearance.*; without it the pairs are the drawn landscapes, both ways. A run that
 * Ctrl-C or a time limit ended is continued by the same command, and more sets, pairs or seeds can be added to a folder. DIR gets
 * the runs as DIR/NAME/PAIR-SEED, table.txt, figures.json and sheet.png. Figures of ViTs come from --judge, at an input of 224.
 *
 *     node dist/test/study/ablate.js --out out/ablation --pairs ../shared/pairs --judge deit_tiny.safetensors \
 *         all="--model vit_tiny.safetensors --size 128 --vit-size 112 --steps 300" before="" fast="--lr 0.004" best="--seeds 4"
 *
 * A set with --seeds covers several seeds itself, so it is run with the first alone.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { loadVit } from '../../cli/models/load.js';
import { realParts } from '../../cli/run/parts.js';
import { asProcess } from '../../cli/process.js';
import { EXIT_INTERRUPTED, UsageError } from '../../cli/shared/errors.js';
import { interruptSignal } from '../../cli/shared/interrupt.js';
import { prepareFolder, writeFileAtomic, writeJson } from '../../cli/shared/files.js';
import { ownPairs } from '../../cli/study/figures/context.js';
import { saveSheet } from '../../cli/study/study.js';
import { readPairs } from '../../cli/transfer/batch/pairs.js';
import { ablate, ablationRows, ablationTable, totalsTable, type Ablation, type OptionSet } from './ablation.js';

const USAGE = 'usage: ablate.js --out DIR [--pairs FOLDER] [--seeds 1,2] [--judge FILE] [all="..."] NAME="..."...';

/** @throws UsageError for words that are no command */
function readCommand(args: readonly string[]) {
  const text = { type: 'string' } as const;
  const options = { out: text, pairs: text, seeds: text, judge: text, help: { type: 'boolean' } } as const;
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n${USAGE}`);
  }
}

/** The sets of options, those of `all` before each one's own. @throws UsageError for one without a name */
function readSets(texts: readonly string[]): OptionSet[] {
  const named = texts.map((text) => {
    const [, name, own = ''] = /^([\w.-]+)=(.*)$/s.exec(text) ?? [];
    if (!name) throw new UsageError(`${text} is no set of options, which is NAME="..."\n${USAGE}`);
    return { name, options: own.split(/\s+/).filter(Boolean) };
  });
  const shared = named.find(({ name }) => name === 'all')?.options ?? [];
  return named.filter(({ name }) => name !== 'all').map(({ name, options }) => ({ name, options: [...shared, ...options] }));
}

await asProcess(async () => {
  const { values: { out, pairs, seeds = '1', judge, help }, positionals } = readCommand(process.argv.slice(2));
  if (help) {
    console.log(USAGE);
    return 0;
  }
  const sets = readSets(positionals);
  if (!out || sets.length === 0) throw new UsageError(`${out ? 'no set of options' : 'no --out'} was given\n${USAGE}`);
  await prepareFolder(out);
  const ablation: Ablation = {
    out, sets, seeds: seeds.split(',').map(Number), judgeSize: 224,
    pairs: pairs === undefined ? ownPairs() : await readPairs(pairs, []),
    ...(judge !== undefined && { judge: await loadVit(judge) }),
  };
  const parts = realParts({ stdout: process.stdout, stderr: process.stderr, interrupt: interruptSignal() });
  const judged = await ablate(ablation, parts);
  const summary = `${ablationTable(judged, ablation)}\n\n${totalsTable(judged, ablation)}`;
  await writeFileAtomic(join(out, 'table.txt'), `${summary}\n`);
  await writeJson(join(out, 'figures.json'), judged);
  const note = 'structure, appearance, then the result of each set';
  const columns = ['structure', 'appearance', ...sets.map(({ name }) => name)];
  const rows = await ablationRows(judged, ablation);
  if (rows.length > 0) await saveSheet(join(out, 'sheet.png'), { title: 'Ablation', note, columns, rows, height: 192 });
  console.log(summary);
  return parts.interrupt.aborted ? EXIT_INTERRUPTED : 0;
});
