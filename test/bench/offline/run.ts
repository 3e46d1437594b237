/**
 * `npm run offline`: what compilers for GPUs that are not there make of every kernel of a training step, compared with the saved
 * figures, and predicted times. Exits with 1 when something got worse. See the README in this folder's source.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  COMPILED_FILE, kernelsOf, readCompiled, showCompiled, type CompiledFile, type CompiledKernels,
} from '../../../cli/bench/compiled.js';
import { gpus, type Gpu } from '../../../cli/bench/prediction.js';
import { predictionTable, predictStep } from '../../../cli/bench/predictStep.js';
import { writeFileAtomic } from '../../../cli/shared/files.js';
import { root } from '../../helpers/sources.js';
import { currentTable, PREDICTIONS, withTable, type PredictedRow } from '../speedTable.js';
import { changes, limitProblems, regressions } from './compare.js';
import { Cache, compilers, type Compiler } from './compilers.js';
import { engineFor, plannedSteps, PREDICTED, reportedLaunches, type StepKernels } from './kernels.js';
import { kernelTable } from './report.js';
import { targets, type Target } from './targets.js';

const HELP = `npm run offline -- [options]
  --save            compare, then keep the new figures and predictions, worse or not, and renew the README's table
  --target <name>   only this one of ${targets.map(({ name }) => name).join(', ')}; may be repeated
  --all             also kernels without loops of multiply-adds
  --quiet           only what got worse
Example: npm run offline -- --target sm_90 --all
`;

const { values } = parseArgs({
  options: {
    save: { type: 'boolean' }, all: { type: 'boolean', default: false }, quiet: { type: 'boolean' }, help: { type: 'boolean' },
    target: { type: 'string', multiple: true },
  },
});
if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}

interface Made extends StepKernels {
  readonly target: Target;
  readonly version: string;
  readonly figures: CompiledKernels;
}
const problems: string[] = [];
const say = (text: string): void => void (values.quiet || process.stdout.write(`${text}\n`));

/** Compiles for a target, and notes what does not compile or exceeds a limit. */
async function make(target: Target, step: StepKernels, compiler: Compiler, cache: Cache): Promise<Made> {
  const found = await cache.compiled(step.kernels, compiler, target);
  const figures = new Map<string, ReturnType<CompiledKernels['get']> & object>();
  for (const kernel of step.kernels) {
    const one = found.get(kernel.key)!;
    if (typeof one === 'string') {
      problems.push(`${target.name}: ${kernel.name} does not compile: ${one}`);
    } else {
      figures.set(kernel.name, { key: kernel.key, ...one });
      problems.push(...limitProblems(kernel, one).map((problem) => `${target.name}: ${problem}`));
    }
  }
  return { ...step, target, version: compiler.version, figures };
}

/** The GPUs that a target stands for; with matrix units only those whose rate is known. */
const gpusOf = ({ name, family = name, units }: Target): Gpu[] =>
  gpus.filter(({ compiled, unitTflops }) => compiled === family && (!units || unitTflops !== undefined));

/** All kernels of a target's GPU. */
const allFigures = ({ target: { name, family = name } }: Made, made: readonly Made[]): CompiledKernels =>
  kernelsOf({ targets: new Map(made.map((one) => [one.target.name, one.figures])) }, family) ?? new Map();

/** Tables of a target, and the predictions for the GPUs that it stands for. */
function show(one: Made, made: readonly Made[]): void {
  const { target, version, kernels, launches, figures } = one;
  say(`\n${target.name} (${version}), ${kernels.length} kernels\n${kernelTable(kernels, figures, values.all)}`);
  for (const gpu of gpusOf(target)) {
    for (const precision of target.units ? ['f16'] as const : ['f32', 'f16'] as const) {
      const step = predictStep(launches[precision], allFigures(one, made), gpu);
      const { model, recipe, size, vitSize } = PREDICTED;
      const what = `${recipe}, ${model}, crops of ${size}, ViT input ${vitSize}`;
      const on = target.units ? ' on matrix units' : '';
      say(`\n${gpu.name}, ${precision}${on}: ${what}. Predictions, nothing measured`);
      say(predictionTable(step, gpu));
    }
  }
}

