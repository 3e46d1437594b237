/** Labelled sheets: the typeface and its measures, words wrap, pictures are in their places, equal bytes each time. */
import { createHash } from 'node:crypto';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeImage } from '../../cli/photos/photo.js';
import { drawSheet, type Sheet } from '../../cli/photos/sheet.js';
import { ascentOf, drawTexts, lineHeightOf, textWidth, wrapText, type TextStyle } from '../../cli/photos/text.js';
import type { Image } from '../../model/image.js';
import { pixelAt } from '../helpers/pictures.js';

const flat = (width: number, height: number, value: number): Image =>
  ({ width, height, data: new Float32Array(3 * width * height).fill(value) });
const style: TextStyle = { size: 20, weight: 'regular', ink: 0 };
const bold: TextStyle = { ...style, weight: 'bold' };

/** A text on white, baseline 20 pixels down. */
async function drawn(text: string, of = style, left = 5): Promise<Image> {
  const image = flat(120, 30, 1);
  await drawTexts(image, [{ text, left, baseline: 20, style: of }]);
  return image;
}

/** The box of the pixels that are darker than half: left, top, right, bottom, the last two excluded. */
function inkBox({ data, width, height }: Image): number[] {
  const dark = [...data.subarray(0, width * height)].flatMap((v, i) => (v < 0.5 ? [i] : []));
  const [x, y] = [dark.map((i) => i % width), dark.map((i) => Math.floor(i / width))];
  return [Math.min(...x), Math.min(...y), Math.max(...x) + 1, Math.max(...y) + 1];
}

test('measures are those of Lato: an em of 2000 units, T of 1180, capitals of 1433', async () => {
  assert.ok(Math.abs(textWidth('T', style) - (20 * 1180) / 2000) < 1e-9);
  assert.ok(Math.abs(textWidth('T', { ...style, size: 50 }) - 29.5) < 1e-9);
  assert.ok(textWidth('AVA', style) < 2 * textWidth('A', style) + textWidth('V', style), 'kerning');
  assert.ok(textWidth('word', bold) > textWidth('word', style));
  const [, top, , bottom] = inkBox(await drawn('H'));
  assert.equal([top, bottom], [20 - Math.round((20 * 1433) / 2000), 20]);
  assert.equal([ascentOf(style), lineHeightOf(style)], [19, 26]);
});

test('every printable ASCII character has its own shape, letters that the typeface lacks a box', async () => {
  const shapes: string[] = [];
  for (let code = 32; code < 127; code++) shapes.push(String(await drawn(String.fromCharCode(code)).then(({ data }) => data)));
  assert.is(new Set(shapes).size, 95);
  assert.ok(Math.min(...(await drawn(' ')).data) === 1, 'a space is empty');
  const [box, other, umlaut] = [await drawn('猫'), await drawn('🐈'), await drawn('ü')];
  assert.equal(box.data, other.data);
  assert.not(shapes.includes(String(box.data)) || shapes.includes(String(umlaut.data)));
  assert.ok(Math.min(...box.data) < 0.2, 'a box is drawn');
});

test('whole lines are drawn whatever the size, and cut off at the edges', async () => {
  // Coordinates of some of these sizes are whole numbers but for a rounding error.
  for (const size of [13, 15.151515, 16, 18, 20, 21.9]) {
    const [left, , right] = inkBox(await drawn('vit_t', { ...style, size }));
    assert.ok(left! <= 7 && right! > textWidth('vit_', { ...style, size }) + 5, `${size}: ${left} to ${right}`);
  }
  assert.is(inkBox(await drawn('HH', style, -8))[0], 0);
  assert.ok((await drawn('W', style, 500)).data.every((v) => v === 1));
});

test('ink is mixed with what is below', async () => {
  const image = flat(30, 30, 0.5);
  await drawTexts(image, [{ text: 'H', left: 4, baseline: 25, style: { size: 30, weight: 'bold', ink: 1 } }]);
  assert.is(Math.max(...image.data), 1);
  assert.is(Math.min(...image.data), 0.5);
});

test('text wraps between words, then after a sign in a name, then anywhere', () => {
  const wrap = (text: string, room: string): string[] => wrapText(text, textWidth(room, style), style);
  assert.equal(wrap('one two three', 'one two'), ['one two', 'three']);
  assert.equal(wrap('see vit_tiny_patch16 here', 'tiny_patc'), ['see vit_', 'tiny_', 'patch16', 'here']);
  assert.equal(wrap('0.45 or 0.55', '0.45 or'), ['0.45 or', '0.55'], 'a number that fits into a line stays whole');
  assert.equal(wrap('mmmmmmmm mm', 'mmm'), ['mmm', 'mmm', 'mm', 'mm']);
  assert.equal(wrap('ab', ''), ['a', 'b']);
  assert.equal(wrap('', 'one'), ['']);
});

const sheet: Sheet = {
  title: 'T', columns: ['a', 'b'], height: 40,
  rows: [
    { label: 'first', cells: [flat(80, 40, 0.5), flat(20, 20, 0.6)] },
    { cells: [undefined, flat(40, 40, 0.4)], captions: ['', 'below'] },
  ],
};

/** The largest box that has this grey level all over: letters' edges have it here and there. */
function boxOf({ data, width, height }: Image, level: number): number[] {
  const is = (x: number, y: number): boolean => Math.abs(data[y * width + x]! - level) < 0.003;
  let best = [0, 0, 0, 0];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let [w, h] = [0, 0];
      while (x + w < width && is(x + w, y)) w++;
      while (y + h < height && is(x, y + h)) h++;
      if (w * h > best[0]! * best[1]!) best = [w, h, x, y];
    }
  }
  return best;
}

test('a sheet holds its pictures at one height, in rows and columns', async () => {
  const image = await drawSheet(sheet);
  const [first, second, third] = [boxOf(image, 0.5), boxOf(image, 0.6), boxOf(image, 0.4)];
  assert.equal([first.slice(0, 2), second.slice(0, 2), third.slice(0, 2)], [[80, 40], [40, 40], [40, 40]]);
  assert.is(second[2], third[2], 'one column');
  assert.is(second[3], first[3], 'one row');
  assert.is(third[3]! - second[3]!, 48);
  assert.equal(pixelAt(image, 0, 0), [255, 255, 255]);
});

test('long headings and titles widen a sheet of small pictures instead of running over each other', async () => {
  const cells = [flat(10, 40, 0.5), flat(10, 40, 0.4)];
  const narrow = await drawSheet({ columns: ['a', 'b'], height: 40, rows: [{ cells }] });
  const wide = await drawSheet({ columns: ['unbelievable', 'b'], height: 40, rows: [{ cells }] });
  const [left, right] = [boxOf(wide, 0.5), boxOf(wide, 0.4)];
  assert.ok(right[2]! - left[2]! > boxOf(narrow, 0.4)[2]! - boxOf(narrow, 0.5)[2]!);
  const titled = await drawSheet({ title: 'A title of several words', columns: ['a', 'b'], height: 40, rows: [{ cells }] });
  assert.ok(titled.width > narrow.width && titled.width < 250);
});

test('the same sheet has the same bytes twice', async () => {
  const hash = async (): Promise<string> => createHash('sha256').update(encodeImage(await drawSheet(sheet))).digest('hex');
  assert.is(await hash(), await hash());
});

test.run();
