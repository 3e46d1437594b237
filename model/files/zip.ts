/**
 * Finds the files inside a zip archive, as PyTorch writes them: stored, not compressed, with zip64 sizes where needed
 * (https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT). Nothing is unpacked: an entry's bytes are a view of the archive.
 */
import { CheckpointFileError, shown } from './errors.js';

export interface ZipArchive {
  readonly names: readonly string[];
  /** The entry's bytes, checked against its CRC-32. @throws CheckpointFileError when it is compressed, encrypted or damaged */
  read(name: string): Uint8Array;
}

/** Sizes and the position of the local header are in bytes. */
type Entry = Readonly<Record<'flags' | 'method' | 'crc' | 'packed' | 'size' | 'header', number>>;

const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const END64 = 0x06064b50;
const END64_LOCATOR = 0x07064b50;
const FULL32 = 0xffffffff;
/** Bytes of an end record without its comment, and with the longest. */
const END_BYTES = 22;
const END_MOST = END_BYTES + 0xffff;
/** Far above any model's number of tensors; bounds the memory a directory can cost. */
const MAX_ENTRIES = 20_000;
const MAX_NAME = 512;

/** @throws CheckpointFileError when the directory is damaged or names places outside of the archive */
export function openZip(bytes: Uint8Array): ZipArchive {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entries = readDirectory(bytes, view);
  return {
    names: [...entries.keys()],
    read(name) {
      const entry = entries.get(name);
      if (!entry) throw new CheckpointFileError(`the archive has no ${shown(name)}`);
      return readEntry(bytes, view, name, entry);
    },
  };
}

/** The end record is followed by a comment of unknown length, so the search runs from the back. */
function findEnd(view: DataView): number {
  for (let at = view.byteLength - END_BYTES; at >= Math.max(0, view.byteLength - END_MOST); at--) {
    if (view.getUint32(at, true) === END && at + END_BYTES + view.getUint16(at + 20, true) === view.byteLength) return at;
  }
  throw new CheckpointFileError('the zip archive has no end: it is cut short or damaged');
}

const damaged = (what: string): CheckpointFileError => new CheckpointFileError(`the ${what} of the archive is damaged`);

/** Number of entries, and the bytes of the directory. */
function directoryOf(view: DataView, end: number) {
  let [count, size, begin] = [view.getUint16(end + 10, true), view.getUint32(end + 12, true), view.getUint32(end + 16, true)];
  if (count === 0xffff || size === FULL32 || begin === FULL32) {
    const at = end >= 20 && view.getUint32(end - 20, true) === END64_LOCATOR ? long(view, end - 12) : -1;
    if (at < 0 || at + 56 > end || view.getUint32(at, true) !== END64) throw damaged('zip64 end');
    [count, size, begin] = [long(view, at + 32), long(view, at + 40), long(view, at + 48)];
  }
  if (count > MAX_ENTRIES) throw new CheckpointFileError(`the archive claims ${count} entries, at most ${MAX_ENTRIES} are read`);
  if (begin + size <= end) return { count, begin, end: begin + size };
  throw new CheckpointFileError('the directory of the archive ends beyond the file: it is cut short or damaged');
}

function readDirectory(bytes: Uint8Array, view: DataView): Map<string, Entry> {
  const { count, begin, end } = directoryOf(view, findEnd(view));
  const entries = new Map<string, Entry>();
  let [at, total] = [begin, 0];
  for (let i = 0; i < count; i++) {
    if (at + 46 > end || view.getUint32(at, true) !== CENTRAL) throw damaged('directory');
    const [nameBytes, extraBytes] = [view.getUint16(at + 28, true), view.getUint16(at + 30, true)];
    const next = at + 46 + nameBytes + extraBytes + view.getUint16(at + 32, true);
    if (next > end) throw damaged('directory');
    const name = checkedName(bytes.subarray(at + 46, at + 46 + nameBytes));
    if (entries.has(name)) throw new CheckpointFileError(`the archive has two entries ${shown(name)}`);
    const entry = directoryEntry(view, at, at + 46 + nameBytes, extraBytes);
    // A small archive can claim to be a large one if entries share bytes.
    total += entry.packed;
    if (total > view.byteLength) throw new CheckpointFileError('the entries of the archive claim more bytes than the file has');
    entries.set(name, entry);
    at = next;
  }
  return entries;
}

function directoryEntry(view: DataView, at: number, extra: number, extraBytes: number): Entry {
  const [flags, method] = [view.getUint16(at + 8, true), view.getUint16(at + 10, true)];
  const [crc, packed] = [view.getUint32(at + 16, true), view.getUint32(at + 20, true)];
  const [size, header] = [view.getUint32(at + 24, true), view.getUint32(at + 42, true)];
  let [place, end] = zip64Field(view, extra, extra + extraBytes);
  // The zip64 field holds, in this order, only those that did not fit.
  const wide = (value: number): number => {
    if (value !== FULL32) return value;
    if (place + 8 > end) throw new CheckpointFileError('a zip64 size in the archive is missing');
    return long(view, (place += 8) - 8);
  };
  return { flags, method, crc, size: wide(size), packed: wide(packed), header: wide(header) };
}

/** Begin and end of the extra field with id 1, or nothing. */
function zip64Field(view: DataView, begin: number, end: number): [number, number] {
  for (let at = begin; at + 4 <= end; at += 4 + view.getUint16(at + 2, true)) {
    if (view.getUint16(at, true) === 1) return [at + 4, Math.min(end, at + 4 + view.getUint16(at + 2, true))];
  }
  return [end, end];
}