function compareWith(saved: CompiledFile, { target: { name }, figures }: Made): void {
  const before = saved.targets.get(name) ?? new Map();
  for (const [kernel, one] of figures) {
    problems.push(...regressions(kernel, one, before.get(kernel)).map((problem) => `${name}: ${problem}`));
  }
  const { added, gone, changed } = changes(figures, before);
  const counts = [[added, 'new'], [gone, 'gone'], [changed, 'changed']] as const;
  const listed = (names: readonly string[]): string => [...names.slice(0, 4), ...(names.length > 4 ? ['...'] : [])].join(', ');
  const text = counts.filter(([names]) => names.length > 0).map(([names, what]) => `${names.length} ${what} (${listed(names)})`);
  if (text.length > 0) say(`${name}: kernels since the saved figures: ${text.join('; ')}`);
}

/** Keeps the predictions of the steps that the README's table has, and renews the table. */
async function savePredictions(made: readonly Made[]): Promise<void> {
  const known = JSON.parse(await readFile(PREDICTIONS, 'utf8').catch(() => '[]')) as PredictedRow[];
  const fresh: PredictedRow[] = [];
  for (const one of made) {
    const { units } = one.target;
    const steps = await reportedLaunches(engineFor(one.target), units ? 'f16' : 'f32');
    for (const gpu of gpusOf(one.target)) {
      for (const { step: { model, size }, launches } of steps) {
        const { ms, best, worst } = predictStep(launches, allFigures(one, made), gpu);
        const rounded = [ms, best, worst].map((value) => Math.round(100 * value) / 100) as [number, number, number];
        const on = units ? { on: 'f16 on matrix units' } : {};
        fresh.push({ gpu: gpu.name, ...on, model, size, ms: rounded[0], best: rounded[1], worst: rounded[2] });
      }
    }
  }
  const kept = known.filter(({ gpu, on }) => !fresh.some((row) => row.gpu === gpu && row.on === on));
  const lines = [...kept, ...fresh].sort((a, b) => (a.gpu < b.gpu ? -1 : 1)).map((row) => JSON.stringify(row));
  await writeFileAtomic(PREDICTIONS, `[\n${lines.join(',\n')}\n]\n`);
  const readme = join(root, 'README.md');
  await writeFileAtomic(readme, withTable(await readFile(readme, 'utf8'), currentTable()));
}

async function main(): Promise<number> {
  const chosen = targets.filter(({ name }) => !values.target || values.target.includes(name));
  const unknown = (values.target ?? []).filter((name) => !targets.some((target) => target.name === name));
  const names = targets.map(({ name }) => name).join(', ');
  if (unknown.length > 0) throw new Error(`no target ${unknown.join(', ')}: there are ${names}`);
  const [steps, cache, found] = [await plannedSteps(), new Cache(), new Map<string, Compiler | string>()];
  const made: Made[] = [];
  for (const target of chosen) {
    if (!found.has(target.compiler)) found.set(target.compiler, compilers[target.compiler]());
    const compiler = found.get(target.compiler)!;
    if (typeof compiler === 'string') say(`skipped ${target.name}: ${compiler}`);
    else made.push(await make(target, steps(engineFor(target)), compiler, cache));
  }
  cache.save();
  made.forEach((one) => show(one, made));
  const saved = await readCompiled().catch((): CompiledFile => ({ compilers: {}, targets: new Map() }));
  say('');
  for (const one of made) compareWith(saved, one);
  if (values.save) {
    const versions = Object.fromEntries(made.map(({ target, version }) => [target.name, version]));
    const kept = new Map([...saved.targets, ...made.map(({ target, figures }) => [target.name, figures] as const)]);
    await writeFileAtomic(COMPILED_FILE, showCompiled({ compilers: { ...saved.compilers, ...versions }, targets: kept }));
    await savePredictions(made);
  }
  for (const problem of problems) process.stdout.write(`WORSE ${problem}\n`);
  if (problems.length === 0) say(`nothing got worse on ${made.map(({ target }) => target.name).join(', ') || 'no target'}`);
  return problems.length > 0 && !values.save ? 1 : 0;
}

process.exitCode = await main().catch((error: Error) => {
  process.stderr.write(`offline: ${error.message}\n`);
  return 2;
});
