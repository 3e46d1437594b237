/** Photos are read by their content, in every common kind of file. */
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { InputError } from '../../cli/shared/errors.js';
import { atMost, photoSize, readImage, readPhoto, writeImage } from '../../cli/photos/photo.js';
import { dataFile } from '../helpers/data.js';
import { pixelAt, rawPng, redBlue, temporaryFile, temporaryFolder, type RawPng } from '../helpers/pictures.js';

const read = (bytes: Uint8Array, name = 'photo') => readImage(temporaryFile(name, bytes));

async function rejects(path: string, text: RegExp): Promise<void> {
  const error = await readImage(path).then(() => undefined, (reason: Error) => reason);
  assert.instance(error, InputError);
  assert.match(error!.message, text);
  assert.ok(error!.message.includes(path), `names the file: ${error!.message}`);
  assert.not.match(error!.message, /\n/);
}

const close = (found: readonly number[], expected: readonly number[], most = 6) =>
  assert.ok(found.every((value, i) => Math.abs(value - expected[i]!) <= most), `found ${found}, expected ${expected}`);

const palette = [10, 20, 30, 40, 50, 60];

/** A PNG's description -> the pixels of its first row. */
const pngCases: readonly (readonly [string, Omit<RawPng, 'width' | 'height'>, readonly (readonly number[])[]])[] = [
  ['1 bit grey', { bitDepth: 1, colorType: 0, rows: [[0, 1, 1]] }, [[0, 0, 0], [255, 255, 255], [255, 255, 255]]],
  ['2 bit grey', { bitDepth: 2, colorType: 0, rows: [[0, 1, 3]] }, [[0, 0, 0], [85, 85, 85], [255, 255, 255]]],
  ['4 bit grey', { bitDepth: 4, colorType: 0, rows: [[0, 8, 15]] }, [[0, 0, 0], [136, 136, 136], [255, 255, 255]]],
  ['8 bit grey', { bitDepth: 8, colorType: 0, rows: [[0, 99, 255]] }, [[0, 0, 0], [99, 99, 99], [255, 255, 255]]],
  ['8 bit RGB', { bitDepth: 8, colorType: 2, rows: [[1, 2, 3, 255, 0, 128]] }, [[1, 2, 3], [255, 0, 128]]],
  ['8 bit grey and alpha', { bitDepth: 8, colorType: 4, rows: [[100, 255, 100, 0]] }, [[100, 100, 100], [255, 255, 255]]],
  ['8 bit RGBA', { bitDepth: 8, colorType: 6, rows: [[200, 0, 0, 51, 0, 0, 0, 0]] }, [[244, 204, 204], [255, 255, 255]]],
  ['16 bit grey and alpha', { bitDepth: 16, colorType: 4, rows: [[25700, 65535, 0, 32768]] }, [[100, 100, 100], [127, 127, 127]]],
  ['16 bit RGBA', { bitDepth: 16, colorType: 6, rows: [[65535, 0, 257, 65535, 9, 9, 9, 0]] }, [[255, 0, 1], [255, 255, 255]]],
  ['1 bit palette', { bitDepth: 1, colorType: 3, palette, rows: [[1, 0]] }, [[40, 50, 60], [10, 20, 30]]],
  ['2 bit palette', { bitDepth: 2, colorType: 3, palette: [...palette, 7, 8, 9], rows: [[2, 1]] }, [[7, 8, 9], [40, 50, 60]]],
  ['4 bit palette', { bitDepth: 4, colorType: 3, palette, rows: [[1, 0]] }, [[40, 50, 60], [10, 20, 30]]],
  ['8 bit palette with transparency', { bitDepth: 8, colorType: 3, palette, transparency: [0], rows: [[0, 1]] },
    [[255, 255, 255], [40, 50, 60]]],
  ['a transparent grey of 4 bits', { bitDepth: 4, colorType: 0, transparency: [0, 8], rows: [[8, 1]] },
    [[255, 255, 255], [17, 17, 17]]],
  ['a transparent colour', { bitDepth: 8, colorType: 2, transparency: [0, 1, 0, 2, 0, 3], rows: [[1, 2, 3, 1, 2, 4]] },
    [[255, 255, 255], [1, 2, 4]]],
  ['a transparent colour of 16 bits',
    { bitDepth: 16, colorType: 2, transparency: [1, 2, 1, 2, 1, 2], rows: [[258, 258, 258, 514, 514, 514]] },
    [[255, 255, 255], [2, 2, 2]]],
];

for (const [name, png, pixels] of pngCases) {
  test(`PNG, ${name}`, async () => {
    const image = await read(rawPng({ ...png, width: pixels.length, height: 1 }));
    assert.equal(pixels.map((_, x) => pixelAt(image, x, 0)), pixels);
  });
}

test('PNG, 16 bits are kept, not rounded to 8', async () => {
  const image = await read(rawPng({ width: 1, height: 1, bitDepth: 16, colorType: 2, rows: [[30000, 30001, 65535]] }));
  assert.equal([...image.data], [30000 / 65535, 30001 / 65535, 1].map(Math.fround));
});

