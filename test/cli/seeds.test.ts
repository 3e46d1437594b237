/** `--seeds N`: short runs of several seeds, of which the best goes on. Resumable anywhere; its files are those of one run. */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { withSettings } from '../../cli/commands/batch.js';
import { addModel } from '../../cli/models/get.js';
import { readImage } from '../../cli/photos/photo.js';
import { ensureTransfer } from '../../cli/transfer/ensure.js';
import type { TransferOptions } from '../../cli/transfer/options.js';
import { costOf, roundsOf, sharedStepsOf } from '../../cli/transfer/seeds/rounds.js';
import { ranked, type Measured } from '../../cli/transfer/seeds/score.js';
import { continueTransfer, startTransfer } from '../../cli/transfer/start.js';
import { openRunFolder } from '../../cli/view/folder.js';
import type { Image } from '../../model/image.js';
import { fakeParts, shortRun, type FakeBehaviour } from '../helpers/fakeRun.js';
import { redBlue, runCli, temporaryFile, temporaryFolder } from '../helpers/pictures.js';
import { assertSameContents, configOf, failure, files, json, linesOf, newOut, pageOf, timesTold } from '../helpers/runs.js';
import { fixturePath } from '../helpers/torchFiles.js';

/** How sharp the fake pictures of a seed are. Seed 3 is the best at first, but seed 2 after the first round. */
const SHARPNESS: Readonly<Record<number, (steps: number) => number>> = {
  1: () => 0.1, 2: (steps) => (steps > 28 ? 0.9 : 0.3), 3: () => 0.5, 4: () => 0.2,
};

/** Steps of 90 that all seeds have in common. */
const SHARED = 18;

/** Fake runs of which a seed in `diverging` has pictures that are not finite. */
function seedParts(behaviour: FakeBehaviour = {}, interrupt?: AbortSignal, diverging: readonly number[] = []) {
  const { parts, heard } = fakeParts(behaviour, interrupt);
  const startSplice: typeof parts.startSplice = async (...inputs) => {
    const [run, { seed: own, warmSeed = own }] = [await parts.startSplice(...inputs), inputs[4]];
    const seed = (): number => (run.stepsDone > SHARED ? own : warmSeed);
    const diverged = (): boolean => diverging.includes(own) && run.stepsDone > SHARED;
    const value = (): number => (diverged() ? NaN : SHARPNESS[seed()]!(run.stepsDone) + run.stepsDone / 10_000);
    const { result: plain } = run;
    const result = async (): Promise<Image> => {
      const picture = await plain();
      return { ...picture, data: picture.data.map((each) => (Number.isNaN(each) ? NaN : value())) };
    };
    return Object.assign(run, { result });
  };
  return { parts: { ...parts, startSplice }, heard };
}

/** 90 steps: four seeds share 18 and make 8 more, the better two 8 more again. */
const four = (out: string, change: Partial<TransferOptions> = {}): TransferOptions =>
  ({ ...shortRun({ ...files, out }, { steps: 90, warmStart: 8 }), seeds: { count: 4, first: 1 }, ...change });
const steps = (calls: readonly string[]): number => calls.filter((call) => call === 'step').length;

const undisturbed = newOut();
const whole = seedParts();
assert.is(await startTransfer(four(undisturbed), whole.parts), 0);

test('four seeds: the better half goes on after each round, and the best to the end', () => {
  const scores = json(join(undisturbed, 'seeds/scores.json'));
  const rounds = roundsOf(4, { steps: 90, warmStart: 8 });
  assert.equal(rounds, [{ steps: 28, keep: 2 }, { steps: 38, keep: 1 }]);
  assert.equal(scores.rounds.map((round: any) => round.scores.map(({ seed }: any) => seed)), [[3, 2, 4, 1], [2, 3]]);
  // Of the generators, by the same draws: the logged losses are others.
  assert.equal(scores.rounds.map((round: any) => round.scores[0].figures.total), [10 / (1 + 28), 10 / (1 + 38)]);
  assert.is(steps(whole.heard.calls), 8 + 18 + 4 * 10 + 2 * 10 + (90 - 38), 'one beginning');
  const { options: { seed, warmSeed, sharedSteps, seeds }, status, stepsDone } = configOf(undisturbed);
  assert.equal([seed, warmSeed, sharedSteps], [2, 1, 18]);
  assert.equal([seeds, status, stepsDone], [{ count: 4, first: 1, chosen: 2 }, 'finished', 90]);
  assert.equal(json(join(undisturbed, 'report.json')).seeds, scores);
  assert.match(whole.heard.stdout, /^finished after 90 steps in \d+ s: .*result\.png\n$/);
});

