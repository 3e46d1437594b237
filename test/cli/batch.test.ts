/** Many pairs: how CSV files and folders are read, which pairs are resumed, and that a bad pair does not affect the others. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { batch, type BatchOptions, type BatchPair } from '../../cli/transfer/batch/batch.js';
import { parsePairs, readPairs, type Pair } from '../../cli/transfer/batch/pairs.js';
import { reportPage, type PairResult } from '../../cli/transfer/batch/page.js';
import type { TransferOptions } from '../../cli/transfer/options.js';
import { batchCommand, withSettings } from '../../cli/commands/batch.js';
import { InputError, UsageError } from '../../cli/shared/errors.js';
import { serializeSafetensors } from '../../model/files/safetensors.js';
import { defaultOptions } from '../../model/method/options.js';
import { fakeParts, type FakeBehaviour } from '../helpers/fakeRun.js';
import { redBlue, runCli, temporaryFile, temporaryFolder } from '../helpers/pictures.js';
import { failure, newOut } from '../helpers/runs.js';
import { tinyWeights } from '../helpers/tinyVit.js';

const COLUMNS = ['seed', 'size', 'steps', 'antialias', 'mean', 'detail'];
const csv = (text: string | Buffer) => parsePairs('/data/pairs.csv', Buffer.from(text), COLUMNS);
const refused = (text: string | Buffer, message: RegExp) => assert.throws(() => csv(text), (error: Error) =>
  error instanceof InputError && message.test(error.message) && !error.message.includes('\n'));

test('csv: paths are relative to the file, columns are settings, empty cells are ignored', () => {
  const lines = ['structure,appearance,name,seed,size', 'cow.jpg,/photos/highland cow.jpg,,3,', '"a, b.png",c.png,second no,,64'];
  const pairs = csv(lines.map((line) => `${line}\n`).join(''));
  assert.equal(pairs.map(({ name, structure, appearance, settings, where }) => [name, structure, appearance, settings, where]), [
    ['cow-as-highland-cow', '/data/cow.jpg', '/photos/highland cow.jpg', { seed: '3' }, '/data/pairs.csv line 2'],
    ['second no', '/data/a, b.png', '/data/c.png', { size: '64' }, '/data/pairs.csv line 3'],
  ]);
});

test('csv: as spreadsheets save it: byte order mark, semicolons, CRLF, blank lines, capital letters', () => {
  const pairs = csv('\ufeffStructure;Appearance;SEED\r\n\r\na.png;b.png;7\r\n;;\r\nc.png;d.png;\r\n');
  assert.equal(pairs.map(({ name, settings, where }) => [name, settings, where]), [
    ['a-as-b', { seed: '7' }, '/data/pairs.csv line 3'], ['c-as-d', {}, '/data/pairs.csv line 5'],
  ]);
});

test('csv: equal pairs are numbered, and files of one name per folder are named by the folder', () => {
  const lines = ['structure,appearance', 'a.png,b.png', 'a.png,b.png', 'A.png,b.png', 'cow/structure.jpg,cow/appearance.jpg'];
  assert.equal(csv(lines.join('\n')).map(({ name }) => name), ['a-as-b', 'a-as-b-2', 'A-as-b-3', 'cow']);
});

for (const [text, message] of [
  ['', /has no column "structure"|has no pairs/],
  ['structure,appearance\n', /has no pairs: give a header line/],
  ['photo,appearance\na,b\n', /has no column "structure": its first line must name the columns/],
  ['structure,appearance,sead\na,b,1\n', /has an unknown column "sead": known are structure, appearance, name, seed, /],
  ['structure,appearance,seed,seed\na,b,1,2\n', /has the column "seed" twice/],
  ['structure,appearance\na.png\n', /line 2 has no appearance photo: fill in the column "appearance"/],
  ['structure,appearance\n"a.png,b.png\n', /is not a valid CSV file \(Quote Not Closed/],
  ['structure,appearance\n,b.png\n', /line 2 has no structure photo: fill in the column "structure"/],
  ['structure,appearance,name\na,b,../up\n', /line 2: "\.\.\/up" is not a name for a folder/],
  ['structure,appearance,name\na,b,x\na,b,X\n', /line 3 has the name "X" of .* line 2: give each its own name/],
] as const) {
  test(`csv: ${JSON.stringify(text)} is refused by name`, () => refused(text, message));
}

test('csv: text that is not UTF-8 is refused', () => {
  refused(Buffer.from([0x73, 0xff, 0xfe, 0x0a]), /is not UTF-8 text: save it as CSV in UTF-8/);
});

test('folder: subfolders with one structure and one appearance photo', async () => {
  const folder = temporaryFolder();
  const put = (name: string): void => {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), 'x');
  };
  for (const name of ['b/structure.png', 'b/appearance.JPG', 'a/appearance.webp', 'a/Structure.jpeg']) put(name);
  for (const name of ['notes/readme.txt', 'list.txt']) put(name);
  const found = (await readPairs(folder, [])).map(({ name, appearance }) => [name, appearance]);
  assert.equal(found, [['a', join(folder, 'a/appearance.webp')], ['b', join(folder, 'b/appearance.JPG')]]);
  put('b/structure.jpg');
  assert.match((await failure(readPairs(folder, []))).message, /b has more than one structure photo: put exactly one/);
  assert.match((await failure(readPairs(temporaryFolder(), []))).message, /holds no pairs: give a folder whose subfolders/);
});

const pairOf = (settings: Pair['settings']): Pair =>
  ({ name: 'n', structure: '/a.png', appearance: '/b.png', settings, where: 'pairs.csv line 2' });

test('settings of a line are options of transfer, and replace those for all pairs', async () => {
  const pair = pairOf({ seed: '9', antialias: 'no', mean: '0.5' });
  const { options: { out, splice, vit } } = await withSettings(pair, '/out/n', ['--seed=2', '--steps=33']);
  const { seed, steps, antialias } = splice;
  assert.equal([seed, steps, antialias, vit.mean, out], [9, 33, false, [0.5, 0.5, 0.5], '/out/n']);
  for (const [settings, message] of [
    [{ seed: 'x' }, /^pairs\.csv line 2: option '--seed <number>' argument 'x' is invalid\. Give a whole number/],
    [{ antialias: 'perhaps' }, /^pairs\.csv line 2: antialias is "perhaps": give yes or no/],
    [{ checkpointing: '2' }, /^pairs\.csv line 2: checkpointing is "2": give yes or no/],
  ] as const) {
    const error = await failure(withSettings(pairOf(settings), '/out/n'));
    assert.instance(error, UsageError);
    assert.match(error.message, message);
  }
});

/** The options of transfer that the command makes for each line of a CSV file. */
async function optionsOf(text: string, ...args: string[]): Promise<TransferOptions[]> {
  let made: BatchOptions | undefined;
  const command = batchCommand({ run: async (options) => void (made = options), queue: async () => undefined });
  await command.parseAsync([temporaryFile('pairs.csv', text), '--out', '/o', ...args], { from: 'user' });
  return made!.pairs.map(({ options }) => options);
}

