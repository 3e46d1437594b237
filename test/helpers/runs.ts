/** What tests of training runs share: photos, folders, interrupted runs, and the contents of a run's folder. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import type { Parts } from '../../cli/run/parts.js';
import { serializeSafetensors } from '../../model/files/safetensors.js';
import { fakeParts } from './fakeRun.js';
import { redBlue, temporaryFile, temporaryFolder } from './pictures.js';
import { tinyWeights } from './tinyVit.js';

export const files = {
  structure: temporaryFile('structure.png', await redBlue(60, 40).png().toBuffer()),
  appearance: temporaryFile('appearance.jpg', await redBlue(40, 80).jpeg().toBuffer()),
  model: temporaryFile('tiny.safetensors', serializeSafetensors(tinyWeights())),
};

/** The path of an output folder that does not exist yet, nor does the folder above it. */
export const newOut = (): string => join(temporaryFolder(), 'deep/out');

export const json = (path: string) => JSON.parse(readFileSync(path, 'utf8'));
export const configOf = (out: string) => json(join(out, 'config.json'));

/** The lines of log.jsonl, or of another file of such lines. */
export const linesOf = (out: string, name = 'log.jsonl'): any[] =>
  readFileSync(join(out, name), 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line));

export const loggedSteps = (out: string): number[] => linesOf(out).map(({ step }) => step);

/** Step and reason of each resumption that config.json lists. */
export const resumptions = (out: string): [number, string][] =>
  configOf(out).resumed.map(({ step, reason }: { step: number; reason: string }) => [step, reason]);

/** The error of a run that must fail. */
export async function failure(run: Promise<unknown>): Promise<Error> {
  const error = await run.then(() => undefined, (reason: Error) => reason);
  assert.instance(error, Error);
  return error!;
}

/** The bytes of every file that a run computes, by name: all but times, config.json and checkpoints. */
export function contents(out: string): Record<string, string> {
  const names = readdirSync(out, { recursive: true, encoding: 'utf8' });
  const computed = names.filter((name) => /\.(png|jsonl|svg|safetensors)$|report\.json$/.test(name)
    && !/(^|\/)(timings\.jsonl$|checkpoints\/)/.test(name));
  return Object.fromEntries(computed.sort().map((name) => [name, readFileSync(join(out, name)).toString('base64')]));
}

/** Asserts that two runs have computed the same files with the same bytes. */
export function assertSameContents(out: string, expected: string, what = ''): void {
  const [found, wanted] = [contents(out), contents(expected)];
  assert.equal(Object.keys(found), Object.keys(wanted), what);
  for (const [name, bytes] of Object.entries(wanted)) assert.ok(found[name] === bytes, `${name} ${what}`);
}

/** The folder of a run that is interrupted during step `stop`; the first step is 1, and the warm start counts. */
export async function interruptedRun(
  start: (out: string, parts: Parts) => Promise<number>, stop: number, partsOf: typeof fakeParts = fakeParts,
): Promise<string> {
  const [out, controller] = [newOut(), new AbortController()];
  const onStep = (done: number) => void (done === stop - 1 && controller.abort());
  assert.is(await start(out, partsOf({ onStep }, controller.signal).parts), 130);
  return out;
}

/** What a run says of the time left. Its first step takes a second, as one that compiles does; step `stop` is the last. */
export async function timesTold(go: (parts: Parts) => Promise<number>, stop: number): Promise<string[]> {
  const controller = new AbortController();
  let isFirst = true;
  const onStep = async (done: number): Promise<void> => {
    await sleep(isFirst ? 1000 : 2);
    isFirst = false;
    if (done === stop - 1) controller.abort();
  };
  const { parts, heard } = fakeParts({ onStep }, controller.signal);
  assert.is(await go(parts), 130);
  return heard.stderr.match(/^measured: .*$/gm) ?? [];
}

/** The page of a watched run: its address, and a function that sends the commands of its buttons. */
export async function pageOf(heard: { readonly stderr: string }) {
  const address = () => /watch it at (http:\S+)/.exec(heard.stderr)?.[1];
  while (!address()) await sleep(2);
  const url = address()!;
  const token = /name="splice-token" content="([^"]+)"/.exec(await (await fetch(url)).text())![1]!;
  const headers = { 'x-splice-token': token };
  const command = async (name: string): Promise<void> => {
    const { status } = await fetch(`${url}do/${name}`, { method: 'POST', headers });
    assert.is(status, 204);
  };
  return { url, headers, command };
}