test('four seeds: the files are those of an ordinary run of the best seed, besides those of the comparison', async () => {
  const single = newOut();
  const best = { steps: 90, warmStart: 8, seed: 2, warmSeed: 1, sharedSteps: 18 };
  await startTransfer(shortRun({ ...files, out: single }, best), seedParts().parts);
  assert.equal(readdirSync(undisturbed).filter((name) => !name.startsWith('seeds')).sort(), readdirSync(single).sort());
  assert.equal(readdirSync(join(undisturbed, 'seeds')).sort(), [
    '1', '1-00028.png', '2-00028.png', '2-00038.png', '3', '3-00028.png', '3-00038.png', '4', '4-00028.png', 'scores.json',
  ]);
  const same = ['log.jsonl', 'figures.jsonl', 'generator.safetensors', 'losses.svg', 'triptych.png', 'previews/00080.png'];
  for (const name of same) {
    assert.ok(readFileSync(join(undisturbed, name)).equals(readFileSync(join(single, name))), name);
  }
  const sheet = await readImage(join(undisturbed, 'seeds.png'));
  assert.ok(sheet.width > 4 * 288 && sheet.height > 2 * 192, `${sheet.width} x ${sheet.height}`);
});

test('four seeds: the time that is told once is that of all runs to the end', async () => {
  const own = { ...four(newOut()), splice: { ...four(newOut()).splice, steps: 30_000 } };
  const told = await timesTold((parts) => startTransfer(own, parts), 60);
  assert.is(told.length, 1);
  const [, pace, minutes, seconds] = /^measured: (0\.0\d+) s a step, (\d+):(\d\d) to the last one/.exec(told[0]!)!.map(Number);
  const runs = (60 * minutes! + seconds!) / (pace! * 30_000); // 1.45 but for the digits that are cut
  assert.ok(runs > 1.35 && runs < 1.55, told[0]);
});

test('a seed that was dropped can be resumed on its own', async () => {
  const out = newOut();
  await startTransfer(four(out), seedParts().parts);
  const { parts, heard } = seedParts();
  assert.is(await continueTransfer({ folder: join(out, 'seeds/4'), json: false }, parts), 0);
  assert.equal([steps(heard.calls), configOf(join(out, 'seeds/4')).options.seed], [90 - 28, 4]);
});

// In the warm start, the shared steps, at their end, in the first round, at its end, in the second, and in the run of the best.
for (const stop of [3, 20, 26, 30, 66, 75, 100]) {
  test(`four seeds: interrupted after ${stop} steps and resumed, every file is that of an undisturbed run`, async () => {
    const [out, controller] = [newOut(), new AbortController()];
    let made = 0;
    const stopping = seedParts({ onStep: () => void (++made === stop && controller.abort()) }, controller.signal);
    assert.is(await startTransfer(four(out), stopping.parts), 130);
    assert.is(configOf(out).status, 'interrupted');
    const { parts, heard } = seedParts();
    assert.is(await continueTransfer({ folder: out, json: false }, parts), 0);
    assertSameContents(out, undisturbed);
    assert.is(steps(heard.calls), steps(whole.heard.calls) - stop);
  });
}

// While the others begin where the shared steps ended, and after the first seed went on, so that two make their own.
for (const [stop, more] of [[26, 0], [30, 26]] as const) {
  test(`four seeds: killed after ${stop} steps with two seeds not begun, every file is that of an undisturbed run`, async () => {
    const [out, controller] = [newOut(), new AbortController()];
    let made = 0;
    const stopping = seedParts({ onStep: () => void (++made === stop && controller.abort()) }, controller.signal);
    assert.is(await startTransfer(four(out), stopping.parts), 130);
    rmSync(join(out, 'seeds/3/config.json'));
    rmSync(join(out, 'seeds/4'), { recursive: true });
    if (stop === 30) rmSync(join(out, 'seeds/3'), { recursive: true });
    const { parts, heard } = seedParts();
    assert.is(await continueTransfer({ folder: out, json: false }, parts), 0);
    assertSameContents(out, undisturbed);
    assert.is(steps(heard.calls), steps(whole.heard.calls) - stop + 2 * more);
  });
}

test('four seeds without a warm start share the first steps too', async () => {
  const out = newOut();
  const { parts, heard } = seedParts();
  const own = { ...four(out), splice: { ...four(out).splice, warmStart: 0 } };
  assert.is(await startTransfer(own, parts), 0);
  const { seed, warmSeed, sharedSteps } = configOf(out).options;
  assert.equal([seed, warmSeed, sharedSteps], [2, 1, 18]);
  assert.is(steps(heard.calls), 18 + 4 * 10 + 2 * 10 + (90 - 38));
});

