/** Texts inside PNGs: written texts are read by this project and by others; damaged files give none. */
import { deflateSync } from 'node:zlib';
import { PNG } from 'pngjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { encodePng } from '../../cli/photos/png.js';
import { addPngText, readPngText } from '../../cli/photos/pngText.js';
import { crc32 } from '../helpers/pictures.js';

const picture = { width: 3, height: 2, data: Uint8Array.from({ length: 18 }, (_, i) => 13 * i) };
const text = { Seed: '7', Settings: '{"lr":0.002}', Title: 'Kühe', Path: 'фото/猫.jpg', Empty: '' };

test('every text is read back, Latin-1 or not, and the picture stays', () => {
  const bytes = addPngText(encodePng(picture), text);
  assert.equal(readPngText(bytes), text);
  assert.equal(PNG.sync.read(bytes).data.filter((_, i) => i % 4 < 3), Buffer.from(picture.data));
  assert.equal([...bytes.toString('latin1').matchAll(/tEXt|iTXt/g)].map(String), ['tEXt', 'tEXt', 'tEXt', 'iTXt', 'tEXt']);
});

test('every chunk has its checksum', () => {
  const bytes = addPngText(encodePng(picture), text);
  for (let at = 8; at < bytes.length; ) {
    const end = at + 12 + bytes.readUInt32BE(at);
    assert.is(bytes.readUInt32BE(end - 4), crc32(bytes.subarray(at + 4, end - 4)), bytes.toString('latin1', at + 4, at + 8));
    at = end;
  }
});

test('compressed iTXt is read, a bomb is not', () => {
  const compressed = (content: string) => {
    const data = Buffer.concat([Buffer.from('Note\0\x01\0de\0Notiz\0', 'latin1'), deflateSync(content)]);
    const plain = addPngText(encodePng(picture), { A: 'b' });
    const length = Buffer.alloc(4);
    length.writeUInt32BE(data.length);
    return Buffer.concat([plain.subarray(0, 33), length, Buffer.from('iTXt'), data, Buffer.alloc(4), plain.subarray(33)]);
  };
  assert.is(readPngText(compressed('grün'))['Note'], 'grün');
  assert.is(readPngText(compressed('0'.repeat(2e7)))['Note'], undefined);
  assert.is(readPngText(compressed('x'))['A'], 'b');
});

test('other keywords are refused, and damaged files give their intact texts', () => {
  for (const keyword of ['', ' a', 'a ', 'x'.repeat(80), 'naïve', 'a\0b']) {
    assert.throws(() => addPngText(encodePng(picture), { [keyword]: '' }), /not a keyword/);
  }
  const bytes = addPngText(encodePng(picture), text);
  for (let cut = 0; cut < bytes.length; cut++) {
    const found = Object.entries(readPngText(bytes.subarray(0, cut)));
    for (const [key, value] of found) assert.is(value, text[key as keyof typeof text]);
  }
  assert.equal(readPngText(Buffer.from('not a picture')), {});
});

test.run();