test('options for all pairs reach each pair, and every column has its option', async () => {
  const text = 'structure,appearance,lambda-identity\na.png,b.png,0.25\n';
  const [options] = await optionsOf(text, '--mean', '0.1,0.2,0.3', '--no-antialias', '--lr', '0.5');
  const { splice: { lambdaIdentity, lr, antialias }, vit, out } = options!;
  assert.equal([lambdaIdentity, lr, antialias, vit.mean, out], [0.25, 0.5, false, [0.1, 0.2, 0.3], '/o/a-as-b']);
});

test('--checkpointing is an option for all pairs, and a column with yes or no', async () => {
  const checkpointing = async (...given: Parameters<typeof optionsOf>) =>
    (await optionsOf(...given)).map(({ splice: { checkpointing: isOn } }) => isOn);
  const two = 'structure,appearance\na.png,b.png\nc.png,d.png\n';
  assert.equal(await checkpointing(two), [false, false]);
  assert.equal(await checkpointing(two, '--checkpointing'), [true, true]);
  const values = ['yes', 'TRUE', '1', 'on', 'no', 'False', '0', 'off', ''];
  const column = `structure,appearance,checkpointing\n${values.map((value) => `a.png,b.png,${value}\n`).join('')}`;
  assert.equal(await checkpointing(column), [true, true, true, true, false, false, false, false, false]);
});

