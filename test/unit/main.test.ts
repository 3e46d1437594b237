/** The test runner: its choice of files, and how it reads their output. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { outcome, patternOf } from '../main.js';

test('words choose test files', () => {
  const files = ['ops/conv2d.test.js', 'cli/setup.test.js', 'helpers/check.js'];
  const chosen = (words: string[]): string[] => files.filter((name) => new RegExp(patternOf(words)).test(name));
  assert.equal(chosen([]), ['ops/conv2d.test.js', 'cli/setup.test.js']);
  assert.equal(chosen(['conv2d']), ['ops/conv2d.test.js']);
  assert.equal(chosen(['cli/', 'conv']), ['ops/conv2d.test.js', 'cli/setup.test.js']);
});

const summary = (passed: number): string =>
  `\n\n  Total:     2\n  Passed:    ${passed}\n  Skipped:   0\n  Duration:  12.30ms\n\n`;

test('the summary is separated from the output of a file', () => {
  const text = 'ops/a.test.js\n• ✘   (1 / 2)\n\n   FAIL  "b"\n    Total: is not a summary here';
  assert.equal(outcome(text + summary(1), 1), { text, totals: { total: 2, passed: 1, skipped: 0 } });
});

test('a crash after the summary is a failed test', () => {
  const text = 'ops/a.test.js\n• •   (2 / 2)';
  assert.equal(outcome(text + summary(2), 0).totals, { total: 2, passed: 2, skipped: 0 });
  const crashed = outcome(text + summary(2), null);
  assert.equal(crashed, { text: `${text}\n  ended with exit code null`, totals: { total: 3, passed: 2, skipped: 0 } });
});

test('a file that broke off is a failed test', () => {
  const text = 'ops/a.test.js\n• •\n  broke off with exit code null';
  assert.equal(outcome('ops/a.test.js\n• • ', null), { text, totals: { total: 1, passed: 0, skipped: 0 } });
});

test.run();