test('four seeds: a process that dies while the files of the best are moved leaves a folder that can be resumed', async () => {
  const [out, controller] = [newOut(), new AbortController()];
  const stopping = seedParts({ onStep: (done) => void (done === 41 && controller.abort()) }, controller.signal);
  await startTransfer(four(out), stopping.parts);
  const shown = (await openRunFolder(out, async () => false)).snapshot();
  assert.equal([shown.state.status, shown.pictures.at(-1)!.name], ['interrupted', 'result'], 'view shows the best so far');
  // What promotion does first, and then no more.
  writeFileSync(join(out, 'seeds/.scores.json.4711.tmp'), 'half');
  const { parts } = seedParts();
  const dying = { ...parts, stderr: { write: (text: string) => {
    if (!/the best of 2/.test(text)) return;
    writeFileSync(join(out, 'log.jsonl'), readFileSync(join(out, 'seeds/2/log.jsonl')));
    throw new Error('killed');
  } } };
  await failure(continueTransfer({ folder: out, json: false }, dying));
  assert.is(await continueTransfer({ folder: out, json: false }, seedParts().parts), 0);
  assertSameContents(out, undisturbed);
  assert.not(existsSync(join(out, 'seeds/.scores.json.4711.tmp')));
});

test('a seed that diverges is dropped; the run fails when all do', async () => {
  const out = newOut();
  assert.is(await startTransfer(four(out), seedParts({}, undefined, [3]).parts), 0);
  const [first] = json(join(out, 'seeds/scores.json')).rounds;
  assert.equal(first.scores.map(({ seed }: any) => seed), [2, 4, 1, 3]);
  assert.match(first.scores[3].failed, /not finite/);
  assert.is(configOf(out).options.seed, 2);

  // The run of seed 1 diverges, and the process is interrupted in that of seed 2.
  const [diverged, whole1] = [newOut(), newOut()];
  await startTransfer(four(whole1), seedParts({}, undefined, [1]).parts);
  const controller = new AbortController();
  let made = 0;
  const stopping = seedParts({ onStep: () => void (++made === 26 + 10 + 3 && controller.abort()) }, controller.signal, [1]);
  assert.is(await startTransfer(four(diverged), stopping.parts), 130);
  assert.is(await continueTransfer({ folder: diverged, json: false }, seedParts({}, undefined, [1]).parts), 0);
  // The reason names the picture in the run's own folder.
  writeFileSync(join(diverged, 'report.json'), readFileSync(join(diverged, 'report.json'), 'utf8').replaceAll(diverged, whole1));
  assertSameContents(diverged, whole1);

  const bad = newOut();
  const { message } = await failure(startTransfer(four(bad), seedParts({}, undefined, [1, 2, 3, 4]).parts));
  assert.match(message, /^the runs of all seeds diverged, the first of them thus: .*not finite/);
  assert.equal([configOf(bad).status, existsSync(join(bad, 'result.png'))], ['failed', false]);
  const early = await failure(startTransfer(four(newOut()), seedParts({ nanPictureFrom: 5 }).parts));
  assert.match(early.message, /^the steps that all seeds share: .*not finite.*try another --seed/);
});

test('four seeds: --until ends the run of the best, not the comparison', async () => {
  const out = newOut();
  assert.is(await startTransfer(four(out, { until: 'sharpness:0.4' }), seedParts().parts), 0);
  assert.equal([configOf(out).options.seed, configOf(out).stepsDone, configOf(out).options.until], [2, 38, 'sharpness:0.4']);
});

test('four seeds: while they are compared, --resume takes no other number of steps', async () => {
  const [out, controller] = [newOut(), new AbortController()];
  const stopping = seedParts({ onStep: (done) => void (done === 5 && controller.abort()) }, controller.signal);
  const started = startTransfer(four(out, { json: true }), stopping.parts);
  assert.is(await started, 130);
  const summary = JSON.parse(stopping.heard.stdout);
  assert.equal([summary.status, summary.seeds], ['interrupted', { count: 4, first: 1 }]);
  const { message } = await failure(continueTransfer({ folder: out, json: false, steps: 200 }, seedParts().parts));
  assert.match(message, /is still comparing seeds, whose runs depend on the steps: resume it without --steps first/);
  writeFileSync(join(out, 'seeds/scores.json'), '{');
  const damaged = await failure(continueTransfer({ folder: out, json: false }, seedParts().parts));
  assert.match(damaged.message, /seeds\/scores\.json is missing or damaged: start a new run with another --out/);
});

