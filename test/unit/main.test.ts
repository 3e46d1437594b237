/** The test runner: which files it takes, and how it reads what they print. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { outcome, patternOf } from '../main.js';

test('words choose test files', () => {
  const chosen = (words: string[]) => ['ops/conv2d.test.js', 'cli/setup.test.js', 'helpers/check.js'].filter((name) => new RegExp(patternOf(words)).test(name));
  assert.equal(chosen([]), ['ops/conv2d.test.js', 'cli/setup.test.js']);
  assert.equal(chosen(['conv2d']), ['ops/conv2d.test.js']);
  assert.equal(chosen(['cli/', 'conv']), ['ops/conv2d.test.js', 'cli/setup.test.js']);
});

test('a file\'s totals are parted from what it says', () => {
  const output = 'ops/a.test.js\n• ✘   (1 / 2)\n\n   FAIL  "b"\n    Total: is no summary here\n\n  Total:     2\n  Passed:    1\n  Skipped:   0\n  Duration:  12.30ms\n\n';
  assert.equal(outcome(output, 1), { text: 'ops/a.test.js\n• ✘   (1 / 2)\n\n   FAIL  "b"\n    Total: is no summary here', totals: { total: 2, passed: 1, skipped: 0 } });
});

test('a crash after the summary is a failed test', () => {
  const output = 'ops/a.test.js\n• •   (2 / 2)\n\n  Total:     2\n  Passed:    2\n  Skipped:   0\n  Duration:  12.30ms\n\n';
  assert.equal(outcome(output, 0).totals, { total: 2, passed: 2, skipped: 0 });
  assert.equal(outcome(output, null), { text: 'ops/a.test.js\n• •   (2 / 2)\n  ended with exit code null', totals: { total: 3, passed: 2, skipped: 0 } });
});

test('a file that broke off is a failed test', () => {
  assert.equal(outcome('ops/a.test.js\n• • ', null), { text: 'ops/a.test.js\n• •\n  broke off with exit code null', totals: { total: 1, passed: 0, skipped: 0 } });
});

test.run();
