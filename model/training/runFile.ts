/**
 * A run of one pair as one file, a zip archive: what the command line has in a run's folder, and what a page trains on. A run
 * can move between them and computes the same steps as one that never moved. Nothing in such a file is trusted.
 */
import { CheckpointFileError } from '../files/errors.js';
import { isObject } from '../files/json.js';
import { parseSafetensors, serializeSafetensors } from '../files/safetensors.js';
import { openZip, writeZip } from '../files/zip.js';
import type { Image } from '../image.js';
import type { Labels, Regions } from '../method/regions.js';
import { withoutUnused, type SpliceOptions } from '../method/options.js';
import { settingsText, type Fields } from '../method/saved.js';
import type { VitConfig } from '../vit/config.js';
import {
  checkpointBytes, checkpointOf, checkpointParts, hashed, parseCheckpoint, type Checkpoint, type Identity,
} from './checkpoint.js';
import { logLine } from './log.js';
import { stepsIn, type StepLosses } from './run.js';

/** SHA-256 of all parts together, in hex. Declarations for users name no Uint8Array<ArrayBuffer>: TypeScript 5.6 has none. */
export type Sha256 = (parts: readonly Uint8Array[]) => Promise<string>;

/** Of both photos. */
type Pair<T> = Readonly<Record<'structure' | 'appearance', T>>;

/** The files of a run; the paths of photos in `config` are names in the archive. */
export interface RunFile {
  /** config.json. */
  readonly config: Fields;
  readonly log: readonly StepLosses[];
  /** The photos' own files. */
  readonly photos: ReadonlyMap<string, Uint8Array>;
  /** The photos as they are trained on, where they are not the pixels of their files. */
  readonly pixels?: Pair<Image>;
  /** Brushed in a page, at the sizes of the pixels. */
  readonly regions?: Regions;
  readonly checkpoint?: Checkpoint;
}

const CONFIG = 'config.json';
const LOG = 'log.jsonl';
const PIXELS = 'pixels.safetensors';
const REGIONS = 'regions.safetensors';
const CHECKPOINT = /^checkpoints\/\d{5,}\.safetensors$/;
/** A name that a folder can take: nothing in it leads elsewhere. */
export const PHOTO = /^photos\/(structure|appearance)\.(png|jpeg|webp|avif)$/;
/** Of the log of the longest runs, and of a config. */
const MOST_TEXT = 64e6;

/** What a resume must find unchanged. @param size shorter side that photos are scaled to; absent: their own */
export const pairIdentity = (
  sha256: Pair<string> & { readonly weights: string }, config: VitConfig, splice: SpliceOptions, size?: number,
): Identity => ({
  'structure photo': sha256.structure,
  'appearance photo': sha256.appearance,
  'ViT weights': sha256.weights,
  'ViT settings': JSON.stringify(config),
  settings: settingsText({ ...withoutUnused(splice), size: size ?? null }),
});

const encode = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);

/** The bytes of the file. The log's part in the checkpoint is the whole log. */
export async function packRun(run: RunFile, sha256: Sha256): Promise<Uint8Array> {
  const { config, log, photos, pixels, regions, checkpoint } = run;
  const lines = encode(log.map(logLine).join(''));
  const files = new Map([[CONFIG, encode(`${JSON.stringify(config, null, 2)}\n`)], [LOG, lines], ...photos]);
  if (pixels) files.set(PIXELS, pixelBytes(pixels));
  if (regions) files.set(REGIONS, regionBytes(regions));
  if (checkpoint) {
    const parts = checkpointParts({ ...checkpoint, logBytes: lines.length, logSha256: await sha256([lines]) });
    const steps = String(stepsIn(checkpoint.state)).padStart(5, '0');
    files.set(`checkpoints/${steps}.safetensors`, checkpointBytes(parts, await sha256(hashed(parts))));
  }
  return writeZip(files);
}

/** @throws CheckpointFileError or Error, in a line, for a file that is not whole or no run */
export async function openRun(bytes: Uint8Array, sha256: Sha256): Promise<RunFile> {
  const archive = openZip(bytes);
  const text = (name: string): string => new TextDecoder().decode(archive.read(name).subarray(0, MOST_TEXT));
  const config: unknown = archive.names.includes(CONFIG) ? JSON.parse(text(CONFIG)) : undefined;
  if (!isObject(config)) throw new CheckpointFileError('it is no run', 'save one in the studio, or with studio --pack');
  const lines = text(LOG);
  const name = archive.names.find((each) => CHECKPOINT.test(each));
  const found = name === undefined ? undefined : parseCheckpoint(archive.read(name).slice());
  const checkpoint = found && checkpointOf(found.parts, found.sha256 === (await sha256(hashed(found.parts))));
  if (checkpoint?.logSha256 !== undefined && checkpoint.logSha256 !== (await sha256([encode(lines)]))) {
    throw new CheckpointFileError('the log is not as it was when the checkpoint was written', 'save the run again');
  }
  return {
    config, log: lines.split('\n').filter(Boolean).map((line) => JSON.parse(line) as StepLosses),
    photos: new Map(archive.names.filter((each) => PHOTO.test(each)).map((each) => [each, archive.read(each)])),
    ...(archive.names.includes(PIXELS) && { pixels: readPixels(archive.read(PIXELS).slice()) }),
    ...(archive.names.includes(REGIONS) && { regions: readRegions(archive.read(REGIONS).slice()) }),
    ...(checkpoint && { checkpoint }),
  };
}

const pixelBytes = ({ structure, appearance }: Pair<Image>): Uint8Array<ArrayBuffer> =>
  serializeSafetensors(new Map(Object.entries({ structure, appearance }).map(([name, { width, height, data }]) =>
    [name, { shape: [3, height, width], data }]))) as Uint8Array<ArrayBuffer>;

function readPixels(bytes: Uint8Array): Pair<Image> {
  const { tensors } = parseSafetensors(bytes);
  const image = (name: string): Image => {
    const { shape: [channels, height, width] = [], data } = tensors.get(name) ?? {};
    if (channels === 3 && height && width && data) return { width, height, data };
    throw new CheckpointFileError(`${PIXELS} has no picture ${name}`, 'save the run again');
  };
  return { structure: image('structure'), appearance: image('appearance') };
}

function regionBytes({ count, structure, appearances }: Regions): Uint8Array<ArrayBuffer> {
  const labels = ({ width, height, data }: Labels) => ({ shape: [height, width], data: Float32Array.from(data) });
  const pair = { structure: labels(structure), appearance: labels(appearances[0]!) };
  const tensors = { count: { shape: [1], data: Float32Array.of(count) }, ...pair };
  return serializeSafetensors(new Map(Object.entries(tensors))) as Uint8Array<ArrayBuffer>;
}

function readRegions(bytes: Uint8Array): Regions {
  const { tensors } = parseSafetensors(bytes);
  const count = tensors.get('count')?.data[0] ?? 0;
  const labels = (name: string): Labels => {
    const { shape: [height, width] = [], data } = tensors.get(name) ?? {};
    const isLabel = (value: number): boolean => Number.isInteger(value) && value >= 0 && value <= count;
    if (height && width && data?.every(isLabel) && count < 256) return { width, height, data: Uint8Array.from(data) };
    throw new CheckpointFileError(`${REGIONS} has no regions of ${name}`, 'save the run again');
  };
  return { count, structure: labels('structure'), appearances: [labels('appearance')] };
}