test('four seeds on one page, which writes the same bytes and ends with the run of the best', async () => {
  const out = newOut();
  const { parts, heard } = seedParts();
  const ended = startTransfer(four(out, { watch: 0 }), parts);
  const { url } = await pageOf(heard);
  assert.is(await ended, 0);
  assertSameContents(out, undisturbed);
  assert.is(heard.stderr.match(/watch it at/g)!.length, 1);
  await failure(fetch(url));
});

test('a folder of four seeds is done, resumed, or refused for other seeds', async () => {
  const out = newOut();
  const ensured = async (change: Partial<TransferOptions> = {}) => {
    const { parts, heard } = seedParts();
    const said: string[] = [];
    const onOther = (setting: string): never => {
      throw new Error(`other ${setting}`);
    };
    await ensureTransfer(four(out, change), parts, { onOther, note: (text) => said.push(text) });
    return [steps(heard.calls), ...said];
  };
  assert.equal(await ensured(), [steps(whole.heard.calls)]);
  assert.equal(await ensured(), [0, 'done already']);
  assert.is((await failure(ensured({ seeds: { count: 3, first: 1 } }))).message, 'other seeds');
  assert.is((await failure(ensured({ seeds: { count: 4, first: 7 } }))).message, 'other seed');
  assert.is((await failure(ensured({ seeds: { count: 4, first: 1, sharedSteps: 30 } }))).message, 'other sharedSteps');
});

test('rounds: the runs that are dropped cost less than half a run, unless that is too short to tell anything', () => {
  const settings = [[2, 2000, 80], [4, 2000, 80], [4, 300, 80], [4, 10_000, 80], [4, 400, 0], [3, 1000, 40], [8, 5000, 80]];
  for (const [count, steps, warmStart] of settings) {
    const wanted = { steps: steps!, warmStart: warmStart! };
    const rounds = roundsOf(count!, wanted);
    assert.is(rounds.at(-1)!.keep, 1);
    assert.ok(costOf(count!, rounds, wanted) <= 1.45, `${count} of ${steps}: ${costOf(count!, rounds, wanted)}`);
    const lengths = rounds.map(({ steps }) => steps - sharedStepsOf(wanted));
    assert.ok(lengths.every((length, i) => i === 0 || length === 2 * lengths[i - 1]!));
  }
  assert.equal(roundsOf(4, { steps: 10_000, warmStart: 80 }), [{ steps: 3129, keep: 2 }, { steps: 4258, keep: 1 }]);
  const own = { steps: 10_000, warmStart: 80, sharedSteps: 0 };
  assert.equal(roundsOf(4, own), [{ steps: 1129, keep: 2 }, { steps: 2258, keep: 1 }]);
  assert.equal(roundsOf(4, { steps: 300, warmStart: 80, sharedSteps: 150 }), [{ steps: 187, keep: 2 }, { steps: 224, keep: 1 }]);
  assert.equal(roundsOf(2, { steps: 20, warmStart: 0, sharedSteps: 90 }), [{ steps: 20, keep: 1 }], 'no more than there are');
  assert.equal(roundsOf(4, { steps: 100, warmStart: 1000 }), [{ steps: 40, keep: 2 }, { steps: 60, keep: 1 }]);
  assert.equal(roundsOf(3, { steps: 1, warmStart: 0 }), [{ steps: 1, keep: 2 }, { steps: 1, keep: 1 }]);
});

