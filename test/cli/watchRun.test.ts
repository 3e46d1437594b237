/** A live run and its page: news and buttons; and a run shown from its folder. */
import { execFileSync } from 'node:child_process';
import {
  appendFileSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, truncateSync, utimesSync, writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { InputError } from '../../cli/shared/errors.js';
import { sha256 } from '../../cli/shared/files.js';
import { isHeld } from '../../cli/shared/lock.js';
import { createGate } from '../../cli/watch/controls.js';
import { createFeed } from '../../cli/watch/feed.js';
import { openRunFolder } from '../../cli/view/folder.js';
import { watchRun, type LiveRun } from '../../cli/watch/live.js';
import { smoothed } from '../../cli/watch/page/smooth.js';
import { MOST_FIGURES } from '../../cli/watch/page/thin.js';
import { duration, short, speed } from '../../cli/watch/page/texts.js';
import { redBlue, temporaryFile, temporaryFolder } from '../helpers/pictures.js';

const ABOUT = { title: 'a as b', facts: [], terms: ['total'], again: 'splice-gpu view out' } as const;
const never = new AbortController().signal;
const running = () => createFeed(ABOUT, { status: 'running', total: 10 });
const noSave = async () => undefined;

test('gate: a pause lasts until it is ended, and saving works meanwhile', async () => {
  const feed = running();
  const gate = createGate(feed, never);
  assert.not(await gate.pass(noSave));
  gate.controls.pause();
  assert.is(feed.snapshot().state.status, 'paused');
  const saved: string[] = [];
  let passed = false;
  const passing = gate.pass(async () => void saved.push(feed.snapshot().state.status)).then((waited) => (passed = waited));
  gate.controls.save();
  await sleep(5);
  assert.equal([saved, passed], [['paused'], false]);
  gate.controls.resume();
  assert.is(await passing, true);
  assert.is(feed.snapshot().state.status, 'running');
});

test('gate: a stop, or Ctrl-C, ends a pause', async () => {
  for (const stop of ['button', 'signal']) {
    const feed = running();
    const interrupt = new AbortController();
    const gate = createGate(feed, interrupt.signal);
    gate.controls.pause();
    const passing = gate.pass(noSave);
    if (stop === 'button') gate.controls.stop();
    else interrupt.abort();
    await passing;
    assert.ok(gate.signal.aborted);
    assert.is(feed.snapshot().state.status, 'stopping');
    gate.controls.resume();
    assert.is(feed.snapshot().state.status, 'stopping', 'a stop is final');
  }
});

test('gate: one save per press, before the run continues, and its error is the run\'s', async () => {
  const gate = createGate(running(), never);
  let saves = 0;
  gate.controls.save();
  gate.controls.save();
  await gate.pass(async () => void saves++);
  await gate.pass(async () => void saves++);
  assert.is(saves, 1);
  gate.controls.save();
  const error = await gate.pass(() => Promise.reject(new Error('disk full'))).then(() => undefined, (reason: Error) => reason);
  assert.is(error?.message, 'disk full');
});

/** A live run on any free port, closed when `use` is through. */
async function withLive(use: (live: LiveRun) => Promise<void>): Promise<void> {
  const live = await watchRun(ABOUT, 0, never);
  const figures = [{ step: 5, sharpness: 1 }];
  live.begin({ about: { ...ABOUT, title: 'begun' }, done: 0, total: 100, losses: [[0, 3]], figures });
  live.feed.showPreview(5, async () => Buffer.from('five'));
  try {
    await use(live);
  } finally {
    await live.close();
  }
}

test('live: a resumed run begins with its earlier curves', () =>
  withLive(async ({ feed, begin, losses }) => {
    const { state, about, previews, losses: rows } = feed.snapshot();
    assert.equal([state.status, state.total, about.title, previews, rows], ['running', 100, 'begun', [5], [[0, 3]]]);
    assert.equal(feed.snapshot().figures, [{ step: 5, sharpness: 1 }]);
    losses([10, 2]);
    begin({ about: ABOUT, done: 5, total: 100, losses: [[0, 3]], figures: [] });
    assert.equal(feed.snapshot().figures, []);
    assert.equal([feed.snapshot().losses, feed.snapshot().previews, feed.snapshot().state.done], [[[0, 3]], [], 5]);
  }));

test('live: ten thousand saves send some hundred rows of figures, the newest among them', () =>
  withLive(async ({ feed }) => {
    const rows = Array.from({ length: 10_000 }, (_, i) => ({ step: 10 * (i + 1), sharpness: i }));
    const steps: number[][] = [];
    feed.subscribe((event) => void (event.type === 'figures' && steps.push(event.data.map(({ step }) => step))));
    feed.figures(rows.slice(0, -1));
    feed.figures(rows);
    for (const sent of steps) assert.ok(sent.length <= MOST_FIGURES && sent.length > MOST_FIGURES / 2, `${sent.length} rows`);
    assert.equal(steps.map((sent) => [sent[0], sent.at(-1)]), [[10, 99_990], [10, 100_000]]);
    assert.equal(steps[1], [...steps[1]!].sort((a, b) => a - b));
  }));

test('live: pages get some steps, every phase and the last step', () =>
  withLive(async ({ feed, step }) => {
    const heard: string[] = [];
    feed.subscribe((event) => void (event.type === 'state' && heard.push(`${event.data.done} ${event.data.phase}`)));
    for (let done = 1; done <= 100; done++) step(done, done <= 20 ? 'warm start' : 'training');
    assert.ok(heard.includes('1 warm start') && heard.includes('21 training') && heard.at(-1) === '100 training');
    assert.ok(heard.length < 50, `${heard.length} of 100`);
  }));

test('live: the result is drawn rarely, and only while a page is open', () =>
  withLive(async ({ feed, between }) => {
    let drawings = 0;
    const work = { save: noSave, draw: async () => ({ png: Buffer.from('png'), step: ++drawings }) };
    await between(work);
    assert.is(drawings, 0, 'no page is open');
    const leave = feed.subscribe(() => undefined);
    for (let i = 0; i < 5; i++) await between(work);
    leave();
    assert.is(drawings, 1);
    const [picture] = feed.snapshot().pictures;
    assert.equal([picture!.name, picture!.step, String(await feed.png('picture/result/1')!())], ['result', 1, 'png']);
  }));

const OPTIONS = { recipe: 'splice', steps: 50, warmStart: 10, seed: 7 };
const CONFIG = { program: 'splice-gpu', status: 'running', started: 'once', options: OPTIONS };
const line = (step: number, total: number) => `${JSON.stringify({ step, structure: 1, appearance: 2, identity: 3, total })}\n`;

/** What is taken for a PNG, with a word in it. */
const pngOf = (word: string): Buffer => Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), Buffer.from(word)]);
const wordIn = async (png: Promise<Buffer | Uint8Array>): Promise<string> => Buffer.from(await png).subarray(8).toString();

