/** The command line as other programs call it: `run` with output of its own. */
import { spawnSync } from 'node:child_process';
import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CommanderError } from 'commander';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { run } from '../../cli/main.js';
import { resumeCommand, viewCommand } from '../../cli/run/config.js';
import { errorLine, exitCodeOf } from '../../cli/shared/errors.js';
import { packageRoot } from '../../cli/shared/files.js';
import { temporaryFolder } from '../helpers/pictures.js';

process.env['SPLICE_GPU_CACHE'] = temporaryFolder();

interface Called {
  /** The returned exit code, or the error that was thrown. */
  readonly outcome: unknown;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command line, and asserts that it prints nothing to the streams of this process. */
async function called(...args: string[]): Promise<Called> {
  const printed = { stdout: '', stderr: '' };
  const stream = (name: keyof typeof printed) => ({ write: (text: string) => (printed[name] += text) });
  const io = { stdout: stream('stdout'), stderr: stream('stderr'), interrupt: new AbortController().signal };
  const { stdout, stderr } = process;
  const [writeOut, writeErr, leaked] = [stdout.write, stderr.write, [] as unknown[]];
  stdout.write = stderr.write = (text: unknown): boolean => leaked.push(text) > 0;
  const outcome = await run(['node', 'splice-gpu', ...args], io).catch((error: unknown) => error);
  stdout.write = writeOut;
  stderr.write = writeErr;
  assert.equal(leaked, []);
  return { outcome, ...printed };
}

/** Asserts that help or version was printed, and returns it. */
async function shown(...args: string[]): Promise<string> {
  const { outcome, stdout, stderr } = await called(...args);
  assert.instance(outcome, CommanderError);
  assert.equal([exitCodeOf(outcome), errorLine(outcome), stderr], [0, undefined, '']);
  return stdout;
}

test('--help lists every command, and each has a help of its own with an example', async () => {
  const help = await shown('--help');
  assert.match(help, /^Usage: splice-gpu \[options\] \[command\]\n/);
  const names = [...help.matchAll(/^ {2}([a-z]+) .*$/gm)].map(([, name]) => name!).filter((name) => name !== 'help');
  assert.equal(names, [
    'transfer', 'batch', 'worker', 'queue', 'demo', 'train', 'pretrain', 'probe', 'view', 'share', 'studio', 'apply', 'compare',
    'verify', 'regions', 'pca', 'attention', 'invert', 'augment', 'sheet', 'figures', 'bench', 'tune', 'doctor', 'models',
  ]);
  for (const name of names) {
    const own = await shown(name, '--help');
    assert.match(own, new RegExp(`^Usage: splice-gpu ${name} `));
    assert.match(own, new RegExp(`Examples?:\\n[^]*\\$ [^\\n]*splice-gpu ${name} `));
  }
});

test('--version is the version of the package', async () => {
  const { version } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8'));
  assert.is(await shown('--version'), `${version}\n`);
});

for (const [line, message] of [
  ['transfer --sise 7', /^unknown option '--sise' \(--help lists the options\)$/],
  ['models list --sise', /^unknown option '--sise' \(--help lists the options\)$/],
  ['transfer --steps ten', /^option '--steps <count>' argument 'ten' is invalid\. Give a whole number from 1 to /],
  ['paint', /^unknown command 'paint' \(--help lists the options\)$/],
] as const) {
  test(`a wrong command line is thrown and not printed: ${line}`, async () => {
    const { outcome, ...printed } = await called(...line.split(' '));
    assert.instance(outcome, CommanderError);
    assert.match(errorLine(outcome)!, message);
    assert.equal([exitCodeOf(outcome), printed], [2, { stdout: '', stderr: '' }]);
  });
}

test('help without a command is an error, and goes to the stderr of the caller', async () => {
  for (const args of [[], ['models']]) {
    const { outcome, stdout, stderr } = await called(...args);
    assert.equal([exitCodeOf(outcome), stdout], [2, '']);
    assert.match(stderr, /^Usage: splice-gpu /);
  }
});

test('commands that messages name can be pasted into a shell', () => {
  const path = "a $HOME `id` it's";
  assert.is(resumeCommand('train', 'out/a'), 'splice-gpu train --resume out/a');
  if (process.platform === 'win32') return;
  const { stdout } = spawnSync('sh', ['-c', viewCommand(path).replace('splice-gpu view', "printf '%s'")], { encoding: 'utf8' });
  assert.is(stdout, path);
});

test('a command on the streams of the process leaves no listeners for signals', async () => {
  const counts = () => ['SIGINT', 'SIGTERM'].map((name) => process.listenerCount(name));
  const before = counts();
  const { write } = process.stdout;
  process.stdout.write = (): boolean => true;
  await run(['node', 'splice-gpu', 'models', 'list']).finally(() => (process.stdout.write = write));
  assert.equal(counts(), before);
});

test('commands one after the other share no options, exit codes or output', async () => {
  assert.equal(await called('models', 'verify'), { outcome: 0, stdout: 'no models in the cache\n', stderr: '' });
  const source = join(packageRoot, 'model/weights/untrained.safetensors');
  assert.is((await called('models', 'add', source, '--name', 'mine')).outcome, 0);
  const listed = await called('models', 'list', '--json');
  const { path } = JSON.parse(listed.stdout).models.find(({ name }: { name: string }) => name === 'mine');
  appendFileSync(path, 'damage');
  const verified = await called('models', 'verify');
  assert.is(verified.outcome, 1);
  assert.match(verified.stdout, /^mine: damaged, [^\n]+\n$/);
  await shown('models', 'list', '--help');
  assert.match(String((await called('models', 'get')).outcome), /missing required argument/);
  const table = await called('models', 'list');
  assert.is(table.outcome, 0);
  assert.match(table.stdout, /^name +size +state .*\n(.*\n)*mine .*\n(.*\n)*cache: [^\n]+\n$/);
});

test.run();
