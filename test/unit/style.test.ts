/** Holds the style of the sources: the length of lines, and what the linter checks. */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { filesIn, root, text, tops } from '../helpers/sources.js';

const MOST_CHARACTERS = 130;

test(`no line is longer than ${MOST_CHARACTERS} characters`, () => {
  const files = tops.flatMap((top) => filesIn(top, ['.ts', '.mjs']));
  const long = files.flatMap((file) => text(file).split('\n')
    .map((line, i) => ({ place: `${file}:${i + 1}`, length: [...line].length }))
    .filter(({ length }) => length > MOST_CHARACTERS)
    .map(({ place, length }) => `${place} has ${length}`));
  assert.is(long.length, 0, long.join('\n'));
});

/** The linter's program, or undefined when it is not installed. */
function linter(): string | undefined {
  const require = createRequire(import.meta.url);
  try {
    const manifest = require.resolve('oxlint/package.json');
    return join(dirname(manifest), (require(manifest) as { bin: { oxlint: string } }).bin.oxlint);
  } catch {
    return undefined;
  }
}

test('the linter finds nothing', () => {
  const program = linter();
  if (!program) return console.log('skipped: oxlint is not installed');
  const { status, stdout, stderr } = spawnSync(process.execPath, [program], { cwd: root, encoding: 'utf8' });
  assert.is(status, 0, `${stdout}${stderr}`);
});

test.run();