/** A folder as a run leaves it, with a 60 x 40 and a 40 x 80 photo. */
async function runFolder() {
  const folder = temporaryFolder();
  const at = (name: string) => join(folder, name);
  const [structure, appearance] = [await redBlue(60, 40).png().toBuffer(), await redBlue(40, 80).png().toBuffer()];
  const photo = (name: string, bytes: Buffer, usedSize: number[]) => {
    writeFileSync(at(name), bytes);
    return { path: at(name), sha256: sha256(bytes), usedSize };
  };
  const photos = { structure: photo('s.png', structure, [60, 40]), appearance: photo('a.png', appearance, [40, 80]) };
  const config = (change: object = {}) => writeFileSync(at('config.json'), JSON.stringify({ ...CONFIG, ...photos, ...change }));
  config();
  mkdirSync(at('previews'));
  writeFileSync(at('log.jsonl'), line(0, 9) + line(10, 8));
  writeFileSync(at('previews/00010.png'), pngOf('ten'));
  writeFileSync(at('result.png'), pngOf('result'));
  return { folder, at, config };
}

const held = async () => true;

test('view: a folder is followed: log, previews, result and end', async () => {
  const { folder, at, config } = await runFolder();
  const feed = await openRunFolder(folder, held);
  const now = feed.snapshot();
  assert.equal([now.about.title, now.about.terms], ['s as a', ['total', 'structure', 'appearance', 'identity']]);
  assert.equal(now.losses, [[0, 9, 1, 2, 3], [10, 8, 1, 2, 3]]);
  assert.equal([now.state.status, now.state.done, now.state.total, now.previews], ['running', 21, 60, [10]]);
  assert.equal(now.pictures.map(({ name }) => name), ['structure', 'appearance', 'result']);
  assert.is(await wordIn(feed.png('preview/0/10')!()), 'ten');
  const heard: string[] = [];
  feed.subscribe(({ type }) => void heard.push(type));
  await feed.refresh();
  assert.equal(heard, [], 'without news there is no event');

  const next = line(20, 7);
  appendFileSync(at('log.jsonl'), next.slice(0, 12));
  writeFileSync(at('previews/00020.png'), pngOf('twenty'));
  writeFileSync(at('previews/.00030.png.1.tmp'), 'half');
  writeFileSync(at('previews/notes.png'), 'mine');
  await feed.refresh();
  assert.equal([feed.snapshot().losses.length, feed.snapshot().previews], [2, [10, 20]], 'half a line is none');
  appendFileSync(at('log.jsonl'), next.slice(12));
  writeFileSync(at('result.png'), pngOf('newer result'));
  config({ status: 'finished', stepsDone: 50, seconds: 30 });
  await feed.refresh();
  const { state, losses, pictures } = feed.snapshot();
  const { status, done, secondsTaken, stepsPerSecond } = state;
  assert.equal([status, done, secondsTaken, stepsPerSecond, losses.at(-1)], ['finished', 60, 30, 2, [20, 7, 1, 2, 3]]);
  const result = pictures.find(({ name }) => name === 'result')!;
  assert.equal([result.version, result.step, await wordIn(feed.png('picture/result/2')!())], [2, 50, 'newer result']);
});