test('PNG, 16 bits are kept when resized', async () => {
  const row = Array.from({ length: 40 * 3 }, () => 30001);
  const path = temporaryFile('a.png', rawPng({ width: 40, height: 40, bitDepth: 16, colorType: 2, rows: Array(40).fill(row) }));
  const image = await readImage(path, { shorterSide: 20 });
  assert.ok(image.data.every((value) => Math.abs(value * 65535 - 30001) <= 1));
});

test('PNG, interlaced', async () => {
  const image = await read(await redBlue(40, 30).png({ progressive: true }).toBuffer());
  assert.equal([pixelAt(image, 0, 0), pixelAt(image, 39, 0)], [[250, 0, 0], [0, 0, 250]]);
});

test('PNG with bytes after its end', async () => {
  const image = await read(Buffer.concat([await redBlue(8, 8).png().toBuffer(), Buffer.from('trailing')]));
  assert.is(image.width, 8);
});

for (const [name, encode] of [
  ['JPEG', (width: number, height: number) => redBlue(width, height).jpeg({ quality: 95 })],
  ['progressive JPEG', (width: number, height: number) => redBlue(width, height).jpeg({ quality: 95, progressive: true })],
  ['WebP', (width: number, height: number) => redBlue(width, height).webp({ lossless: true })],
  ['AVIF', (width: number, height: number) => redBlue(width, height).avif({ quality: 90 })],
] as const) {
  test(`${name}, under any file name`, async () => {
    const image = await read(await encode(64, 48).toBuffer(), 'holiday.png');
    assert.equal([image.width, image.height, image.data.length], [64, 48, 64 * 48 * 3]);
    close(pixelAt(image, 8, 2), [250, 0, 0], 12);
    close(pixelAt(image, 56, 2), [0, 0, 250], 12);
  });
}

test('JPEG, rotation by EXIF: 6 turns the left side up', async () => {
  const bytes = await redBlue(64, 48).jpeg({ quality: 95 }).withMetadata({ orientation: 6 }).toBuffer();
  const photo = await readPhoto(temporaryFile('a.jpg', bytes));
  assert.equal([photo.width, photo.height, photo.format], [48, 64, 'jpeg']);
  close(pixelAt(photo.image, 46, 4), [250, 0, 0], 12);
  close(pixelAt(photo.image, 46, 60), [0, 0, 250], 12);
});

test('JPEG, grey and CMYK become RGB', async () => {
  const grey = await read(await redBlue(32, 32).grayscale().jpeg().toBuffer());
  const [r, g, b] = pixelAt(grey, 4, 4);
  assert.ok(r === g && g === b && grey.data.length === 32 * 32 * 3);
  const cmyk = await read(await redBlue(32, 32).toColourspace('cmyk').jpeg({ quality: 95 }).toBuffer());
  assert.is(cmyk.data.length, 32 * 32 * 3);
});

test('WebP and AVIF, transparency on white', async () => {
  const clear = sharp({ create: { width: 32, height: 32, channels: 4, background: { r: 0, g: 0, b: 0, alpha: 0 } } });
  for (const bytes of [await clear.clone().webp().toBuffer(), await clear.clone().avif().toBuffer()]) {
    close(pixelAt(await read(bytes), 16, 16), [255, 255, 255], 1);
  }
});

test('animated WebP: the first frame', async () => {
  const frame = (background: string) => sharp({ create: { width: 20, height: 20, channels: 3, background } }).png().toBuffer();
  const frames = [await frame('#ff0000'), await frame('#0000ff')];
  const bytes = await sharp(frames, { join: { animated: true } }).webp({ lossless: true }).toBuffer();
  const image = await read(bytes);
  assert.equal([image.width, image.height, pixelAt(image, 10, 10)], [20, 20, [255, 0, 0]]);
});

test('size: the shorter side, down and up, the longer rounded', async () => {
  const path = temporaryFile('a.png', await redBlue(100, 61).png().toBuffer());
  for (const [side, width, height] of [[30, 49, 30], [122, 200, 122], [61, 100, 61]] as const) {
    const photo = await readPhoto(path, { shorterSide: side });
    assert.equal([photo.image.width, photo.image.height, photo.width, photo.height], [width, height, 100, 61]);
    close(pixelAt(photo.image, 2, 2), [245, 0, 0], 8);
  }
});

test('size: reduction is antialiased', async () => {
  const lines = Array.from({ length: 64 }, () => Array.from({ length: 64 }, (_, x) => (x % 2) * 255));
  const png = rawPng({ width: 64, height: 64, bitDepth: 8, colorType: 0, rows: lines });
  const image = await readImage(temporaryFile('a.png', png), { shorterSide: 16 });
  for (let x = 2; x < 14; x++) close(pixelAt(image, x, 8), [128, 128, 128], 6);
});

