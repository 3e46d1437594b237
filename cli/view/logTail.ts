/** Reads a log.jsonl that another process may be writing: each time only the new lines. */
import { parseJson } from '../shared/files.js';
import { openAtOnce } from '../shared/read.js';
import type { LossRow } from '../watch/snapshot.js';

/** A log of a million steps has 20 MB; more is not read. */
const MOST_BYTES = 200e6;

export interface LogTail {
  /** Names of the values, the total first; empty until the first line. */
  readonly terms: readonly string[];
  /** New rows, or all rows and `rewound` when the file has become shorter or is another one. A missing file counts as empty. */
  read(): Promise<{ readonly rewound: boolean; readonly rows: readonly LossRow[] }>;
}

const NOT_TERMS = ['step', 'ms'];

export function logTail(path: string): LogTail {
  let [offset, file, rest] = [0, 0, ''];
  let terms: readonly string[] = [];

  const rowOf = (line: string): LossRow[] => {
    const entry = parseJson(line);
    const step = entry?.['step'] as number;
    if (!entry || !Number.isSafeInteger(step) || step < 0) return [];
    if (terms.length === 0) {
      const names = Object.keys(entry).filter((key) => !NOT_TERMS.includes(key));
      terms = names.sort((a, b) => Number(b === 'total') - Number(a === 'total'));
    }
    const values = terms.map((term) => (typeof entry[term] === 'number' ? (entry[term] as number) : null));
    return [[step, ...values]];
  };
  const read = async () => {
    const { bytes, inode, size } = await readFrom(path, (found) => (found.inode === file && found.size >= offset ? offset : 0));
    const rewound = file !== 0 && (inode !== file || size < offset);
    if (rewound || file === 0) [offset, rest] = [0, ''];
    file = inode;
    offset += bytes.length;
    // The log is ASCII, so that no character is cut in two.
    const lines = (rest + bytes.toString('latin1')).split('\n');
    rest = lines.pop()!;
    return { rewound, rows: lines.flatMap(rowOf) };
  };
  return {
    get terms() {
      return terms;
    },
    read,
  };
}

interface Found {
  readonly inode: number;
  readonly size: number;
}

async function readFrom(path: string, startAt: (found: Found) => number): Promise<Found & { readonly bytes: Buffer }> {
  const nothing = { bytes: Buffer.alloc(0), inode: 0, size: 0 };
  const file = await openAtOnce(path).catch(() => undefined);
  if (!file) return nothing;
  try {
    const info = await file.stat();
    if (!info.isFile()) return nothing;
    const { ino: inode, size } = info;
    const start = startAt({ inode, size });
    const bytes = Buffer.alloc(Math.max(0, Math.min(size, MOST_BYTES) - start));
    const { bytesRead } = await file.read(bytes, 0, bytes.length, start);
    return { bytes: bytes.subarray(0, bytesRead), inode, size };
  } finally {
    await file.close();
  }
}