test('--published is an option for all pairs, and a column; columns and options that are given as well count', async () => {
  const text = 'structure,appearance,published,clip\na.png,b.png,yes,\nc.png,d.png,no,\ne.png,f.png,,5\n';
  const settings = async (...args: string[]) =>
    (await optionsOf(text, ...args)).map(({ splice: { warmStart, clip } }) => [warmStart, clip]);
  const { warmStart, clip } = defaultOptions;
  assert.equal(await settings(), [[0, 0], [warmStart, clip], [warmStart, 5]]);
  assert.equal(await settings('--published'), [[0, 0], [warmStart, clip], [0, 5]]);
  assert.equal(await settings('--warm-start', '7'), [[7, 0], [7, clip], [7, 5]]);
});

test('a column replaces the option for all pairs, of a switch too, and an empty field does not', async () => {
  const text = 'structure,appearance,lr,antialias,checkpointing\na.png,b.png,0.5,yes,no\nc.png,d.png,,,\n';
  const made = await optionsOf(text, '--lr', '0.25', '--no-antialias', '--checkpointing');
  const values = made.map(({ splice: { lr, antialias, checkpointing } }) => [lr, antialias, checkpointing]);
  assert.equal(values, [[0.5, true, false], [0.25, false, true]]);
});

const photos = temporaryFolder();
writeFileSync(join(photos, 'a.png'), await redBlue(60, 40).png().toBuffer());
writeFileSync(join(photos, 'b.png'), await redBlue(50, 50).png().toBuffer());
writeFileSync(join(photos, 'broken.png'), 'no photo');
const model = temporaryFile('tiny.safetensors', serializeSafetensors(tinyWeights()));

async function runBatch(out: string, text: string, behaviour: FakeBehaviour = {}, interrupt?: AbortSignal) {
  const pairs = parsePairs(join(photos, 'pairs.csv'), Buffer.from(text), COLUMNS);
  const shared = ['--model', model, '--steps', '5', '--warm-start', '1', '--save-every', '2'];
  const full: BatchPair[] = await Promise.all(pairs.map((pair) => withSettings(pair, join(out, pair.name), shared)));
  const { parts, heard } = fakeParts(behaviour, interrupt);
  const code = await batch({ source: 'pairs.csv', pairs: full, out, json: true }, parts);
  return { code, heard, summary: JSON.parse(heard.stdout) as { done: number; failed: number; results: PairResult[] } };
}

const three = 'structure,appearance,name,seed\na.png,b.png,one,1\nbroken.png,b.png,bad,1\nb.png,a.png,two,2\n';
const corrected = three.replace('broken.png', 'a.png');

test('batch: a pair that fails does not stop the others, and the exit code reports it', async () => {
  const out = newOut();
  const { code, summary, heard } = await runBatch(out, three);
  assert.equal([code, summary.done, summary.failed], [1, 2, 1]);
  const results = summary.results.map(({ status, stepsDone }) => [status, stepsDone]);
  assert.equal(results, [['done', 5], ['failed', undefined], ['done', 5]]);
  assert.match(summary.results[1]!.error!, /broken\.png is not a photo but text/);
  assert.match(heard.stderr, /\[2\/3\] bad\n.*pairs\.csv line 3: .*broken\.png is not a photo/);
  assert.equal(readdirSync(out).sort(), ['one', 'report.html', 'two'], 'the pair that could not begin leaves nothing');
  const page = readFileSync(join(out, 'report.html'), 'utf8');
  assert.match(page, /3 pairs: 2 done, 1 failed/);
  assert.match(page, /<img src="one\/triptych\.png"/);
  assert.match(page, /<dt>sharpness<\/dt><dd>0\.00500<\/dd>/);
});

test('batch: started again it makes only the missing pairs; with the photo corrected all are done', async () => {
  const out = newOut();
  await runBatch(out, three);
  const { code, summary, heard } = await runBatch(out, corrected);
  assert.equal([code, summary.done], [0, 3]);
  assert.is(heard.calls.filter((call) => call === 'step').length, 6, 'the steps of one pair');
  assert.equal(heard.stderr.match(/done already/g)!.length, 2);
});

test('batch: an interrupted pair is resumed', async () => {
  const out = newOut();
  const controller = new AbortController();
  let steps = 0;
  const onStep = () => void (++steps === 3 && controller.abort());
  const first = await runBatch(out, three, { onStep }, controller.signal);
  assert.is(first.code, 130);
  assert.equal(first.summary.results.map(({ status }) => status), ['interrupted', 'waiting', 'waiting']);
  const second = await runBatch(out, corrected);
  assert.is(second.code, 0);
  assert.is(second.heard.calls.filter((call) => call === 'step').length, 18 - 3);
});

