/** The readers of files that come from outside, and whole files of each kind to damage. */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { readPairs } from '../../cli/transfer/batch/pairs.js';
import { decodeCheckpoint, encodeCheckpoint, readCheckpoint, type Checkpoint } from '../../cli/run/checkpoints.js';
import { withSettings } from '../../cli/commands/batch.js';
import { readImage } from '../../cli/photos/photo.js';
import { parseConfig, readConfigOf } from '../../cli/run/config.js';
import { parseOptions } from '../../cli/transfer/options.js';
import { defaultOptions } from '../../model/method/options.js';
import { crc32, rawPng } from '../helpers/pictures.js';

export interface Reader {
  /** Damaged files of a full run. */
  readonly count: number;
  readonly fileName: string;
  readonly seeds: () => Promise<readonly Buffer[]>;
  /** Corrects the checksums that would stop the reader before the damage. */
  readonly repair?: (bytes: Buffer) => Buffer;
  /** Reads as a command would. @throws UsageError or InputError, and no other error */
  readonly read: (path: string) => Promise<void>;
}

const SIZE = 40;
/** Neither flat nor noise: every part of a decoder has something to do. */
const pixels = Uint8Array.from({ length: 3 * SIZE * SIZE }, (_, i) => (i * i * 7 + (i >> 5) * 31) % 256);
const pattern = () => sharp(pixels, { raw: { width: SIZE, height: SIZE, channels: 3 } });

async function readPhotoFile(path: string): Promise<void> {
  const { width, height, data } = await readImage(path);
  const isWhole = data.length === 3 * width * height && data.every((value) => value >= 0 && value <= 1);
  if (!isWhole) throw new Error(`gave ${data.length} values for ${width} x ${height}, or some outside 0 to 1`);
}

const image = (seeds: Reader['seeds'], repair?: Reader['repair']): Reader =>
  ({ count: 5000, fileName: 'photo', seeds, read: readPhotoFile, ...(repair && { repair }) });

const checkpoint = (size: number): Checkpoint => {
  const data = (phase: number) => Float32Array.from({ length: size }, (_, i) => Math.sin(i + phase));
  const losses = Float32Array.of(1, 2, 3, NaN);
  const arrays = new Map([['weights', data(0)], ['momentum', data(1)], ['variance', data(2)], ['losses', losses]]);
  const state = { counters: { warmStepsDone: 80, stepsDone: 250, updates: 330 }, arrays };
  return { state, identity: { 'structure photo': 'a1b2', settings: '{"lr":0.002}' }, logBytes: 4711, seconds: 12.5 };
};
const checkpoints = [64, 700].map((size) => Buffer.from(encodeCheckpoint(checkpoint(size))));

/** A checkpoint that is accepted must be one that was written. */
async function readRunState(path: string): Promise<void> {
  const content = (found: Checkpoint) => Buffer.from(encodeCheckpoint(found));
  const found = content(await readCheckpoint(path));
  const isKnown = checkpoints.some((whole) => content(decodeCheckpoint(whole)).equals(found));
  if (!isKnown) throw new Error('was accepted although it is damaged');
}

