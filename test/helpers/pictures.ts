/** Pictures made on the fly, temporary folders, and the command line, in this process or in its own. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { deflateSync } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';
import { run } from '../../cli/main.js';
import { errorLine, exitCodeOf } from '../../cli/shared/errors.js';
import type { Image } from '../../model/image.js';

const folders: string[] = [];
process.on('exit', () => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

/** A new folder, removed when the process ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'splice-gpu-test-'));
  folders.push(folder);
  return folder;
}

/** Writes `bytes` as `name` into a new folder and returns the path. */
export function temporaryFile(name: string, bytes: Uint8Array | string): string {
  const path = join(temporaryFolder(), name);
  writeFileSync(path, bytes);
  return path;
}

export interface RawPng {
  readonly width: number;
  readonly height: number;
  readonly bitDepth: 1 | 2 | 4 | 8 | 16;
  /** 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGBA. */
  readonly colorType: 0 | 2 | 3 | 4 | 6;
  /** All samples of a row, in file order. */
  readonly rows: readonly (readonly number[])[];
  readonly palette?: readonly number[];
  /** The bytes of the tRNS chunk. */
  readonly transparency?: readonly number[];
  /** Further chunks, between the header and the palette. */
  readonly chunks?: readonly (readonly [type: string, data: Buffer])[];
}

/** A PNG made by hand, with depths and chunks that encoders do not offer. */
export function rawPng({ width, height, bitDepth, colorType, rows, palette, transparency, chunks = [] }: RawPng): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([bitDepth, colorType], 8);
  const scanlines = rows.map((row) => Buffer.from([0, ...packSamples(row, bitDepth)])); // 0: no filter
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', header),
    ...chunks.map(([type, data]) => chunk(type, data)),
    ...(palette ? [chunk('PLTE', Buffer.from(palette))] : []),
    ...(transparency ? [chunk('tRNS', Buffer.from(transparency))] : []),
    chunk('IDAT', deflateSync(Buffer.concat(scanlines))),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function packSamples(samples: readonly number[], bits: number): number[] {
  if (bits === 16) return samples.flatMap((value) => [value >> 8, value & 255]);
  const perByte = 8 / bits;
  const bytes = Array.from({ length: Math.ceil(samples.length / perByte) }, () => 0);
  samples.forEach((value, i) => {
    bytes[Math.floor(i / perByte)]! |= value << (8 - bits * ((i % perByte) + 1));
  });
  return bytes;
}

export function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const bytes = Buffer.alloc(body.length + 8);
  bytes.writeUInt32BE(data.length, 0);
  bytes.set(body, 4);
  bytes.writeUInt32BE(crc32(body), body.length + 4);
  return bytes;
}

/** CRC-32 of PNG's appendix D, bit by bit. */
export function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let k = 0; k < 8; k++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}

/** A picture whose left half is red and whose right half is blue, darker towards the bottom, for any encoder of sharp. */
export function redBlue(width: number, height: number): Sharp {
  const pixels = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) {
    const level = 250 - Math.floor((150 * Math.floor(i / width)) / height);
    pixels[3 * i + (i % width < width / 2 ? 0 : 2)] = level;
  }
  return sharp(pixels, { raw: { width, height, channels: 3 } });
}

/** The pixel of an image, rounded to 0..255. */
export const pixelAt = ({ width, height, data }: Image, x: number, y: number): number[] =>
  [0, 1, 2].map((c) => Math.round(255 * data[(c * height + y) * width + x]!));

export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command line in this process, with the output that bin.ts prints: starting Node takes a second. */
export async function runCli(args: readonly string[], interrupt = new AbortController().signal): Promise<Finished> {
  const heard = { stdout: '', stderr: '' };
  const stdout = { write: (text: string) => (heard.stdout += text) };
  const stderr = { write: (text: string) => (heard.stderr += text) };
  const code = await run(['node', 'splice-gpu', ...args], { stdout, stderr, interrupt }).catch((error: unknown) => {
    const line = errorLine(error);
    if (line) heard.stderr += `splice-gpu: ${line}\n`;
    return exitCodeOf(error);
  });
  return { code, ...heard };
}

const MAIN = fileURLToPath(new URL('../../cli/bin.js', import.meta.url));

/** Runs `splice-gpu` as a user does. */
export const splice = (args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Finished> =>
  runNode([MAIN, ...args], env);

/** Runs Node and collects its output. */
export function runNode(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Finished> {
  const child = spawn(process.execPath, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  const heard = { stdout: '', stderr: '' };
  child.stdout.on('data', (text) => (heard.stdout += text));
  child.stderr.on('data', (text) => (heard.stderr += text));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? -1, ...heard }));
  });
}