test('batch: other settings under an old name are refused for that pair alone', async () => {
  const out = newOut();
  await runBatch(out, corrected);
  const otherSeed = corrected.replace('one,1', 'one,5');
  const { code, summary } = await runBatch(out, otherSeed);
  assert.equal([code, summary.done, summary.failed], [1, 2, 1]);
  const remedy = 'put the setting back, choose another --out, or give .*pairs\\.csv line 2 another name';
  assert.match(summary.results[0]!.error!, new RegExp(`out/one holds a run with another seed: ${remedy}`));
  const withMean = three.replace(/seed\n/, 'seed,mean\n').replace('one,1', 'one,1,0.25').replace(/(bad,1|two,2)/g, '$1,');
  assert.match((await runBatch(out, withMean)).summary.results[0]!.error!, /holds a run with another mean: /);
  rmSync(join(out, 'one'), { recursive: true });
  assert.is((await runBatch(out, otherSeed)).code, 0);
});

test('batch: detail is an option and a column, and the page has the figures with and without it', async () => {
  const lines = ['a.png,b.png,0.25,,80', 'c.png,d.png,,auto,', 'e.png,f.png,0,full,'];
  const columns = ['structure,appearance,detail,size,output-size', ...lines].map((line) => `${line}\n`).join('');
  const made = await optionsOf(columns, '--size', '36', '--detail', '0.5');
  const values = made.map(({ detail, size, outputSize, choose }) => [detail, size, outputSize, choose?.includes('size')]);
  assert.equal(values, [[0.25, 36, 80, false], [0.5, undefined, undefined, true], [0, undefined, undefined, false]]);
  const both = 'structure,appearance,upscale,output-size\na.png,b.png,2,80\n';
  assert.match((await failure(optionsOf(both))).message, /line 2: option '--upscale <factor>' cannot be used with/);

  const out = newOut();
  const text = 'structure,appearance,name,size\na.png,b.png,one,36\n';
  const { code, heard, summary } = await runBatch(out, text);
  assert.is(code, 0, heard.stderr);
  assert.is(heard.calls.filter((call) => call.startsWith('detail')).length, 1);
  assert.equal([summary.results[0]!.figures!.sharpness, summary.results[0]!.trained!.sharpness!.toFixed(3)], [1, '0.005']);
  const page = readFileSync(join(out, 'report.html'), 'utf8');
  assert.match(page, /<dt>sharpness<\/dt><dd>1<\/dd>/);
  assert.match(page, /<a class="own" href="one\/result\.png">/);
  assert.match(page, /<dt>without detail: sharpness<\/dt><dd>0\.00500<\/dd>/);
  const { summary: { results } } = await runBatch(out, 'structure,appearance,name,size,detail\na.png,b.png,one,36,0\n');
  assert.match(results[0]!.error!, /holds a run with another detail: /);
});

test('batch: the page shows why a run failed', async () => {
  const out = newOut();
  const { code, summary } = await runBatch(out, three, { nanFrom: 3 });
  assert.equal([code, summary.failed], [1, 3]);
  assert.match(readFileSync(join(out, 'report.html'), 'utf8'), /class="error">at step 3 the loss is no longer a finite number/);
  assert.ok(existsSync(join(out, 'one/config.json')));
});

test('page: text is escaped, links are encoded, nothing is loaded from elsewhere', () => {
  const page = reportPage('<b> & "c"', [{
    name: `<script>alert('x')</script>`, status: 'failed', settings: { model: '"><img src=x>' }, error: '</p><script>',
    picture: 'a "b" #1/triptych.png',
  }]);
  assert.not.match(page, /<script|<img src=x|<b>/);
  assert.match(page, /src="a%20%22b%22%20%231\/triptych\.png"/);
  assert.not.match(page, /https?:/);
});

test('batch through the command line: a bad line of the file is one line and exit code 2, and nothing is made', async () => {
  const out = newOut();
  const path = temporaryFile('pairs.csv', 'structure,appearance,seed\na.png,b.png,1\nc.png,d.png,minus\n');
  const { code, stderr, stdout } = await runCli(['batch', path, '--out', out]);
  assert.equal([code, stdout], [2, '']);
  assert.match(stderr, /^splice-gpu: .*pairs\.csv line 3: option '--seed <number>' argument 'minus' is invalid[^\n]*\n$/);
  assert.not.ok(existsSync(out));
});

test.run();