const vit = { dim: 64, depth: 4, heads: 4, patch: 8, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
const config = JSON.stringify({
  program: 'splice-gpu',
  options: { ...defaultOptions, size: 256, saveEvery: 250 },
  structure: { path: '/photos/cow.jpg', sha256: 'a1' },
  appearance: { path: '/photos/highland.jpg', sha256: 'b2' },
  model: { given: 'untrained', path: '/weights/untrained.safetensors', sha256: 'c3', config: vit },
  status: 'interrupted',
}, null, 2);

async function readTransferConfig(path: string): Promise<void> {
  const folder = dirname(path);
  const found = await readConfigOf('transfer', folder);
  parseConfig(folder, () => parseOptions(found, { folder, json: false }));
}

const SETTINGS = ['seed', 'steps', 'size', 'lr', 'antialias', 'mean', 'recipe'];
const lists = [
  'structure,appearance,name,seed,lr\ncow.jpg,highland.jpg,first,1,0.002\n' +
    '"a, b.png",c.png,"second",7,\nd.png,"e ""f"".png",,,0.1\n',
  '\ufeffStructure;Appearance;Recipe;Antialias;Mean\r\na.png;b.png;splice-transfer;no;0.5\r\n\r\nc.png;d.png;splice;yes;\r\n',
];

export const readers: Readonly<Record<string, Reader>> = {
  PNG: image(
    async () => [
      await pattern().png().toBuffer(),
      await pattern().png({ palette: true, colours: 16 }).toBuffer(),
      await pattern().png({ progressive: true }).toBuffer(),
      await pattern().ensureAlpha(0.5).toColourspace('rgb16').png().toBuffer(),
      rawPng({
        width: 9, height: 3, bitDepth: 2, colorType: 3, rows: Array(3).fill([0, 1, 2, 3, 0, 1, 2, 3, 1]),
        palette: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], transparency: [9, 200],
      }),
    ],
    repairPng,
  ),
  JPEG: image(async () => [
    await pattern().jpeg().toBuffer(),
    await pattern().jpeg({ progressive: true, chromaSubsampling: '4:4:4' }).toBuffer(),
    await pattern().greyscale().jpeg({ restartInterval: 2 } as object).toBuffer(),
    await pattern().withExif({ IFD0: { Orientation: '6', Artist: 'x' } }).jpeg().toBuffer(),
  ]),
  WebP: image(async () => [
    await pattern().webp().toBuffer(),
    await pattern().webp({ lossless: true }).toBuffer(),
    await pattern().ensureAlpha(0.4).webp({ alphaQuality: 50 }).toBuffer(),
    await animation(),
  ]),
  CSV: {
    count: 2000,
    fileName: 'pairs.csv',
    seeds: async () => lists.map((text) => Buffer.from(text)),
    read: async (path) => {
      for (const pair of await readPairs(path, SETTINGS)) await withSettings(pair, join(dirname(path), 'out', pair.name));
    },
  },
  config: {
    count: 2000,
    fileName: 'config.json',
    seeds: async () => [Buffer.from(config)],
    read: readTransferConfig,
  },
  checkpoint: {
    count: 2000,
    fileName: '00330.safetensors',
    seeds: async () => checkpoints,
    read: readRunState,
    repair: repairHeaderLength,
  },
};

async function animation(): Promise<Buffer> {
  const frames = [await pattern().png().toBuffer(), await pattern().negate().png().toBuffer()];
  return sharp(frames, { join: { animated: true } }).webp({ delay: [50, 50] }).toBuffer();
}

/** Gives each chunk, as far as they can be followed, the checksum of its damaged content. */
function repairPng(bytes: Buffer): Buffer {
  const out = Buffer.from(bytes);
  for (let at = 8; at + 12 <= out.length; ) {
    const end = at + 12 + out.readUInt32BE(at);
    if (end > out.length) break;
    out.writeUInt32BE(crc32(out.subarray(at + 4, end - 4)), end - 4);
    at = end;
  }
  return out;
}

/** Gives a header that grew or shrank the length that reaches up to the data. */
function repairHeaderLength(bytes: Buffer): Buffer {
  const end = bytes.indexOf('}}', 0, 'latin1');
  if (end < 8) return bytes;
  const out = Buffer.from(bytes);
  out.writeBigUInt64LE(BigInt(Math.ceil((end + 2 - 8) / 8) * 8), 0);
  return out;
}

/** Writes a file where its reader looks for it, and returns its path. */
export function place(folder: string, { fileName }: Reader, bytes: Buffer): string {
  const path = join(folder, fileName);
  writeFileSync(path, bytes);
  return path;
}

export const unchanged = (path: string, bytes: Buffer): boolean => readFileSync(path).equals(bytes);
