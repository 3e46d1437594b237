/** Labelled sheets: every letter has its own shape, words wrap, pictures are in their places. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { drawText, textWidth, wrapText } from '../../cli/photos/font.js';
import { drawSheet } from '../../cli/photos/sheet.js';
import type { Image } from '../../model/image.js';
import { pixelAt } from '../helpers/pictures.js';

const flat = (width: number, height: number, value: number): Image =>
  ({ width, height, data: new Float32Array(3 * width * height).fill(value) });

/** A letter as text, `#` for ink. */
function drawn(letter: string): string {
  const image = flat(6, 9, 1);
  drawText(image, letter, 0, 0, 1, 0);
  const dots = [...image.data.subarray(0, 6 * 9)].map((value) => (value === 0 ? '#' : ' ')).join('');
  return dots.match(/.{6}/g)!.join('\n');
}

test('every printable ASCII character has its own letter, any other a box', () => {
  const shapes = Array.from({ length: 95 }, (_, i) => drawn(String.fromCharCode(32 + i)));
  assert.is(new Set(shapes).size, 95);
  assert.is(shapes[0]!.trim(), '');
  assert.ok(!shapes.includes(drawn('é')) && drawn('é') === drawn('猫'));
  assert.is(drawn('A').split('\n').map((row) => row.trimEnd()).join('|'), ' ###|#   #|#   #|#####|#   #|#   #|#   #||');
});

test('letters at the edge are cut off, not wrapped round', () => {
  const image = flat(4, 4, 1);
  drawText(image, 'HH', -3, -2, 1, 0);
  drawText(image, 'W', 100, 100, 1, 0);
  assert.ok(image.data.some((v) => v === 0) && image.data.length === 48);
});

test('text wraps between words, and inside those that are too long', () => {
  assert.equal(wrapText('one two three', textWidth('one two', 2), 2), ['one two', 'three']);
  assert.equal(wrapText('abcdefgh ij', textWidth('abc', 1), 1), ['abc', 'def', 'gh', 'ij']);
  assert.equal(wrapText('', 60, 1), ['']);
});

test('a sheet holds its pictures at one height, in rows and columns', async () => {
  const sheet = await drawSheet({
    title: 'T', columns: ['a', 'b'], height: 40,
    rows: [
      { label: 'first', cells: [flat(80, 40, 0.2), flat(20, 20, 0.6)] },
      { cells: [undefined, flat(40, 40, 0.4)], captions: ['', 'below'] },
    ],
  });
  const red = [...sheet.data.subarray(0, sheet.width * sheet.height)];
  const values = (level: number): number[] => red.flatMap((v, i) => (Math.abs(v - level) < 0.003 ? [i] : []));
  const box = (level: number): number[] => {
    const at = values(level);
    const [x, y] = [at.map((i) => i % sheet.width), at.map((i) => Math.floor(i / sheet.width))];
    return [Math.max(...x) - Math.min(...x) + 1, Math.max(...y) - Math.min(...y) + 1, Math.min(...x), Math.min(...y)];
  };
  const [first, second, third] = [box(0.2), box(0.6), box(0.4)];
  assert.equal([first.slice(0, 2), second.slice(0, 2), third.slice(0, 2)], [[80, 40], [40, 40], [40, 40]]);
  assert.is(second[2], third[2], 'one column');
  assert.is(second[3], first[3], 'one row');
  assert.is(third[3]! - second[3]!, 48);
  assert.equal(pixelAt(sheet, 0, 0), [255, 255, 255]);
});

test.run();
