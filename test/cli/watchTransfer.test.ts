/** `transfer --watch`: what the page hears of a run, and that nobody can tell from the results that it was watched. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { UsageError } from '../../cli/shared/errors.js';
import { transfer } from '../../cli/transfer/transfer.js';
import type { Parts } from '../../cli/run/parts.js';
import { serializeSafetensors } from '../../model/files/safetensors.js';
import { fakeParts, shortRun, type FakeBehaviour } from '../helpers/fakeRun.js';
import { redBlue, temporaryFile, temporaryFolder } from '../helpers/pictures.js';
import { tinyWeights } from '../helpers/tinyVit.js';

const files = {
  structure: temporaryFile('structure.png', await redBlue(60, 40).png().toBuffer()),
  appearance: temporaryFile('appearance.jpg', await redBlue(40, 80).jpeg().toBuffer()),
  model: temporaryFile('tiny.safetensors', serializeSafetensors(tinyWeights())),
};
const newOut = () => join(temporaryFolder(), 'out');

/** A fake run whose steps take 5 ms, with a page on any free port. */
function watched(behaviour: FakeBehaviour, change: { out: string; steps: number; saveEvery?: number }) {
  const { parts, heard } = fakeParts(behaviour);
  const slowly: Parts['startSplice'] = async (...inputs) => {
    const run = await parts.startSplice(...inputs);
    const { step } = run;
    return Object.defineProperty(run, 'step', { value: () => sleep(5).then(step) });
  };
  const options = { ...shortRun({ ...files, out: change.out }, { steps: change.steps }), saveEvery: change.saveEvery ?? 10, watch: 0 };
  return { heard, ended: transfer(options, { ...parts, startSplice: slowly }) };
}

interface Heard {
  readonly type: string;
  readonly data: any;
}

/** A page as far as the run can tell: it follows the stream until the run says good-bye, and sends commands. */
async function openPage(heard: { stderr: string }) {
  const address = () => /watch it at (http:\S+)/.exec(heard.stderr)?.[1];
  while (!address()) await sleep(2);
  const url = address()!;
  const token = /name="splice-token" content="([^"]+)"/.exec(await (await fetch(url)).text())![1]!;
  const events: Heard[] = [];
  const leaving = new AbortController();
  const response = await fetch(`${url}events`, { signal: leaving.signal });
  const following = (async () => {
    let text = '';
    for await (const part of response.body!) {
      text += Buffer.from(part).toString();
      const whole = text.split('\n\n');
      text = whole.pop()!;
      for (const [, type, data] of whole.map((event) => /^event: (\w+)\ndata: (.*)$/.exec(event) ?? [])) {
        if (type) events.push({ type, data: JSON.parse(data!) });
        if (type === 'bye') leaving.abort();
      }
    }
  })().catch(() => undefined);
  const states = (): any[] => events.flatMap(({ type, data }) => (type === 'state' ? [data] : type === 'all' ? [data.state] : []));
  const until = async (is: () => boolean) => {
    for (let i = 0; i < 5000 && !is(); i++) await sleep(2);
    assert.ok(is(), `it never came: ${JSON.stringify(states().at(-1))}`);
  };
  const command = async (name: string) => assert.is((await fetch(`${url}do/${name}`, { method: 'POST', headers: { 'x-splice-token': token } })).status, 204);
  return { events, states, until, command, following, png: (path: string) => fetch(url + path).then(async (answer) => Buffer.from(await answer.arrayBuffer())) };
}

test('transfer --watch: a watched run writes what an unwatched one writes, byte for byte', async () => {
  const [quiet, out] = [newOut(), newOut()];
  await transfer({ ...shortRun({ ...files, out: quiet }, { steps: 25 }), saveEvery: 10 }, fakeParts().parts);
  const { heard, ended } = watched({}, { out, steps: 25 });
  const page = await openPage(heard);
  assert.is(await ended, 0);
  await page.following;
  for (const name of ['result.png', 'triptych.png', 'log.jsonl', 'generator.safetensors', 'previews/00010.png', 'previews/00020.png']) {
    assert.ok(readFileSync(join(out, name)).equals(readFileSync(join(quiet, name))), name);
  }
  assert.equal(readdirSync(join(out, 'previews')), ['00010.png', '00020.png']);
  assert.equal([page.events.at(-2)!.type, page.events.at(-1)!.type], ['all', 'bye']);
  const { state, losses, previews, about } = page.events.at(-2)!.data;
  assert.equal([state.status, state.done, state.total, previews], ['finished', 30, 30, [10, 20]]);
  assert.equal([losses.map(([step]: number[]) => step), about.terms[0], losses[0][1]], [[0, 10, 20, 24], 'total', 10]);
  assert.match(about.goOn, /^splice-gpu transfer --resume /);
});

test('transfer --watch: pause, save meanwhile, continue, stop', async () => {
  const out = newOut();
  const { heard, ended } = watched({}, { out, steps: 100_000, saveEvery: 50_000 });
  const page = await openPage(heard);
  await page.until(() => page.states().at(-1)?.done > 8);
  await page.command('pause');
  await page.until(() => page.states().at(-1)?.status === 'paused');
  const steps = () => heard.calls.filter((call) => call === 'step').length;
  await page.command('save');
  await page.until(() => page.events.some(({ type }) => type === 'preview'));
  const made = steps();
  const preview = page.events.find(({ type }) => type === 'preview')!.data as number;
  assert.is(made, preview + 5, 'saved where it stands');
  const name = `${String(preview).padStart(5, '0')}.png`;
  assert.equal(readdirSync(join(out, 'previews')), [name]);
  assert.ok((await page.png(`preview/${page.events.filter(({ type }) => type === 'all').at(-1)!.data.epoch}/${preview}`)).equals(readFileSync(join(out, 'previews', name))));
  const checkpoint = join(out, 'checkpoints', `${String(made).padStart(5, '0')}.safetensors`);
  await page.until(() => existsSync(checkpoint));
  await sleep(30);
  assert.is(steps(), made);

  await page.command('resume');
  await page.until(() => steps() > made + 3);
  await page.command('stop');
  assert.is(await ended, 130);
  await page.following;
  assert.is(page.events.at(-2)!.data.state.status, 'interrupted');
  assert.is(JSON.parse(readFileSync(join(out, 'config.json'), 'utf8')).status, 'interrupted');
  assert.ok(existsSync(join(out, 'triptych.png')));
});

test('transfer --watch: a run that fails says why', async () => {
  const { heard, ended } = watched({ nanFrom: 15 }, { out: newOut(), steps: 25 });
  const failing = ended.then(() => assert.unreachable(), () => undefined);
  const page = await openPage(heard);
  await failing;
  await page.following;
  const { state } = page.events.at(-2)!.data;
  assert.is(state.status, 'failed');
  assert.match(state.note, /at step 19 the loss is not a finite number any more/);
});

test('transfer --watch: a port that is taken is told before anything is left behind', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => other.once('listening', resolve));
  const { port } = other.address() as AddressInfo;
  const out = newOut();
  const error = await transfer({ ...shortRun({ ...files, out }), watch: port }, fakeParts().parts).then(() => undefined, (reason: Error) => reason);
  other.close();
  assert.instance(error, UsageError);
  assert.match(error!.message, /is in use: choose another/);
  assert.not(existsSync(join(out, '..', 'out')));
});

test.run();