/** Entries are never written to disk, but a bad name shows that the archive is not PyTorch's. */
function checkedName(bytes: Uint8Array): string {
  const name = new TextDecoder().decode(bytes.subarray(0, MAX_NAME));
  const isBad = bytes.length > MAX_NAME || name === '' || /^[/\\]|^[A-Za-z]:|\\|\0/.test(name) || name.split('/').includes('..');
  if (isBad) throw new CheckpointFileError(`the archive has an entry with a bad name, "${shown(name)}"`);
  return name;
}

function readEntry(bytes: Uint8Array, view: DataView, name: string, entry: Entry): Uint8Array {
  const { flags, method, crc, size, packed, header } = entry;
  if (flags & 1) throw new CheckpointFileError(`${shown(name)} in the archive is encrypted`, 'unpack it with its password');
  if (method !== 0 || packed !== size) {
    const problem = `${shown(name)} in the archive is compressed (method ${method}): PyTorch stores it as it is`;
    throw new CheckpointFileError(problem, 'pack the archive again without compression');
  }
  if (header + 30 > bytes.length || view.getUint32(header, true) !== LOCAL) {
    throw new CheckpointFileError(`${shown(name)} is not at the position that the archive gives`);
  }
  const begin = header + 30 + view.getUint16(header + 26, true) + view.getUint16(header + 28, true);
  const end = begin + size;
  if (end > bytes.length) throw new CheckpointFileError(`${shown(name)} ends beyond the archive: it is cut short or damaged`);
  const data = bytes.subarray(begin, end);
  if (crc32(data) === crc) return data;
  throw new CheckpointFileError(`${shown(name)} in the archive is damaged: its CRC-32 does not match`);
}

/** 1980-01-01, the first day that zip knows: equal content has equal bytes. */
const DAY_ONE = 0x0021;
/** What it takes to read an entry: version 2.0. */
const VERSION = 20;

/** An archive of `files`, stored as they are, in their order. At most 4 GiB in all. */
export function writeZip(files: ReadonlyMap<string, Uint8Array>): Uint8Array<ArrayBuffer> {
  const entries = [...files].map(([name, data]) => ({ name: new TextEncoder().encode(name), data, crc: crc32(data) }));
  const localBytes = entries.reduce((sum, { name, data }) => sum + 30 + name.length + data.length, 0);
  const directoryBytes = entries.reduce((sum, { name }) => sum + 46 + name.length, 0);
  const bytes = new Uint8Array(localBytes + directoryBytes + END_BYTES);
  const view = new DataView(bytes.buffer);
  let [at, directory] = [0, localBytes];
  for (const { name, data, crc } of entries) {
    /** What both headers have, from the version on. */
    const common = (begin: number): void => {
      [VERSION, 0, 0, 0, DAY_ONE].forEach((value, i) => view.setUint16(begin + 2 * i, value, true));
      [crc, data.length, data.length].forEach((value, i) => view.setUint32(begin + 10 + 4 * i, value, true));
      view.setUint16(begin + 22, name.length, true);
    };
    view.setUint32(directory, CENTRAL, true);
    view.setUint16(directory + 4, VERSION, true);
    common(directory + 6);
    view.setUint32(directory + 42, at, true);
    bytes.set(name, directory + 46);
    directory += 46 + name.length;

    view.setUint32(at, LOCAL, true);
    common(at + 4);
    bytes.set(name, at + 30);
    bytes.set(data, at + 30 + name.length);
    at += 30 + name.length + data.length;
  }
  view.setUint32(directory, END, true);
  [entries.length, entries.length].forEach((value, i) => view.setUint16(directory + 8 + 2 * i, value, true));
  [directoryBytes, localBytes].forEach((value, i) => view.setUint32(directory + 12 + 4 * i, value, true));
  return bytes;
}

/** A 64-bit number; not exact above 2^53, which is larger than every file. */
const long = (view: DataView, at: number): number => Number(view.getBigUint64(at, true));

/** For four bytes at a time: table `k` is the effect of a byte that k more bytes follow. */
const crcTables = (() => {
  const tables = [0, 1, 2, 3].map(() => new Uint32Array(256));
  for (let i = 0; i < 256; i++) {
    let c = i;
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
    tables[0]![i] = c;
  }
  for (const [k, before] of tables.slice(0, 3).entries()) {
    before.forEach((c, i) => (tables[k + 1]![i] = (c >>> 8) ^ tables[0]![c & 255]!));
  }
  return tables as [Uint32Array, Uint32Array, Uint32Array, Uint32Array];
})();

/** CRC-32 as zip and PNG use it: polynomial 0xedb88320, reflected. */
export function crc32(bytes: Uint8Array): number {
  const [t0, t1, t2, t3] = crcTables;
  let c = FULL32;
  let i = 0;
  for (; i + 4 <= bytes.length; i += 4) {
    c ^= bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
    c = t3[c & 255]! ^ t2[(c >>> 8) & 255]! ^ t1[(c >>> 16) & 255]! ^ t0[c >>> 24]!;
  }
  for (; i < bytes.length; i++) c = (c >>> 8) ^ t0[(c ^ bytes[i]!) & 255]!;
  return ~c >>> 0;
}
