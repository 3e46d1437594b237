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
import { interruptSignal } from '../../cli/shared/interrupt.js';
import { prepareFolder, writeFileAtomic, writeJson } from '../../cli/shared/files.js';
import { ownPairs } from '../../cli/study/figures/context.js';
import { saveSheet } from '../../cli/study/study.js';
import { readPairs } from '../../cli/transfer/batch/pairs.js';
import { ablate, ablationRows, ablationTable, totalsTable, type Ablation } from './ablation.js';

const USAGE = 'usage: node dist/test/study/ablate.js --out DIR [--pairs FOLDER] [--seeds 1,2] [--judge FILE] [all="..."] NAME="..."...';

/** The words of the command line; one that is none ends the program. */
function given() {
  const text = { type: 'string' } as const;
  const options = { out: text, pairs: text, seeds: text, judge: text, help: { type: 'boolean' } } as const;
  try {
    return parseArgs({ options, allowPositionals: true });
  } catch (error) {
    console.error(`error: ${(error as Error).message}\n${USAGE}`);
    process.exit(2);
  }
}

const { values, positionals } = given();
if (values.help) {
  console.log(USAGE);
  process.exit(0);
}
const words = (line: string): string[] => line.split(/\s+/).filter(Boolean);
const { out, pairs, seeds = '1', judge } = values;
const named = positionals.map((set) => {
  const [, name = '', own = ''] = /^([\w.-]+)=(.*)$/s.exec(set) ?? [];
  return { name, options: words(own) };
});
const shared = named.find(({ name }) => name === 'all')?.options ?? [];
const sets = named.filter(({ name }) => name !== 'all').map(({ name, options }) => ({ name, options: [...shared, ...options] }));
if (!out || sets.length === 0 || sets.some(({ name }) => name === '')) {
  console.error(USAGE);
  process.exit(2);
}
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
process.exit(parts.interrupt.aborted ? 130 : 0); // a held GPU object keeps Node alive
