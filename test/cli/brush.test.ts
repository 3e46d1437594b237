/** Regions brushed on the page of a run: what the server takes and refuses, and how the run goes on with them. */
import { copyFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { branch } from '../../cli/transfer/branch.js';
import { prepare, resumeTransfer, transfer } from '../../cli/transfer/transfer.js';
import { readImage, readImageText } from '../../cli/photos/photo.js';
import { fakeParts, shortRun } from '../helpers/fakeRun.js';
import { assertSameContents, configOf, failure, files, json, linesOf, newOut, pageOf, resumptions } from '../helpers/runs.js';

type Rgb = readonly [number, number, number];
const RED: Rgb = [255, 0, 0];
const BLUE: Rgb = [0, 0, 255];

/** A label image whose left part, a share of it, has a colour. */
async function labels(width: number, height: number, share: number, ...colours: readonly Rgb[]): Promise<string> {
  const data = Buffer.alloc(3 * width * height);
  const stripe = (share * width) / colours.length;
  for (let i = 0; i < width * height; i++) {
    const colour = colours[Math.floor((i % width) / stripe)];
    if (colour) data.set(colour, 3 * i);
  }
  return (await sharp(data, { raw: { width, height, channels: 3 } }).png().toBuffer()).toString('base64');
}

const both = async (share: number, ...colours: readonly Rgb[]) =>
  ({ structure: await labels(256, 171, share, ...colours), appearance: await labels(64, 128, share, ...colours) });
const [HALF, THIRD, TWO] = [await both(0.5, RED), await both(0.3, RED), await both(0.8, RED, BLUE)];

type Body = object | string;
/** What the page brushes before the step after so many, of warm start and training. */
type Brushings = Readonly<Record<number, Body>>;

interface Answer {
  readonly code: number;
  readonly text: string;
}

/** Parts of a run with a page, which brushes, and dies before the step after `dieAt`. */
function brushing(brushings: Brushings, dieAt = Infinity, before: (done: number) => void = () => undefined) {
  const answers: Answer[] = [];
  const made = fakeParts({
    onStep: async (done) => {
      before(done);
      if (done === dieAt) throw new Error('power cut');
      const body = brushings[done];
      if (body !== undefined) answers.push(await brush(made.heard, body));
    },
  });
  return { ...made, answers };
}

async function brush(heard: { readonly stderr: string }, body: Body): Promise<Answer> {
  const { url, headers } = await pageOf(heard);
  const response = await fetch(`${url}do/brush`, {
    method: 'POST', headers, body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { code: response.status, text: await response.text() };
}

const WATCHED = { watch: 0, saveEvery: 4 };
const options = (out: string) => ({ ...shortRun({ ...files, out }), ...WATCHED });

/** Of runs with other options that change no picture. */
async function assertSameResult(out: string, expected: string): Promise<void> {
  assert.equal(linesOf(out), linesOf(expected));
  assert.equal(await readImage(join(out, 'result.png')), await readImage(join(expected, 'result.png')));
}

async function undisturbed(brushings: Brushings): Promise<string> {
  const out = newOut();
  const { parts, answers } = brushing(brushings);
  assert.is(await transfer(options(out), parts), 0);
  assert.equal(answers.map(({ code }) => code), Object.keys(brushings).map(() => 204));
  return out;
}

const resume = (folder: string, brushings: Brushings = {}): Promise<number> =>
  resumeTransfer({ folder, json: false, watch: 0 }, brushing(brushings).parts);

const plain = await undisturbed({});

const hashes = (out: string) => ['structureRegions', 'appearanceRegions'].map((name) => configOf(out)[name]?.sha256);

// A new number of regions is another program; another shape of the same is not.
const CHANGES: Brushings = { 2: HALF, 11: TWO, 16: THIRD, 19: HALF, 24: {} };

test('a run takes what is brushed from the next step on, and config.json names it', async () => {
  const out = await undisturbed({ 11: TWO, 16: HALF });
  assert.not.equal(json(join(out, 'report.json')).result, json(join(plain, 'report.json')).result);
  const { structureRegions, appearanceRegions, brushed, page, identity } = configOf(out);
  assert.equal([structureRegions.colours, structureRegions.size, appearanceRegions.size], [['red'], [256, 171], [64, 128]]);
  assert.ok(structureRegions.path.startsWith(join(out, 'regions')) && page.facts.some(([name]: [string]) => name === 'Regions'));
  assert.equal([identity['structure regions'], identity['appearance regions']], hashes(out));
  // The gate is after the step in which the page sent it.
  assert.equal(brushed.map(({ step }: { step: number }) => step), [7, 12]);
  assert.equal([brushed[1].structureRegions, brushed[1].appearanceRegions], hashes(out));
  assert.equal(resumptions(out), [[12, 'regions brushed'], [17, 'regions brushed']]);
  assert.is((await readImageText(join(out, 'result.png')))['Brushed'], 'from step 7');
  assert.equal(readdirSync(join(out, 'regions')).length, 4);
});

test('killed at any time and resumed, it gives the bytes of a run that went on', async () => {
  const whole = await undisturbed(CHANGES);
  assert.equal(hashes(whole), [undefined, undefined]);
  assert.equal(configOf(whole).brushed.length, 5);
  for (const dieAt of [12, 17, 25]) {
    const out = newOut();
    await failure(transfer(options(out), brushing(CHANGES, dieAt).parts));
    const done = Math.max(...readdirSync(join(out, 'checkpoints')).map((name) => Number.parseInt(name, 10)));
    const later = Object.fromEntries(Object.entries(CHANGES).filter(([at]) => Number(at) >= done));
    assert.is(await resume(out, later), 0);
    assertSameContents(out, whole, `killed before step ${dieAt}`);
    assert.equal(configOf(out).brushed, configOf(whole).brushed);
  }
});

test('a run that died between a checkpoint and config.json finds the regions of the checkpoint', async () => {
  for (const [first, second] of [[4, 11], [11, 16], [11, 13]] as const) {
    const brushings = { [first]: HALF, [second]: second === 13 ? {} : THIRD };
    const [whole, out] = [await undisturbed(brushings), newOut()];
    const config = join(out, 'config.json');
    const keep = (done: number) => void (done === second && copyFileSync(config, `${out}.json`));
    await failure(transfer(options(out), brushing(brushings, second + 1, keep).parts));
    copyFileSync(`${out}.json`, config);
    assert.is(await resume(out), 0);
    assertSameContents(out, whole, `${first} ${second}`);
    assert.equal(configOf(out).brushed?.at(-1).structureRegions, configOf(whole).brushed.at(-1).structureRegions);
  }
});

test('an older checkpoint has its own regions, for a resume and for a branch', async () => {
  const out = newOut();
  await failure(transfer({ ...options(out), keepEvery: 4 }, brushing({ 11: HALF }, 12).parts));
  const to = newOut();
  const to8 = { run: out, step: 4, out: to, force: false, json: false, set: {}, given: shortRun({ ...files, out: to }) };
  assert.is(await branch(to8, fakeParts().parts), 0);
  await assertSameResult(to, plain);
  assert.is(configOf(to).brushed, undefined);
  for (const name of readdirSync(join(out, 'checkpoints')).filter((each) => Number.parseInt(each, 10) > 9)) {
    rmSync(join(out, 'checkpoints', name));
  }
  assert.is(await resume(out), 0);
  await assertSameResult(out, plain); // the brush is lost with its checkpoint
  assert.equal(hashes(out), [undefined, undefined]);
});

test("a run's own label images are found again once others are brushed", async () => {
  const [own, out] = [newOut(), newOut()];
  await transfer(options(own), brushing({ 2: THIRD }).parts);
  const { structureRegions, appearanceRegions } = configOf(own);
  const given = { structureRegions: structureRegions.path, appearanceRegions: appearanceRegions.path };
  await failure(transfer({ ...options(out), ...given }, brushing({ 11: TWO }, 12).parts));
  for (const name of readdirSync(join(out, 'checkpoints')).filter((each) => Number.parseInt(each, 10) > 9)) {
    rmSync(join(out, 'checkpoints', name));
  }
  assert.is(await resume(out), 0);
  assert.equal(hashes(out), [structureRegions.sha256, appearanceRegions.sha256]);
});

const tooLarge = (): string => JSON.stringify({ structure: 'A'.repeat(2_000_000), appearance: 'A' });
const grey = (n: number): Rgb => [n, n, n];

/** Bodies that are refused, and why. */
const REFUSED: readonly (readonly [what: string, body: Body, problem: RegExp])[] = [
  ['nothing', '', /^no label images: send/], ['no JSON', 'x'.repeat(99), /^no label images/],
  ['one image', { structure: HALF.structure }, /^no label images/],
  ['numbers', { structure: 1, appearance: 2 }, /^no label images/],
  ['a path', { structure: '../a.png', appearance: '/etc/passwd' }, /^no label images/],
  ['too much', tooLarge(), /^more than 2 MB of label images: send them with at most 1024/],
  ['no PNG', { ...HALF, structure: Buffer.from('GIF89a...........').toString('base64') },
    /^the brush on the structure photo is not a PNG/],
  ['half a PNG', { ...HALF, structure: HALF.structure.slice(0, 100) },
    /^the brush on the structure photo is a damaged or oversized PNG/],
  ['another size', { ...HALF, appearance: HALF.structure },
    /^the brush on the appearance photo has 256 x 171 pixels, but its photo 40 x 80/],
  ['a large image', { ...HALF, structure: await labels(1200, 800, 0.5, RED) },
    /^the brush on the structure photo has 1200 x 800 pixels/],
  ['no partner', { ...TWO, appearance: HALF.appearance },
    /^the brush on the structure photo has the region blue, which the brush on/],
  ['nothing brushed', await both(0.5, [0, 0, 0]), /^the brush on the structure photo labels nothing/],
  ['many colours', await both(1, ...Array.from({ length: 30 }, (_, i) => grey(8 * i + 8))), /has 30 colours: at most 24 regions/],
];

test('what does not fit is refused in one line for the page, and the run goes on as it was', async () => {
  const out = newOut();
  const { parts, answers } = brushing(Object.fromEntries(REFUSED.map(([, body], i) => [3 + i, body])));
  assert.is(await transfer(options(out), parts), 0);
  for (const [i, [what, , problem]] of REFUSED.entries()) {
    const { code, text } = answers[i]!;
    assert.is(code, 422, what);
    assert.match(text, problem, what);
    assert.match(text, /^[^\n]+\n$/, what);
  }
  assertSameContents(out, plain);
  assert.is(configOf(out).brushed, undefined);
});

test('only the page itself brushes, and only a run of one photo each that trains', async () => {
  const answers: number[] = [];
  const { parts, heard } = fakeParts({
    onStep: async (done) => {
      if (done !== 9) return;
      const { url, headers } = await pageOf(heard);
      const ask = async (method: string, more: object): Promise<void> => {
        const body = method === 'GET' ? null : '{}';
        answers.push((await fetch(`${url}do/brush`, { method, headers: { ...more }, body })).status);
      };
      await ask('GET', headers);
      await ask('POST', {});
      await ask('POST', { ...headers, origin: 'http://evil.example' });
      await ask('POST', { 'x-splice-token': 'x' });
    },
  });
  await transfer(options(newOut()), parts);
  assert.equal(answers, [405, 403, 403, 403]);
  const looks = [{ colour: 0xff0000, path: files.appearance }];
  const structureRegions = join(await undisturbed({ 2: HALF }), 'regions');
  const [file] = readdirSync(structureRegions).filter((name) => name.startsWith('structure'));
  const many = { ...options(newOut()), structureRegions: join(structureRegions, file!), looks };
  assert.is((await prepare(many, fakeParts().parts)).asIn, undefined);
});

test.run();
