/**
 * Pictures as people have them: a row per circumstance with a file of our own making and what comes out of it. Every format
 * keeps the same promise, so that a fact (profile, orientation, depth) is a row in each.
 */
import { deflateRawSync, deflateSync } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';
import { chunk, rawPng, redBlue, type RawPng } from '../helpers/pictures.js';

export interface Circumstance {
  readonly name: string;
  readonly bytes: () => Promise<Buffer> | Buffer;
  /** What comes out: size, the pixels at the middles of a row's equal parts, and a note; or the refusal. */
  readonly expected: {
    readonly size?: readonly [width: number, height: number];
    readonly patches?: readonly (readonly number[])[];
    readonly most?: number;
    /** Where the patches are, from 0, the top; the middle by default. */
    readonly row?: number;
    readonly note?: RegExp;
  } | { readonly refused: RegExp };
}

/** Stored values, and the sRGB ones that Little CMS makes of them when they are of Display P3, and of Adobe RGB. */
const STORED = [[200, 60, 40], [40, 160, 60], [50, 70, 200], [220, 200, 60]] as const;
const FROM_P3 = [[217, 42, 23], [0, 163, 40], [44, 71, 208], [224, 199, 0]] as const;
const FROM_ADOBE = [[231, 57, 34], [0, 161, 47], [34, 69, 203], [226, 200, 36]] as const;

const SIDE = 24;
const stored = (values: readonly (readonly number[])[] = STORED): Sharp => {
  const data = Uint8Array.from({ length: 3 * SIDE * SIDE * values.length }, (_, i) => {
    const x = Math.floor(i / 3) % (SIDE * values.length);
    return values[Math.floor(x / SIDE)]![i % 3]!;
  });
  return sharp(data, { raw: { width: SIDE * values.length, height: SIDE, channels: 3 } });
};

const ENCODERS = {
  PNG: (s: Sharp) => s.png(),
  'interlaced PNG': (s: Sharp) => s.png({ progressive: true }),
  JPEG: (s: Sharp) => s.jpeg({ quality: 100, chromaSubsampling: '4:4:4' }),
  'progressive JPEG': (s: Sharp) => s.jpeg({ quality: 100, chromaSubsampling: '4:4:4', progressive: true }),
  WebP: (s: Sharp) => s.webp({ lossless: true }),
  AVIF: (s: Sharp) => s.avif({ lossless: true }),
} as const;
type Format = keyof typeof ENCODERS;
const FORMATS = Object.keys(ENCODERS) as Format[];
const everywhere = (make: (format: Format, encode: (s: Sharp) => Sharp) => Circumstance | []): Circumstance[] =>
  FORMATS.flatMap((format) => make(format, ENCODERS[format]));

const u32 = (...values: readonly number[]): Buffer =>
  Buffer.from(values.flatMap((v) => [v >>> 24, (v >> 16) & 255, (v >> 8) & 255, v & 255]));
const samples = (values: readonly (readonly number[])[], scale = 1): number[][] => [values.flat().map((v) => v * scale)];

/** A PNG of one row, whose patches are single pixels. */
const tagged = (chunks: RawPng['chunks'], depth: 8 | 16 = 8, values: readonly (readonly number[])[] = STORED): Buffer => {
  const grey = values[0]!.length === 1;
  const rows = samples(values, depth === 16 ? 257 : 1);
  return rawPng({ width: values.length, height: 1, bitDepth: depth, colorType: grey ? 0 : 2, rows, chunks: chunks ?? [] });
};
const CHROMATICITIES = { p3: [31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000] } as const;
const srgbOf = (light: number): number => Math.round(255 * (1.055 * light ** (1 / 2.4) - 0.055));
const LEVELS = [64, 128, 200] as const;
const greys = (of: (v: number) => number): number[][] => LEVELS.map((v) => [of(v), of(v), of(v)]);
const linear = greys((v) => srgbOf(v / 255));
const gamma18 = greys((v) => srgbOf((v / 255) ** 1.8));
const oneChannel = LEVELS.map((v) => [v]);

const png = (name: string, bytes: () => Buffer, patches: readonly (readonly number[])[], most = 1): Circumstance =>
  ({ name: `PNG, ${name}`, bytes, expected: { size: [patches.length, 1], patches, most } });

