/** Reads a log.jsonl that another process may be writing: each time only what was added. */
import { open } from 'node:fs/promises';
import type { LossRow } from '../watch/snapshot.js';

/** A log of a million steps has 20 MB; what is beyond is not looked at. */
const MOST_BYTES = 200e6;

export interface LogTail {
  /** Names of the values, the total first; empty until the first line. */
  readonly terms: readonly string[];
  /** New rows; `rewound` when the file is shorter or another one, and the rows are all there are. A missing file is an empty one. */
  read(): Promise<{ readonly rewound: boolean; readonly rows: readonly LossRow[] }>;
}

const NOT_TERMS = ['step', 'ms'];

export function logTail(path: string): LogTail {
  let [offset, file, rest] = [0, 0, ''];
  let terms: readonly string[] = [];

  const rowOf = (line: string): LossRow[] => {
    const entry = parseLine(line);
    if (typeof entry?.['step'] !== 'number') return [];
    if (terms.length === 0) terms = Object.keys(entry).filter((key) => !NOT_TERMS.includes(key)).sort((a, b) => Number(b === 'total') - Number(a === 'total'));
    const values = terms.map((term) => (typeof entry[term] === 'number' ? (entry[term] as number) : null));
    return [[entry['step'], ...values]];
  };
  const read = async () => {
    const { bytes, inode, size } = await readFrom(path, (found) => (found.inode === file && found.size >= offset ? offset : 0));
    const rewound = file !== 0 && (inode !== file || size < offset);
    if (rewound || file === 0) [offset, rest] = [0, ''];
    file = inode;
    offset += bytes.length;
    // A character cut in two would only be in a line that is not whole either: the log is ASCII.
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

async function readFrom(path: string, startAt: (found: { inode: number; size: number }) => number): Promise<{ bytes: Buffer; inode: number; size: number }> {
  const file = await open(path, 'r').catch(() => undefined);
  if (!file) return { bytes: Buffer.alloc(0), inode: 0, size: 0 };
  try {
    const { ino: inode, size } = await file.stat();
    const start = startAt({ inode, size });
    const bytes = Buffer.alloc(Math.max(0, Math.min(size, MOST_BYTES) - start));
    const { bytesRead } = await file.read(bytes, 0, bytes.length, start);
    return { bytes: bytes.subarray(0, bytesRead), inode, size };
  } finally {
    await file.close();
  }
}

function parseLine(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