test('ranks: the total counts as much as the picture, whatever the units, and equal runs go by total, then by seed', () => {
  const run = (seed: number, structure: number, colour: number, sharpness: number, total: number): Measured =>
    ({ seed, figures: { structure, colour, patches: 0, leak: 0, sharpness, total } });
  const order = (...runs: Measured[]) => ranked(runs).map(({ seed }) => seed);
  assert.equal(order(run(1, 0.7, 5, 0.1, 8), run(2, 0.7, 4, 0.1, 8), run(3, 0.8, 4, 0.1, 8)), [3, 2, 1]);
  assert.equal(order(run(2, 0.7, 5, 0.1, 8), run(1, 0.7, 5, 0.1, 8)), [1, 2]);
  const [sharper, closer] = [run(1, 0.7, 5, 0.2, 8), run(2, 0.7, 5, 0.1, 7)];
  assert.equal(order(sharper, closer), [2, 1], 'of two that are equal in all, the lower total');
  assert.equal(order(run(1, 0.7, 5, 0.1, 8), run(2, 0.7, 5, 0.1, 7)), [2, 1]);
  assert.equal(order(run(1, 0.7, 4, 0.2, 8), run(2, 0.6, 5, 0.1, 7)), [2, 1], 'better in all but the total');
  assert.equal(order(run(1, 0.7, 4, 0.2, 8), run(3, 0.7, 4, 0.2, 7.9), run(2, 0.1, 9, 0.01, 7.8)), [3, 2, 1], 'good in both');
  const seen = (seed: number, cls: number, selfSimilarity: number): Measured =>
    ({ seed, figures: { ...run(seed, seed, 0, 0.1, 1).figures, cls, selfSimilarity } });
  const judged = order(seen(3, 0.6, 0.3), seen(2, 0.7, 0.2), seen(1, 0.8, 0.1));
  assert.equal(judged, [1, 2, 3], 'a judge replaces structure and colour');
  const [best, worst] = ranked([run(1, 0.7, 5, 0.1, 8), run(2, 0.6, 6, 0.05, 9)]);
  assert.equal([best!.score, worst!.score], [1, -1]);
});

test('--judge needs --seeds', async () => {
  const pair = ['--structure', files.structure, '--appearance', files.appearance];
  const { code, stderr } = await runCli(['transfer', ...pair, '--out', newOut(), '--judge', 'vit_mini8']);
  assert.is(code, 2);
  assert.match(stderr, /--judge compares several seeds: give --seeds, such as --seeds 4/);
  const several = ['--model', files.model, '--seeds', '2', '--judge', 'nobody'];
  const unknown = await runCli(['transfer', ...pair, '--out', newOut(), ...several]);
  assert.match(unknown.stderr, /unknown model "nobody"/);
});

test('batch has --seeds, --judge and --until as columns', async () => {
  const settings = { seeds: '4', seed: '7', judge: 'vit_mini8', until: 'plateau' };
  const pair = { name: 'n', ...files, settings, where: 'pairs.csv line 2' };
  const { options } = await withSettings(pair, '/out/n', ['--steps=500']);
  assert.equal([options.seeds, options.until], [{ count: 4, first: 7, judge: 'vit_mini8' }, 'plateau']);
  const bad = withSettings({ ...pair, settings: { until: 'luck' } }, '/out/n');
  assert.match((await failure(bad)).message, /^pairs\.csv line 2: .*--until.*Give steps, plateau/);
});

test('the judge is another ViT than the one that trains', () => {
  const { judge, cost } = json(join(undisturbed, 'seeds/scores.json'));
  assert.is(judge.name, 'vit_mini8');
  assert.ok(cost < 1.5);
  assert.equal(linesOf(undisturbed, 'figures.jsonl').length, 9);
});

test('the judge that was found says which of several ViTs in its file it is, now and on resume', async () => {
  process.env['SPLICE_GPU_CACHE'] = temporaryFolder();
  await addModel(fixturePath('teacher.legacy.pth'), 'several', { write: () => undefined });
  const says = /^note: .*several\.pth holds several ViTs: "teacher\.backbone\." is used, not "student\.module\.backbone\."$/m;
  const [out, controller] = [newOut(), new AbortController()];
  const { parts, heard } = seedParts({ onStep: () => controller.abort() }, controller.signal);
  assert.is(await startTransfer(four(out), parts), 130);
  assert.match(heard.stderr, says);
  assert.is(json(join(out, 'seeds/scores.json')).judge.name, 'several');
  const again = new AbortController();
  const next = seedParts({ onStep: () => again.abort() }, again.signal);
  assert.is(await continueTransfer({ folder: out, json: false }, next.parts), 130);
  assert.match(next.heard.stderr, says);
  delete process.env['SPLICE_GPU_CACHE'];
});

test('seeds are trained alike at the sizes chosen for the device, and only the end gets detail', async () => {
  const out = newOut();
  const { parts, heard } = seedParts();
  const structure = temporaryFile('large.png', await redBlue(300, 200).png().toBuffer());
  const choose = ['size', 'vitSize'] as const;
  assert.is(await startTransfer(four(out, { structure, choose, detail: 'auto' }), parts), 0);
  assert.is(heard.stderr.match(/chosen for a software adapter/g)!.length, 1);
  assert.is(heard.calls.filter((call) => call.startsWith('detail')).length, 1);
  const { width, height } = await readImage(join(out, 'result.png'));
  assert.equal([width, height, configOf(out).options.vitSize], [300, 200, 56]);
});

test.run();
