/** A run's folder belongs to one process, also between containers, which number their processes for themselves. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { temporaryFile } from '../helpers/pictures.js';
import { assertSameContents, files, newOut } from '../helpers/runs.js';

const RUN = fileURLToPath(new URL('../helpers/slowRun.js', import.meta.url));
const BIN = fileURLToPath(new URL('../../cli/bin.js', import.meta.url));

/** What begins a command in a container of its own; root needs no user namespace. */
const ways = [['--pid', '--fork', '--mount-proc'], ['--user', '--map-root-user', '--pid', '--fork', '--mount-proc']]
  .map((options) => ['unshare', ...options, '--kill-child']);
const container = ways.find(([command = '', ...options]) => spawnSync(command, [...options, 'true']).status === 0);
if (!container) console.log('skipped: unshare makes no container here, so the lock between containers is not tested');

const run = (out: string, hold = ''): string[] =>
  [process.execPath, RUN, files.structure, files.appearance, files.model, out, hold];

/** Runs a command; `began` once its log has a line. */
function started([command = '', ...args]: readonly string[], out: string) {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (text) => (stderr += text));
  const code = new Promise<number | null>((resolve) => child.once('close', resolve));
  const began = async (): Promise<void> => {
    while (!existsSync(join(out, 'log.jsonl')) && child.exitCode === null) await sleep(20);
    assert.is(child.exitCode, null, stderr);
  };
  return { began, ended: async () => ({ code: await code, stderr }) };
}

const refusal = /is in use by process \d+ on another container of \S+ since .*: wait for it or stop it; if it is gone, delete /;

for (const [where, outer, inner] of container ? [
  ['outside, and is resumed in a container', [], container],
  ['in a container, and is resumed outside', container, []],
  ['in a container, and is resumed in another', container, container],
] as const : []) {
  test(`a run goes on ${where}: it is refused, and the run ends undisturbed`, async () => {
    const [out, whole, hold] = [newOut(), newOut(), temporaryFile('hold', 'on')];
    const first = started([...outer, ...run(out, hold)], out);
    await first.began();
    const second = await started([...inner, process.execPath, BIN, 'transfer', '--resume', out], out).ended();
    rmSync(hold);
    assert.is(second.code, 1, second.stderr);
    assert.match(second.stderr, refusal);
    assert.is((await first.ended()).code, 0);
    assert.is((await started(run(whole), whole).ended()).code, 0);
    assertSameContents(out, whole);
    assert.equal(readdirSync(out).filter((name) => name.startsWith('.')), []);
  });
}

test.run();
