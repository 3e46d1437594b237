/** What happens to a run's folder between two stretches of it, each with what a resume does: the table is in runs.ts. */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { lossCurveSvg } from '../../cli/run/curve.js';
import { resumeCommand } from '../../cli/run/config.js';
import { InputError } from '../../cli/shared/errors.js';
import { lockFolder } from '../../cli/shared/lock.js';
import { resumeTransfer, transfer } from '../../cli/transfer/transfer.js';
import { fakeParts, shortRun } from '../helpers/fakeRun.js';
import { temporaryFolder } from '../helpers/pictures.js';
import { assertSameContents, configOf, contents, failure, files, interruptedRun, newOut } from '../helpers/runs.js';
import { meddlings, type Place } from './runs.js';

/** Inputs of its own for a run, in a folder of always the same name, which the curve's title has. */
function ownInputs() {
  const folder = join(temporaryFolder(), 'photos');
  mkdirSync(folder);
  const own = (name: keyof typeof files): string => {
    const path = join(folder, basename(files[name]));
    copyFileSync(files[name], path);
    return path;
  };
  return { structure: own('structure'), appearance: own('appearance'), model: own('model') };
}

const inputs = ownInputs();
const undisturbed = newOut();
await transfer(shortRun({ ...inputs, out: undisturbed }), fakeParts().parts);

/** The lock that this process writes. */
async function ownLock(): Promise<string> {
  const folder = temporaryFolder();
  const release = await lockFolder(folder);
  const text = readFileSync(join(folder, readdirSync(folder)[0]!), 'utf8');
  await release();
  return text;
}

/** A run with inputs of its own that was stopped, and what a kill would have left of it. */
async function stopped(after: number, killed: boolean): Promise<Place> {
  const photos = ownInputs();
  const out = await interruptedRun((to, parts) => transfer(shortRun({ ...photos, out: to }), parts), after);
  if (killed) {
    rmSync(join(out, `checkpoints/${String(after).padStart(5, '0')}.safetensors`));
    writeFileSync(join(out, 'config.json'), JSON.stringify({ ...configOf(out), status: 'running' }));
  }
  writeFileSync(join(out, 'own-lock.json'), await ownLock());
  return { out, ...photos };
}

const resumed = (folder: string, { parts, heard } = fakeParts()) =>
  resumeTransfer({ folder, json: false }, parts).then((code) => ({ code, heard }));

for (const { name, after, killed, change, expected } of meddlings) {
  test(`resume: ${name}`, async () => {
    const place = await stopped(after, killed);
    change(place);
    const before = contents(place.out);
    if ('refused' in expected) {
      const error = await failure(resumed(place.out));
      assert.instance(error, InputError);
      assert.match(error.message, expected.refused);
      assert.equal(contents(place.out), before, 'nothing is touched');
      return;
    }
    const { code, heard } = await resumed(place.out);
    assert.is(code, 0);
    if (expected.told) assert.match(heard.stderr, expected.told);
    rmSync(join(place.out, 'own-lock.json'), { force: true });
    assertSameContents(place.out, undisturbed);
    assert.equal(readdirSync(place.out).filter((file) => file.startsWith('.')), []);
  });
}

/** What a run throws when a file cannot be written, and the checkpoints that it then has. */
async function blocked(name: string): Promise<{ message: string; kept: string[]; out: string }> {
  const out = newOut();
  const onStep = (done: number): void => {
    if (done === 14) mkdirSync(join(out, name), { recursive: true });
  };
  const { message } = await failure(transfer(shortRun({ ...inputs, out }), fakeParts({ onStep }).parts));
  return { message, kept: readdirSync(join(out, 'checkpoints')), out };
}

for (const name of ['result.png', 'generator.safetensors', 'figures.jsonl', 'losses.svg', 'previews/00010.png']) {
  test(`run: that ${name} cannot be written costs no step, and the resumed run ends as if it could`, async () => {
    const { message, kept, out } = await blocked(name);
    assert.match(message, new RegExp(name.replace('.', '\\.')));
    assert.is(kept.at(-1), '00015.safetensors');
    rmSync(join(out, name), { recursive: true });
    assert.is((await resumed(out)).code, 0);
    assertSameContents(out, undisturbed);
  });
}

test('run: a picture that is not finite leaves no checkpoint of it', async () => {
  const out = newOut();
  const { parts } = fakeParts({ nanPictureFrom: 15 });
  assert.match((await failure(transfer(shortRun({ ...files, out }), parts))).message, /not finite/);
  assert.equal(readdirSync(join(out, 'checkpoints')), ['00015.safetensors']);
});

test('run: the error that ended it is told, even if the lock cannot be removed', async () => {
  const out = newOut();
  const onStep = (done: number): void => {
    if (done !== 14) return;
    const lock = join(out, readdirSync(out).find((file) => file.startsWith('.running-'))!);
    rmSync(lock);
    mkdirSync(join(lock, 'in the way'), { recursive: true });
    throw new InputError('the real one');
  };
  assert.is((await failure(transfer(shortRun({ ...files, out }), fakeParts({ onStep }).parts))).message, 'the real one');
});

const curve = (count: number, total: (i: number) => number): string =>
  lossCurveSvg(Array.from({ length: count }, (_, i) => ({ step: 10 * i, structure: 1, identity: 1, total: total(i) })), 'x');

for (const [name, svg] of [
  ['310 000 steps', () => curve(31_000, () => 3)], ['3 million steps', () => curve(300_000, (i) => 1 / (1 + i))],
  ['the smallest number', () => curve(3, () => Number.MIN_VALUE)], ['the largest', () => curve(3, () => Number.MAX_VALUE)],
  ['both', () => curve(9, (i) => (i % 2 ? Number.MAX_VALUE : Number.MIN_VALUE))],
] as const) {
  test(`curve: ${name}`, () => {
    const text = svg();
    assert.not.match(text, /NaN|Infinity|undefined/);
    assert.ok(text.match(/text-anchor="end"/g)!.length < 20);
  });
}

test('curve: control characters of a name are no part of the picture', () => {
  const title = 'a\x1b[31m\x00b\u202ec\ufffe';
  assert.match(lossCurveSvg([{ step: 0, total: 1 }], title), /<title>a\ufffd\[31m\ufffdb\ufffdc\ufffd<\/title>/);
});

for (const [folder, command] of [
  ['out/a', 'splice-gpu transfer --resume out/a'],
  ['out/a$(touch pwned)b', `splice-gpu transfer --resume 'out/a$(touch pwned)b'`],
  ['out/`id`', "splice-gpu transfer --resume 'out/`id`'"],
  ["it's", `splice-gpu transfer --resume 'it'\\''s'`],
  ['a"; rm -rf b', `splice-gpu transfer --resume 'a"; rm -rf b'`],
  ['!!', `splice-gpu transfer --resume '!!'`],
] as const) {
  test(`command: ${folder}`, () => assert.is(resumeCommand('transfer', folder), command));
}

test.run();