const colours: readonly Circumstance[] = [
  ...everywhere((format, encode) => ({
    name: `${format} with a Display P3 profile`,
    bytes: () => encode(stored(FROM_P3).withIccProfile('p3')).toBuffer(),
    // P3 holds these colours, so what was sRGB before comes back, but for the compression.
    expected: { size: [4 * SIDE, SIDE], patches: FROM_P3, most: 6 },
  })),
  png('cICP of Display P3', () => tagged([['cICP', Buffer.of(12, 13, 0, 1)]]), FROM_P3),
  png('cICP of Display P3, 16 bits', () => tagged([['cICP', Buffer.of(12, 13, 0, 1)]], 16), FROM_P3),
  png('cICP of sRGB', () => tagged([['cICP', Buffer.of(1, 13, 0, 1)]]), STORED, 0),
  png('cICP that says nothing', () => tagged([['cICP', Buffer.of(2, 2, 0, 1)]]), STORED, 0),
  png('cICP of sRGB counts more than gAMA', () => tagged([['cICP', Buffer.of(1, 13, 0, 1)], ['gAMA', u32(100000)]]), STORED, 0),
  png('cICP of PQ: white at 203 cd/m2', () => tagged([['cICP', Buffer.of(1, 16, 0, 1)]], 8, [[148, 148, 148]]),
    [[255, 255, 255]], 2),
  png('gAMA and cHRM of Display P3', () => tagged([['gAMA', u32(45455)], ['cHRM', u32(...CHROMATICITIES.p3)]]), FROM_P3, 1),
  png('gAMA of sRGB', () => tagged([['gAMA', u32(45455)]]), STORED, 0),
  png('gAMA 1: light itself', () => tagged([['gAMA', u32(100000)]], 8, greys((v) => v)), linear),
  png('grey, gAMA 1', () => tagged([['gAMA', u32(100000)]], 8, oneChannel), linear),
  png('grey of 16 bits, gAMA 1', () => tagged([['gAMA', u32(100000)]], 16, oneChannel), linear),
  png('gAMA 1/1.8, as Macs had', () => tagged([['gAMA', u32(55556)]], 8, oneChannel), gamma18),
  png('sRGB counts more than gAMA', () => tagged([['sRGB', Buffer.of(0)], ['gAMA', u32(100000)]], 8, oneChannel),
    greys((v) => v), 0),
  png('gAMA 0 says nothing', () => tagged([['gAMA', u32(0)]], 8, oneChannel), greys((v) => v), 0),
  {
    name: 'PNG, impossible chromaticities',
    bytes: () => tagged([['gAMA', u32(100000)], ['cHRM', u32(0, 0, 0, 0, 0, 0, 0, 0)]]), expected: { refused: /impossible/ },
  },
  {
    name: 'AVIF, code points of Display P3 instead of a profile',
    bytes: async () => {
      const bytes = await ENCODERS.AVIF(stored()).toBuffer();
      const at = bytes.indexOf('nclx', 0, 'latin1');
      bytes.writeUInt16BE(12, at + 4);
      bytes.writeUInt16BE(13, at + 6);
      return bytes;
    },
    expected: { size: [4 * SIDE, SIDE], patches: FROM_P3, most: 3 },
  },
  {
    name: 'JPEG of a camera set to Adobe RGB: said by EXIF alone',
    bytes: () => ENCODERS.JPEG(stored()).withExif({ IFD2: { ColorSpace: '65535' } }).toBuffer().then(withInterop),
    expected: { size: [4 * SIDE, SIDE], patches: FROM_ADOBE, most: 3 },
  },
  ...(['PNG', 'JPEG', 'WebP'] as const).map((format): Circumstance => ({
    name: `${format}, grey`,
    bytes: async () => ENCODERS[format](stored([[99, 99, 99], [180, 180, 180]]).toColourspace('b-w')).toBuffer(),
    expected: { size: [2 * SIDE, SIDE], patches: [[99, 99, 99], [180, 180, 180]], most: 1 },
  })),
];

/** Replaces the EXIF of a JPEG by one whose interoperability index is R03. */
function withInterop(jpeg: Buffer): Buffer {
  const entry = (tag: number, type: number, count: number, value: Buffer): Buffer => {
    const head = Buffer.alloc(8);
    head.writeUInt16BE(tag, 0);
    head.writeUInt16BE(type, 2);
    head.writeUInt32BE(count, 4);
    return Buffer.concat([head, value]);
  };
  const folder = (one: Buffer): Buffer => Buffer.concat([Buffer.of(0, 1), one, u32(0)]);
  const tiff = Buffer.concat([
    Buffer.from('MM\0*\0\0\0\x08', 'latin1'), folder(entry(0x8769, 4, 1, u32(26))), folder(entry(0xa005, 4, 1, u32(44))),
    folder(entry(1, 2, 4, Buffer.from('R03\0', 'latin1'))),
  ]);
  const body = Buffer.concat([Buffer.from('Exif\0\0', 'latin1'), tiff]);
  const plain = Buffer.concat([jpeg.subarray(0, 2), withoutSegments(jpeg.subarray(2))]);
  const length = Buffer.of((body.length + 2) >> 8, (body.length + 2) & 255);
  return Buffer.concat([plain.subarray(0, 2), Buffer.of(0xff, 0xe1), length, body, plain.subarray(2)]);
}

/** A JPEG after its first two bytes, without application segments. */
function withoutSegments(rest: Buffer): Buffer {
  let at = 0;
  while (rest[at + 1]! >= 0xe0 && rest[at + 1]! <= 0xef) at += 2 + rest.readUInt16BE(at + 2);
  return rest.subarray(at);
}

const turned = everywhere((format, encode) => (format === 'AVIF' ? [] : {
  name: `${format}, EXIF says turned`,
  bytes: () => encode(redBlue(60, 40).withMetadata({ orientation: 6 })).toBuffer(),
  expected: { size: [40, 60], patches: [[179, 0, 0]], row: 0.1, most: 12 },
}));