test('view: a log that was truncated, or started again, is read again', async () => {
  const { folder, at } = await runFolder();
  const feed = await openRunFolder(folder, held);
  truncateSync(at('log.jsonl'), line(0, 9).length);
  await feed.refresh();
  assert.equal([feed.snapshot().losses.length, feed.snapshot().epoch], [1, 1]);
  assert.is(feed.png('preview/0/10'), undefined);
  assert.is(await wordIn(feed.png('preview/1/10')!()), 'ten');
  rmSync(at('log.jsonl'));
  await feed.refresh();
  assert.equal(feed.snapshot().losses, []);
});

test('view: previews that were taken away vanish', async () => {
  const { folder, at } = await runFolder();
  const feed = await openRunFolder(folder, held);
  rmSync(at('previews/00010.png'));
  await feed.refresh();
  assert.equal(feed.snapshot().previews, []);
});

test('view: a run with status running but without a process is gone', async () => {
  const { folder, config } = await runFolder();
  const feed = await openRunFolder(folder, async () => false);
  assert.is(feed.snapshot().state.status, 'gone');
  config({ status: 'failed', stepsDone: 12, error: 'Error: the disk is full' });
  await feed.refresh();
  const { status, done, note } = feed.snapshot().state;
  assert.equal([status, done, note], ['failed', 22, 'Error: the disk is full']);
});

test('view: a photo that has changed is cut out of the triptych, or not shown', async () => {
  const { folder, at, config } = await runFolder();
  writeFileSync(at('s.png'), await redBlue(60, 41).png().toBuffer());
  const without = await openRunFolder(folder, held);
  assert.equal(without.snapshot().pictures.map(({ name }) => name), ['appearance', 'result']);
  writeFileSync(at('triptych.png'), await redBlue(60 + 2 + 60 + 2 + 20, 40).png().toBuffer());
  config({ status: 'finished', stepsDone: 50 });
  await without.refresh();
  const bytes = Buffer.from(await without.png('picture/structure/1')!());
  assert.equal([bytes.readUInt32BE(16), bytes.readUInt32BE(20)], [60, 40]);
});

/** A file outside of a run's folder, of the bytes of one inside, and whether it was opened. */
function outside(bytes: Buffer) {
  const path = temporaryFile('outside', bytes);
  const before = new Date('2020-01-01');
  utimesSync(path, before, before);
  return { path, isOpened: () => statSync(path).atimeMs !== before.getTime() };
}

test('view: a path in config.json is not opened, and what it costs is told once', async () => {
  const { folder, at, config } = await runFolder();
  const away = outside(readFileSync(at('s.png')));
  const moved = { path: away.path, sha256: sha256(readFileSync(at('s.png'))), usedSize: [60, 40] };
  config({ structure: moved });
  const notes: string[] = [];
  const feed = await openRunFolder(folder, held, (line) => notes.push(line));
  const names = () => feed.snapshot().pictures.map(({ name }) => name);
  assert.equal(names(), ['appearance', 'result']);
  config({ structure: moved, status: 'interrupted' });
  await feed.refresh();
  const why = 'and nothing outside is opened: it is left out until triptych.png has it';
  assert.equal(notes, [`note: the structure photo is not in ${folder}, ${why}`]);
  assert.not(away.isOpened());
  writeFileSync(at('triptych.png'), await redBlue(60 + 2 + 60 + 2 + 20, 40).png().toBuffer());
  await feed.refresh();
  assert.equal(names(), ['appearance', 'result', 'structure'], 'also when the config stays as it is');

  for (const path of ['C:\\photos\\s.png', '\\\\host\\share\\s.png', '/elsewhere/s.png', 's.png']) {
    const other = await runFolder();
    const { sha256: hash } = JSON.parse(readFileSync(other.at('config.json'), 'utf8')).structure;
    other.config({ structure: { path, sha256: hash, usedSize: [60, 40] } });
    const { pictures } = (await openRunFolder(other.folder, held)).snapshot();
    assert.is(pictures[0]!.name, 'structure', `${path}: found by its name in the folder`);
  }
  for (const path of ['..', '.', '/', 'a/..', '\\']) {
    config({ structure: { ...moved, path } });
    assert.ok((await openRunFolder(folder, held)).snapshot().pictures.length >= 2, path);
  }
});

