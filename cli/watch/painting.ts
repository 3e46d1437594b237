/** Regions that are brushed on a page: label images that wait for the run's next step. */
import type { IncomingMessage } from 'node:http';
import { InputError } from '../shared/errors.js';
import { parseJson } from '../shared/files.js';
import type { FeedWriter } from './feed.js';

/** Label images of both photos as PNGs. */
export interface Painted {
  readonly structure: Uint8Array;
  readonly appearance: Uint8Array;
}

/** Checks label images, or that there are to be none any more. @throws Error for people */
export type CheckPainted = (painted: Painted | undefined) => Promise<unknown>;

/** Two of the page's have some kilobytes. */
const MOST_BYTES = 2e6;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

export type Painting = ReturnType<typeof createPainting>;

export function createPainting(feed: FeedWriter) {
  let check: CheckPainted | undefined;
  let waiting: { readonly painted: Painted | undefined } | undefined;
  return {
    /** Says what checks what is brushed from now on; nothing may be brushed when undefined. */
    paints: (by: CheckPainted | undefined): void => {
      check = by;
      const { about } = feed.snapshot();
      if ((about.brush ?? false) !== (by !== undefined)) feed.about({ ...about, brush: by !== undefined });
    },
    /** Takes what was brushed last, if it is new. */
    painted: () => {
      const newest = waiting;
      waiting = undefined;
      return newest;
    },
    /** For the server. @throws Error for people */
    brush: async (painted: Painted | undefined): Promise<void> => {
      if (!check) throw new InputError('this run takes no regions now: only one that trains does, of one photo for each part');
      await check(painted);
      waiting = { painted };
    },
  };
}

/** The label images in a request; none in an empty object. @throws InputError for anything else, and for too much */
export async function readPainted(request: IncomingMessage): Promise<Painted | undefined> {
  const tooMuch = new InputError(`more than ${MOST_BYTES / 1e6} MB of label images: send them with at most 1024 pixels a side`);
  if (Number(request.headers['content-length'] ?? 0) > MOST_BYTES) throw tooMuch; // before anything is read
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > MOST_BYTES) throw tooMuch;
    parts.push(part);
  }
  const given = parseJson(Buffer.concat(parts).toString('latin1'));
  if (given && Object.keys(given).length === 0) return undefined;
  const [structure, appearance] = [given?.['structure'], given?.['appearance']];
  const isPng = (text: unknown): text is string => typeof text === 'string' && BASE64.test(text);
  if (!isPng(structure) || !isPng(appearance)) {
    throw new InputError('no label images: send {"structure": PNG, "appearance": PNG} in base64, or {} for no regions');
  }
  return { structure: Buffer.from(structure, 'base64'), appearance: Buffer.from(appearance, 'base64') };
}