const CLEAR = sharp({ create: { width: 8, height: 8, channels: 4, background: { r: 9, g: 9, b: 9, alpha: 0 } } });
const clear = everywhere((format, encode) => (format.endsWith('JPEG') ? [] : {
  name: `${format}, transparent is white`,
  bytes: () => encode(CLEAR.clone()).toBuffer(),
  expected: { size: [8, 8], patches: [[255, 255, 255]], most: 1 },
}));

const whole = redBlue(64, 48);
const cut = async (encode: (s: Sharp) => Sharp, share: number): Promise<Buffer> => {
  const bytes = await encode(whole).toBuffer();
  return bytes.subarray(0, Math.floor(share * bytes.length));
};
const half = everywhere((format, encode) => ({
  name: `${format}, cut in the middle`, bytes: () => cut(encode, 0.6), expected: { refused: /damaged or truncated/ },
}));

const ends: readonly Circumstance[] = [
  ...(['JPEG', 'progressive JPEG'] as const).map((format): Circumstance => ({
    name: `${format} without its end mark`,
    bytes: async () => (await ENCODERS[format](whole.clone()).toBuffer()).subarray(0, -2),
    expected: { size: [64, 48], note: /no end mark; the picture is whole/ },
  })),
  {
    name: 'JPEG with bytes of a phone after its end', expected: { size: [64, 48] },
    bytes: async () => Buffer.concat([await ENCODERS.JPEG(whole.clone()).toBuffer(), Buffer.alloc(5000, 7)]),
  },
  {
    name: 'PNG without its end chunk', expected: { size: [64, 48], note: /no end mark; the picture is whole/ },
    bytes: async () => (await ENCODERS.PNG(whole.clone()).toBuffer()).subarray(0, -12),
  },
  {
    name: 'PNG with bytes after its end', expected: { size: [64, 48] },
    bytes: async () => Buffer.concat([await ENCODERS.PNG(whole.clone()).toBuffer(), Buffer.from('trailing')]),
  },
];

const header = (width: number, height: number, depth = 8, colour = 2, interlaced = 0): Buffer =>
  chunk('IHDR', Buffer.concat([u32(width, height), Buffer.of(depth, colour, 0, 0, interlaced)]));
const SIGNATURE = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
const END = chunk('IEND', Buffer.alloc(0));
const file = (...chunks: readonly Buffer[]): Buffer => Buffer.concat([SIGNATURE, ...chunks, END]);

/** A deflate stream of `megabytes` of zeros: one compressed block of a megabyte, repeated. */
function zeros(megabytes: number): Buffer {
  // A full flush ends a block at a byte and forgets what came before, so blocks can follow one another.
  const block = deflateRawSync(Buffer.alloc(1 << 20), { finishFlush: 3, level: 9 });
  return Buffer.concat([Buffer.of(0x78, 0xda), ...Array.from({ length: megabytes }, () => block), Buffer.of(3, 0), u32(1)]);
}

/** A JPEG whose header says another size. */
async function lying(width: number, height: number): Promise<Buffer> {
  const bytes = await ENCODERS.JPEG(redBlue(256, 256)).toBuffer();
  const at = bytes.indexOf(Buffer.of(0xff, 0xc0));
  bytes.writeUInt16BE(height, at + 5);
  bytes.writeUInt16BE(width, at + 7);
  return bytes;
}

/** Files that would take time and memory before they are refused. */
export const bombs: readonly Circumstance[] = [
  {
    name: 'PNG with two headers, the second larger', expected: { refused: /two headers/ },
    bytes: () => file(header(64, 64, 1, 0), header(16000, 16000, 1, 0), chunk('IDAT', zeros(32))),
  },
  {
    name: 'PNG with two headers, the second smaller', expected: { refused: /two headers/ },
    bytes: () => file(header(7000, 7000, 1, 0), header(64, 64, 1, 0), chunk('IDAT', deflateSync(Buffer.alloc(9 * 64)))),
  },
  {
    name: 'interlaced PNG that inflates to a gigabyte', expected: { refused: /too many for 64 x 64/ },
    bytes: () => file(header(64, 64, 8, 2, 1), chunk('IDAT', zeros(1000))),
  },
  {
    name: 'PNG that inflates to a gigabyte', expected: { refused: /too many for 64 x 64/ },
    bytes: () => file(header(64, 64), chunk('IDAT', zeros(1000))),
  },
  {
    name: 'PNG with a header of 100 megapixels', expected: { refused: /at most 64 megapixels/ },
    bytes: () => file(header(10000, 10000), chunk('IDAT', zeros(1))),
  },
  {
    name: 'PNG with too little data for its header', expected: { refused: /too few for 7000 x 7000/ },
    bytes: () => file(header(7000, 7000), chunk('IDAT', zeros(3))),
  },
  { name: 'JPEG with too little data for its header', bytes: () => lying(60000, 900), expected: { refused: /too few/ } },
  { name: 'JPEG with a header of twice its height', bytes: () => lying(256, 512), expected: { refused: /premature/ } },
];

export const pictures: readonly Circumstance[] = [...colours, ...turned, ...clear, ...half, ...ends];
