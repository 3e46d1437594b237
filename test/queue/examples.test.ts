/** The examples of cli/queue/README.md: commands and options exist, and files are what they are meant to be. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { packageRoot } from '../../cli/shared/files.js';
import { BIN } from '../faults/runs.js';
import { temporaryFile } from '../helpers/pictures.js';

const page = readFileSync(join(packageRoot, 'cli/queue/README.md'), 'utf8');
const blocks = [...page.matchAll(/^```(\w*)\n([^]*?)^```$/gm)].map(([, kind, text]) => ({ kind, text: text! }));
const of = (kind: string): string[] => blocks.filter((block) => block.kind === kind).map(({ text }) => text);

test('the options in the examples are options of their commands', () => {
  const options: Record<string, Set<string>> = {};
  for (const command of ['worker', 'batch', 'queue']) {
    const { stdout } = spawnSync(process.execPath, [BIN, command, '--help'], { encoding: 'utf8' });
    options[command] = new Set([...stdout.matchAll(/^ +(?:-\w, )?(--[\w-]+)/gm)].map(([, name]) => name!));
  }
  const commands = blocks.flatMap(({ text }) => text.replaceAll('\\\n', ' ').split('\n')).flatMap((line) => {
    const [, command, rest] = /splice-gpu (worker|batch|queue) (.*)/.exec(line) ?? [];
    return command ? [{ command, rest: rest! }] : [];
  });
  const used = commands.flatMap(({ command, rest }) =>
    [...rest.matchAll(/ (--[\w-]+)/g)].map(([, name]) => [command, name!] as const));
  // What a container is given after its image, and the arguments of a Job.
  const [, ofImage] = /splice-gpu-worker (--.*)/.exec(page)!;
  const inContainers = [...of('yaml').join('').matchAll(/- (--[\w-]+)/g), ...ofImage!.matchAll(/(--[\w-]+)/g)];
  used.push(...inContainers.map(([, name]) => ['worker', name!] as const));
  assert.ok(used.length >= 12, `${used.length} options found`);
  assert.equal(used.filter(([command, name]) => !options[command]!.has(name)), []);
});

test('the scripts are scripts of the shell', () => {
  for (const text of of('sh')) {
    const { status, stderr } = spawnSync('sh', ['-n'], { input: text, encoding: 'utf8' });
    assert.equal([status, stderr], [0, '']);
  }
});

const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0;

(hasSystemd ? test : test.skip)('the unit is one that systemd takes', () => {
  const [unit] = of('ini');
  const verified = (text: string): string => {
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', temporaryFile('splice-gpu-worker@0.service', text)], {
      encoding: 'utf8',
    });
    return status === 0 && stderr === '' ? '' : `${status}: ${stderr}`;
  };
  assert.is(verified(unit!), '');
  assert.match(verified(unit!.replace('KillMode=mixed', 'KillMode=all')), /Failed to parse kill mode/);
});

test.run();
