/** `transfer --watch`: what the page receives of a run, and that watching does not change the results. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { UsageError } from '../../cli/shared/errors.js';
import { transfer } from '../../cli/transfer/transfer.js';
import { fakeParts, shortRun, type FakeBehaviour } from '../helpers/fakeRun.js';
import { assertSameContents, configOf, failure, files, newOut, pageOf } from '../helpers/runs.js';

/** A fake run whose steps take 5 ms, with a page on any free port. */
function watched(behaviour: FakeBehaviour, { out, steps, saveEvery = 10 }: { out: string; steps: number; saveEvery?: number }) {
  const { parts, heard } = fakeParts({ ...behaviour, onStep: () => sleep(5) });
  const options = { ...shortRun({ ...files, out }, { steps }), saveEvery, watch: 0 };
  return { heard, ended: transfer(options, parts) };
}

interface Received {
  readonly type: string;
  readonly data: any;
}

/** Plays the page: follows the stream until the run ends it, and sends commands. */
async function openPage(heard: { stderr: string }) {
  const { url, command } = await pageOf(heard);
  const events: Received[] = [];
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
  const states = (): any[] => events.flatMap(({ type, data }) => {
    if (type === 'state') return [data];
    return type === 'all' ? [data.state] : [];
  });
  const until = async (is: () => boolean) => {
    for (let i = 0; i < 5000 && !is(); i++) await sleep(2);
    assert.ok(is(), `timed out: ${JSON.stringify(states().at(-1))}`);
  };
  const png = async (path: string) => Buffer.from(await (await fetch(url + path)).arrayBuffer());
  return { events, states, until, command, following, png };
}

test('transfer --watch: a watched run writes the same bytes as an unwatched one, and its page shows them', async () => {
  const [quiet, out] = [newOut(), newOut()];
  await transfer(shortRun({ ...files, out: quiet }), fakeParts().parts);
  const { heard, ended } = watched({}, { out, steps: 25 });
  const page = await openPage(heard);
  assert.is(await ended, 0);
  await page.following;
  assertSameContents(out, quiet);
  assert.equal(readdirSync(join(out, 'previews')), ['00010.png', '00020.png']);
  assert.equal([page.events.at(-2)!.type, page.events.at(-1)!.type], ['all', 'bye']);
  const { state, losses, figures, previews, about } = page.events.at(-2)!.data;
  assert.equal([state.status, state.done, state.total, previews], ['finished', 30, 30, [10, 20]]);
  assert.equal([losses.map(([step]: number[]) => step), about.terms[0], losses[0][1]], [[0, 10, 20, 24], 'total', 10]);
  assert.equal(figures.map(({ step }: { step: number }) => step), [10, 20, 25]);
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
  assert.is(made, preview + 5, 'saved at the current step');
  const name = `${String(preview).padStart(5, '0')}.png`;
  assert.equal(readdirSync(join(out, 'previews')), [name]);
  const { epoch } = page.events.filter(({ type }) => type === 'all').at(-1)!.data;
  const picture = await page.png(`preview/${epoch}/${preview}`);
  assert.ok(picture.equals(readFileSync(join(out, 'previews', name))));
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
  assert.is(configOf(out).status, 'interrupted');
  assert.ok(existsSync(join(out, 'triptych.png')));
});

test('transfer --watch: the page shows why a run failed', async () => {
  const { heard, ended } = watched({ nanFrom: 15 }, { out: newOut(), steps: 25 });
  const failing = failure(ended);
  const page = await openPage(heard);
  await failing;
  await page.following;
  const { state } = page.events.at(-2)!.data;
  assert.is(state.status, 'failed');
  assert.match(state.note, /at step 19 the loss is no longer a finite number/);
});

test('transfer --watch: a port in use is refused before anything is written', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => other.once('listening', resolve));
  const { port } = other.address() as AddressInfo;
  const out = newOut();
  const error = await failure(transfer({ ...shortRun({ ...files, out }), watch: port }, fakeParts().parts));
  other.close();
  assert.instance(error, UsageError);
  assert.match(error.message, /is in use: choose another/);
  assert.not(existsSync(out));
});

test.run();
