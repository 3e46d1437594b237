/** Progress: a redrawn line on a terminal, few plain lines otherwise. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { barLine, clockTime, createProgress, plainLine } from '../../cli/shared/progress.js';

const losses = { step: 9, structure: 0.0123, appearance: 0.25, identity: 1.5, total: 412.3 };

test('progress: times', () => {
  assert.equal([0, 59.6, 80, 4000, -3].map(clockTime), ['0:00', '1:00', '1:20', '1:06:40', '0:00']);
});

test('progress: a line has step, losses, rate and time left', () => {
  const state = { done: 120, total: 300, phase: 'training', losses, stepsPerSecond: 2.25 };
  const text = '120/300 training  total 412 (structure 0.0123, appearance 0.250, identity 1.50)  2.25 steps/s  1:20 left';
  assert.is(plainLine(state), text);
  assert.is(barLine(state, 160), `[############------------------] ${text}`);
  assert.is(plainLine({ done: 1, total: 300, phase: 'warm start' }), '1/300 warm start');
});

test('progress: a narrow terminal shows bar and time left rather than the terms', () => {
  const state = { done: 1200, total: 10080, phase: 'training', losses, stepsPerSecond: 2.25 };
  assert.is(barLine(state, 80), '[##----------------] 1200/10080 training  total 412  2.25 steps/s  1:05:47 left');
});

test('progress: a bar never wraps', () => {
  for (const columns of [1, 10, 40, 80, 120, 200]) {
    const line = barLine({ done: 120, total: 300, phase: 'training', losses, stepsPerSecond: 2.25 }, columns);
    assert.ok(line.length < Math.max(2, columns));
  }
});

/** Runs 600 steps of 100 ms. */
function watch(isTTY: boolean): string {
  let text = '';
  let time = 0;
  const progress = createProgress(600, { isTTY, columns: 120, write: (more) => (text += more) }, () => time);
  for (let step = 1; step <= 600; step++) {
    time += 100;
    progress.update(step, 'training', losses);
  }
  progress.note('saved');
  progress.finish();
  return text;
}

test('progress: not on a terminal a line every 15 seconds, and the last', () => {
  const lines = watch(false).trimEnd().split('\n');
  assert.equal(lines.map((line) => line.split(' ')[0]), ['1/600', '151/600', '301/600', '451/600', '600/600', 'saved']);
  assert.match(lines[1]!, /10\.0 steps\/s {2}0:45 left/);
  assert.not.match(lines.join(''), /[\r\x1b]/);
});

test('progress: on a terminal one line is redrawn', () => {
  const text = watch(true);
  assert.match(text, /\r\[#+-*\] 300\/600 training/);
  assert.is(text.split('\n').length, 3);
  assert.match(text, /\r\x1b\[Ksaved\n/);
});

test('progress: the rate is the recent one, not that of the whole run', () => {
  let text = '';
  let time = 0;
  const progress = createProgress(1000, { write: (more) => (text += more) }, () => time);
  for (let step = 1; step <= 100; step++) {
    time += step <= 50 ? 10_000 : 1000;
    progress.update(step, 'training', losses);
  }
  assert.match(text.trimEnd().split('\n').at(-1)!, /1\.00 steps\/s/);
});

test.run();
