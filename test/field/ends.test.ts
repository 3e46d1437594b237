/** The ways in which the world ends a run, each with what is kept: the table is in ends.ts. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { resumeTransfer } from '../../cli/transfer/transfer.js';
import { fakeParts } from '../helpers/fakeRun.js';
import { runNode, temporaryFolder } from '../helpers/pictures.js';
import { assertSameContents, configOf, files, loggedSteps, newOut } from '../helpers/runs.js';
import { ends, type End } from './ends.js';

const RUN = fileURLToPath(new URL('../helpers/slowRun.js', import.meta.url));
const BIN = fileURLToPath(new URL('../../cli/bin.js', import.meta.url));

function start(out: string, shell = 'exec "$@"'): ChildProcess {
  const command = [process.execPath, RUN, files.structure, files.appearance, files.model, out];
  const env = { ...process.env, _: '', TMPDIR: temporaryFolder() };
  return spawn('bash', ['-c', shell, 'bash', ...command], { env, stdio: ['ignore', 'pipe', 'pipe'] });
}

/** The number of the run's own process: it is in the lock of its folder. */
async function runOf(out: string): Promise<number> {
  for (;;) {
    const lock = existsSync(join(out, 'log.jsonl')) && readdirSync(out).find((name) => name.startsWith('.running-'));
    if (lock) return (JSON.parse(readFileSync(join(out, lock), 'utf8')) as { pid: number }).pid;
    await sleep(20);
  }
}

async function ended({ shell, signals = [], leaves }: End, out: string): Promise<{ code: number | null; stderr: string }> {
  const child = start(out, shell);
  let stderr = '';
  child.stderr!.on('data', (text) => (stderr += text));
  child.stdout!.resume();
  const closed = new Promise<number | null>((resolve) => child.on('exit', resolve));
  const pid = await runOf(out);
  if (leaves) child[leaves]!.destroy();
  for (const [i, signal] of signals.entries()) {
    if (i > 0) await sleep(600); // more than that between two signals of one key press
    try {
      process.kill(pid, signal);
    } catch {
      break; // it has ended
    }
  }
  return { code: await closed, stderr };
}

const undisturbed = newOut();
assert.is((await ended({ name: '', expected: { code: 0, status: 'finished' } }, undisturbed)).code, 0);

for (const end of ends) {
  test(`end: ${end.name}`, async () => {
    const out = newOut();
    const { code, stderr } = await ended(end, out);
    assert.equal([code, configOf(out).status], [end.expected.code, end.expected.status], stderr);
    if (end.expected.stderr) assert.match(stderr, end.expected.stderr);
    if (end.expected.status === 'interrupted') {
      assert.ok(existsSync(join(out, 'result.png')) && loggedSteps(out).at(-1)! < 59);
      assert.is(await resumeTransfer({ folder: out, json: false }, fakeParts().parts), 0);
    }
    assertSameContents(out, undisturbed);
  });
}

const whole = (name: string, args: readonly string[], problem: RegExp) =>
  test(`lost output: ${name}`, async () => {
    const script = `require('child_process').spawnSync(process.execPath, ${JSON.stringify([BIN, ...args])},
      { stdio: ['ignore', require('fs').openSync('/dev/full', 'w'), 'inherit'] }).status`;
    const { stdout, stderr } = await runNode(['-p', script]);
    assert.is(stdout.trim(), '1');
    assert.match(stderr, problem);
  });
for (const args of [['--help'], ['--version'], ['models', 'list'], ['models', 'list', '--json'], ['transfer', '--help']]) {
  whole(args.join(' '), args, /^splice-gpu: the output does not fit: the disk is full, free some space or .*\n$/);
}

test.run();
