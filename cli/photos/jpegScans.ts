/** The scans of a JPEG: a progressive one shows a whole picture after the first of them, and libjpeg misses no later one. */

const SOS = 0xda, PROGRESSIVE = 0xc2;
/** Coefficients of a block. */
const COEFFICIENTS = 64;

/** Segments with a marker and a length, also those after a scan's data. */
function* segmentsOf(bytes: Buffer): Generator<{ readonly marker: number; readonly data: Buffer }> {
  for (let at = bytes.indexOf(0xff, 2); at >= 0 && at + 4 <= bytes.length; at = bytes.indexOf(0xff, at)) {
    const marker = bytes[at + 1]!;
    // Inside of data: an escaped 0xff, a restart mark, or fill.
    if (marker === 0 || marker === 0xff || (marker >= 0xd0 && marker <= 0xd9)) {
      at += marker === 0xff ? 1 : 2;
      continue;
    }
    const end = at + 2 + bytes.readUInt16BE(at + 2);
    if (end > bytes.length) return;
    yield { marker, data: bytes.subarray(at + 4, end) };
    at = end;
  }
}

/** Whether scans bring every coefficient of every component to its last bit, as far as a progressive JPEG's headers say. */
export function hasAllScans(bytes: Buffer): boolean {
  let components = 0;
  const finished = new Set<string>();
  for (const { marker, data } of segmentsOf(bytes)) {
    if (marker === PROGRESSIVE) components = data[5] ?? 0;
    if (marker !== SOS) continue;
    const count = data[0] ?? 0;
    const [first, last, bits] = [data[1 + 2 * count] ?? 0, data[2 + 2 * count] ?? 0, data[3 + 2 * count] ?? 0];
    if ((bits & 15) !== 0) continue;
    for (let i = 0; i < count; i++) {
      for (let k = first; k <= Math.min(last, COEFFICIENTS - 1); k++) finished.add(`${data[1 + 2 * i]} ${k}`);
    }
  }
  return components === 0 || finished.size === components * COEFFICIENTS;
}