test('a file that is not a photo is named by its kind', async () => {
  const cases: [string, Uint8Array | string, RegExp][] = [
    ['notes.png', 'milk, eggs', /is not a photo but text: save it as PNG/],
    ['page.jpg', '<!DOCTYPE html><p>404', /a web page/],
    ['drawing.png', '  <svg xmlns="x"/>', /an SVG drawing/],
    ['a.png', 'GIF89a…', /a GIF/],
    ['a.jpg', Buffer.from('\0\0\0\x18ftypheic\0\0\0\0mif1heic', 'latin1'), /a HEIC photo/],
    ['a.mp4', Buffer.from('\0\0\0\x18ftypisom', 'latin1'), /a video/],
    ['a.bin', Uint8Array.of(1, 2, 3, 4), /unknown data \(01 02 03 04\)/],
  ];
  for (const [name, bytes, text] of cases) await rejects(temporaryFile(name, bytes), text);
});

test('missing, empty, and a folder', async () => {
  await rejects(join(temporaryFolder(), 'none.png'), /does not exist: check the path/);
  await rejects(temporaryFile('empty.png', ''), /is empty \(0 bytes\)/);
  await rejects(temporaryFolder(), /is a folder: give a file/);
});

test('cut short, in every format', async () => {
  // Noise, so that the data does not compress to less than the headers.
  const pixels = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 7919 * (i >> 3)) % 251);
  for (const format of ['png', 'jpeg', 'webp', 'avif'] as const) {
    const bytes = await sharp(pixels, { raw: { width: 64, height: 64, channels: 3 } }).toFormat(format).toBuffer();
    for (const share of [0.3, 0.7, 0.95]) {
      const cut = bytes.subarray(0, Math.floor(bytes.length * share));
      await rejects(temporaryFile('cut', cut), new RegExp(`damaged or truncated ${format.toUpperCase()}`));
    }
  }
});

test('damaged PNGs: a wrong checksum, a header only, a chunk in the wrong place', async () => {
  const bytes = await redBlue(32, 32).png().toBuffer();
  const flipped = Buffer.from(bytes);
  flipped[bytes.length - 30]! ^= 255;
  await rejects(temporaryFile('a.png', flipped), /damaged or truncated PNG/);
  await rejects(temporaryFile('a.png', bytes.subarray(0, 12)), /damaged or truncated PNG \(it has no header\)/);
});

test('20000 x 20000 is refused by its header, before anything is decoded', async () => {
  const bytes = rawPng({ width: 20000, height: 20000, bitDepth: 8, colorType: 2, rows: [] });
  await rejects(temporaryFile('huge.png', bytes), /20000 x 20000 pixels: at most 64 megapixels are read/);
  const path = temporaryFile('long.png', await redBlue(2, 200).png().toBuffer());
  const error = await readImage(path, { shorterSide: 2000 }).then(() => undefined, (reason: Error) => reason);
  assert.match(error!.message, /--size 2000 is 2000 x 200000 pixels/);
});

test('writing: clamped, rounded, read back the same, and no temporary file stays', async () => {
  const path = join(temporaryFolder(), 'out.png');
  const image = { width: 2, height: 1, data: Float32Array.of(-1, 0.5, 0.2, 2, 1, 0) };
  await writeImage(path, image);
  const back = await readImage(path);
  assert.equal([pixelAt(back, 0, 0), pixelAt(back, 1, 0)], [[0, 51, 255], [128, 255, 0]]);
  assert.equal(readdirSync(dirname(path)), ['out.png']);
  assert.is(readFileSync(path)[25], 2); // colour type RGB, no alpha
});

test('writing into a missing folder names the file and leaves nothing', async () => {
  const folder = temporaryFolder();
  const dot = { width: 1, height: 1, data: new Float32Array(3) };
  const error = await writeImage(join(folder, 'no/out.png'), dot).catch((reason: Error) => reason);
  assert.match((error as Error).message, /out\.png does not exist: check the path/);
  assert.equal(readdirSync(folder), []);
});

test('a size is read from the header alone, upright, and a photo is read again at another size', async () => {
  const rotated = await redBlue(60, 40).withMetadata({ orientation: 6 }).jpeg().toBuffer();
  const path = temporaryFile('rotated.jpg', rotated);
  assert.equal(await photoSize(path), { width: 40, height: 60 });
  const photo = await readPhoto(path, { shorterSide: 20 });
  assert.equal([photo.width, photo.height, photo.image.width, photo.image.height], [40, 60, 20, 30]);
  rmSync(path); // a run may end hours after its start
  const [whole, limited] = [await photo.again(), await photo.again({ atMost: 30 })];
  assert.equal([whole.width, whole.height, limited.width, limited.height], [40, 60, 30, 45]);
  assert.equal(await atMost(whole, { height: 60 }), whole);
  const small = await atMost(whole, { shorterSide: 10 });
  assert.equal([small.width, small.height], [10, 15]);
});

test('real photos', async () => {
  for (const name of ['pairs/cows/structure.jpg', 'pairs/lion-to-black-cat/appearance.png']) {
    const path = dataFile(name);
    if (!path) continue;
    const photo = await readPhoto(path, { shorterSide: 128 });
    assert.is(Math.min(photo.image.width, photo.image.height), 128);
    assert.ok(photo.image.data.every((value) => value >= 0 && value <= 1) && statSync(path).size > 0);
  }
});

test.run();
