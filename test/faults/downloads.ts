/**
 * Downloads of the sizes that models have, from a server on 127.0.0.1 that cuts the connection. The file is a pattern, made
 * while it is sent, so that the memory is that of the download.
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { download } from '../../cli/models/download.js';
import { downloadProgress } from '../../cli/models/progress.js';
import { random } from '../helpers/random.js';

const PIECE = 1 << 20;
const MOST_MEGABYTES = 150;

const next = random(7);
const noise = Buffer.from(Uint8Array.from({ length: PIECE }, () => Math.floor(256 * next())));

/** Bytes `from` to `to` of the file: noise in which each piece has its number. */
function* content(from: number, to: number): Generator<Buffer> {
  for (let at = from; at < to; ) {
    const [index, begin] = [Math.floor(at / PIECE), at % PIECE];
    const piece = Buffer.from(noise);
    piece.writeUInt32LE(index, 0);
    const end = Math.min(PIECE, begin + to - at);
    yield piece.subarray(begin, end);
    at += end - begin;
  }
}

/** Answers with the rest from the place that is asked for, the first `cuts` times only with a share of it. */
function answers(size: number, cuts: number) {
  let requests = 0;
  const handle = (req: IncomingMessage, res: ServerResponse): void => {
    const begin = Number(/^bytes=(\d+)-$/.exec(req.headers.range ?? '')?.[1] ?? 0);
    const isCut = requests++ < cuts;
    const end = isCut ? begin + Math.floor((size - begin) / 3) : size;
    const range = { 'content-range': `bytes ${begin}-${size - 1}/${size}` };
    res.writeHead(begin > 0 ? 206 : 200, { etag: '"1"', 'content-length': size - begin, ...(begin > 0 && range) });
    const body = Readable.from(content(begin, end));
    body.pipe(res, { end: !isCut });
    // The end of what is sent has to leave the buffers first.
    if (isCut) body.on('end', () => setTimeout(() => res.destroy(), 100));
  };
  return { handle, requests: () => requests };
}

/** The progress that was shown: it never goes back, and ends with the whole. */
function problemsOf(shown: string, size: number): string[] {
  const done = [...shown.matchAll(/(\d+\.\d)\/(\d+\.\d) MB/g)].map(([, part, whole]) => [Number(part), Number(whole)] as const);
  const whole = Number((size / 1e6).toFixed(1));
  return [
    ...(done.length < 2 ? ['hardly any progress was shown'] : []),
    ...(done.some(([part], i) => i > 0 && part < done[i - 1]![0]) ? ['the progress went back'] : []),
    ...(done.at(-1)?.join() === `${whole},${whole}` ? [] : [`the progress ended at ${done.at(-1)?.join(' of ')}`]),
  ];
}

/** Downloads `size` bytes from a server that cuts the connection `cuts` times. The memory is the peak's growth. */
export async function downloadFaults(size: number, cuts: number) {
  const hash = createHash('sha256');
  for (const piece of content(0, size)) hash.update(piece);
  const { handle, requests } = answers(size, cuts);
  const server = createServer(handle);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const folder = mkdtempSync(join(tmpdir(), 'splice-gpu-download-'));
  const [part, url] = [join(folder, 'part'), `http://127.0.0.1:${(server.address() as AddressInfo).port}/vit.pth`];
  let shown = '';
  const { update, finish } = downloadProgress('model', '', { isTTY: true, columns: 100, write: (text) => (shown += text) });
  const [before, began] = [process.resourceUsage().maxRSS, performance.now()];
  try {
    const expected = { bytes: size, sha256: hash.digest('hex') };
    const options = { signal: new AbortController().signal, expected, onProgress: update, pauseMs: 10, silenceMs: 120_000 };
    const error = await download(url, part, options).then(() => undefined, (reason: Error) => reason);
    finish();
    const seconds = (performance.now() - began) / 1000;
    const megabytes = (process.resourceUsage().maxRSS - before) / 1000;
    const problems = [
      ...(error ? [String(error)] : statSync(part).size === size ? [] : ['the file has another size']),
      ...(requests() === cuts + 1 ? [] : [`${requests()} requests for ${cuts} cuts`]),
      ...(megabytes < MOST_MEGABYTES ? [] : [`it took ${megabytes.toFixed(0)} MB`]),
    ];
    return { requests: requests(), seconds, megabytes, failures: [...problems, ...problemsOf(shown, size)] };
  } finally {
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true, force: true });
  }
}