const linked = process.platform === 'win32' ? test.skip : test;

linked('view: links that lead out of the folder are not followed', async () => {
  const { folder, at } = await runFolder();
  const away = ['s.png', 'result.png', 'previews/00010.png'].map((name) => {
    const file = outside(readFileSync(at(name)));
    rmSync(at(name));
    symlinkSync(file.path, at(name));
    return file;
  });
  const triptych = outside(await redBlue(144, 40).png().toBuffer());
  symlinkSync(triptych.path, at('triptych.png'));
  const lock = outside(Buffer.from('{}'));
  symlinkSync(lock.path, at('.running-0011.json'));
  const notes: string[] = [];
  const feed = await openRunFolder(folder, isHeld, (line) => notes.push(line));
  assert.equal(feed.snapshot().pictures.map(({ name }) => name), ['appearance']);
  assert.is(notes.length, 1);
  const failing = await feed.png('preview/0/10')!().then(() => '', (error: Error) => error.message);
  const remedy = 'put a copy of the file in its place';
  assert.is(failing, `${at('previews/00010.png')} leads out of the run's folder, where view opens nothing: ${remedy}`);
  assert.equal([...away, triptych, lock].map(({ isOpened }) => isOpened()), [false, false, false, false, false]);

  for (const name of ['config.json', 'log.jsonl']) {
    const run = await runFolder();
    const file = outside(readFileSync(run.at(name)));
    rmSync(run.at(name));
    symlinkSync(file.path, run.at(name));
    const problem = await openRunFolder(run.folder, held).then(() => '', (error: Error) => error.message);
    assert.ok(problem.startsWith(`${run.at(name)} leads out of the run's folder`), problem);
    assert.not(file.isOpened());
  }
  const [whole, through] = [await runFolder(), join(temporaryFolder(), 'link')];
  symlinkSync(whole.folder, through);
  assert.is((await openRunFolder(through, held)).snapshot().pictures.length, 3, 'the folder itself may be a link');
});

linked('view: a pipe in the place of the log keeps nothing waiting', async () => {
  const { folder, at } = await runFolder();
  rmSync(at('log.jsonl'));
  execFileSync('mkfifo', [at('log.jsonl')]);
  assert.equal((await openRunFolder(folder, held)).snapshot().losses, []);
});

test('view: a folder without a run, and a damaged one, are one line', async () => {
  const { folder, at } = await runFolder();
  const failure = (of: string) => openRunFolder(of, held).then(() => new Error('it was opened'), (error: Error) => error);
  writeFileSync(at('config.json'), '[1]');
  const damaged = await failure(folder);
  assert.instance(damaged, InputError);
  assert.match(damaged.message, /config\.json does not describe a run \(the file is \[1\]\): put the file back as it was/);
  assert.match((await failure(temporaryFolder())).message, /holds no run \(there is no .*config\.json\): give the --out folder/);
  writeFileSync(at('config.json'), '{}');
  assert.is((await openRunFolder(folder, held)).snapshot().state.status, 'running', 'missing fields are left out');
  assert.ok(readFileSync(at('log.jsonl')).length > 0);
});

test('page: smoothing is the geometric mean of the neighbourhood, without what has no logarithm', () => {
  assert.equal(smoothed([1, 100]).map((value) => value?.toFixed(6)), ['10.000000', '10.000000']);
  assert.equal(smoothed([4, null, 0, 4]).map((value) => value && Number(value.toFixed(9))), [4, null, null, 4]);
  assert.equal(smoothed([]), []);
  const values = Array.from({ length: 400 }, (_, i) => 1 + ((i * 7) % 13));
  const plain = (i: number) => {
    const near = values.slice(Math.max(0, i - 10), i + 11);
    return Math.exp(near.reduce((sum, value) => sum + Math.log(value), 0) / near.length);
  };
  smoothed(values).forEach((value, i) => assert.ok(Math.abs(value! - plain(i)) < 1e-9));
});

test('page: numbers as people read them', () => {
  assert.equal([0, 0.00005, 0.01234, 1.5, 123.4].map(short), ['0', '5.0e-5', '0.0123', '1.50', '123']);
  assert.equal([0.4, 59.6, 75, 3599.7, 4000].map(duration), ['0 s', '1 min 00 s', '1 min 15 s', '1 h 00 min', '1 h 06 min']);
  assert.equal([12.34, 1, 0.5].map(speed), ['12.3 steps/s', '1.00 steps/s', '2.00 s/step']);
});

test.run();
