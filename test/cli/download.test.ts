/** Downloads against a server on 127.0.0.1 that does everything wrong that servers do. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { InputError } from '../../cli/shared/errors.js';
import { sha256 } from '../../cli/shared/files.js';
import { download, type DownloadOptions } from '../../cli/models/download.js';
import { downloadLine, downloadProgress } from '../../cli/models/progress.js';
import { proxyFor } from '../../cli/models/proxy.js';
import { serveFile, serveProxy, withoutProxies, type Behaviour } from '../helpers/fileServer.js';
import { temporaryFolder } from '../helpers/pictures.js';

withoutProxies();

const file = Buffer.from(Uint8Array.from({ length: 200_000 }, (_, i) => (i * 7919) >> 3));
const right = { bytes: file.length, sha256: sha256(file) };
const quiet: DownloadOptions = { signal: new AbortController().signal, expected: right, onProgress: () => undefined };

interface Tried {
  readonly log: string[];
  readonly part: string;
  readonly result?: { bytes: number; sha256: string };
  readonly error?: Error;
  readonly progress: number[];
}

const newPart = (): string => join(temporaryFolder(), 'x.part');

async function tryDownload(behaviour: Behaviour, change: Partial<DownloadOptions> = {}, part = newPart()): Promise<Tried> {
  const progress: number[] = [];
  const server = await serveFile(file, { ...behaviour, seen: () => progress.at(-1) ?? 0 });
  const options: DownloadOptions = {
    ...quiet, pauseMs: 1, answerMs: 20_000, silenceMs: 20_000, attempts: 3, onProgress: (done) => progress.push(done), ...change,
  };
  const url = `${server.url}/vit.pth`;
  const outcome = await download(url, part, options).then((result) => ({ result }), (error: Error) => ({ error }));
  await server.close();
  return { ...outcome, log: server.log, part, progress };
}

const fails = ({ error }: Tried, text: RegExp): void => {
  assert.instance(error, InputError, String(error?.stack));
  assert.match(error!.message, text);
  assert.not.match(error!.message, /\n/);
};

/** Nothing is left that could be taken for the file, or for a part of it. */
const leavesNothing = ({ part }: Tried): void => {
  assert.not(existsSync(part));
  assert.not(existsSync(`${part}.json`));
};

test('download: a whole file at once', async () => {
  const { result, part, log, progress } = await tryDownload({});
  assert.equal(result, right);
  assert.is(Buffer.compare(readFileSync(part), file), 0);
  assert.equal(readdirSync(join(part, '..')), ['x.part']);
  assert.equal(log, ['GET /models/vit.pth 200']);
  assert.is(progress.at(-1), file.length);
});

test('download: cut connections are resumed', async () => {
  const { result, part, log } = await tryDownload({ cutAfter: 60_000, cuts: 3 });
  assert.equal(result, right);
  assert.is(Buffer.compare(readFileSync(part), file), 0);
  assert.is(log.length, 4);
  assert.match(log[1]!, / 206 bytes=[1-9]\d*-$/);
  const starts = log.slice(1).map((line) => Number(/bytes=(\d+)-/.exec(line)![1]));
  assert.equal(starts, [...starts].sort((a, b) => a - b));
});

test('download: the part that arrived is kept for the next run', async () => {
  const cut = await tryDownload({ cutAfter: 50_000 }, { attempts: 1 });
  fails(cut, /could not be fetched: the connection was cut.*try again later \(the part that arrived is kept\)/);
  const { result, log } = await resumed(cut.part);
  assert.equal(result, right);
  assert.match(log[0]!, /206 bytes=[1-9]\d*-/);
});

/** A second run at the same address: the port must be the same for the part to count. */
async function resumed(part: string): Promise<{ result: { bytes: number; sha256: string }; log: string[] }> {
  const server = await serveFile(file);
  const state = JSON.parse(readFileSync(`${part}.json`, 'utf8')) as { url: string; validator: string };
  const url = `${server.url}/vit.pth`;
  writeFileSync(`${part}.json`, JSON.stringify({ ...state, url }));
  const result = await download(url, part, quiet);
  await server.close();
  return { result, log: server.log };
}

test('download: a part from another address is not resumed', async () => {
  const { part } = await tryDownload({ cutAfter: 50_000 }, { attempts: 1 });
  const { result, log } = await tryDownload({}, {}, part);
  assert.equal([result, log], [right, ['GET /models/vit.pth 200']]);
});

test('download: servers without ranges, without lengths, with a changed file, with a wrong range', async () => {
  const noRange = await tryDownload({ noRange: true, cutAfter: 60_000, cuts: 1 });
  assert.equal([noRange.result, noRange.log.map((line) => line.slice(20, 23))], [right, ['200', '200']]);
  assert.equal((await tryDownload({ bare: true })).result, right);
  const bare = await tryDownload({ bare: true, cutAfter: 60_000, cuts: 1 });
  assert.equal(bare.result, right);
  const changed = Buffer.from(file).fill(9, 0, 10);
  const other = await tryDownload({ cutAfter: 60_000, cuts: 1, changed }, { expected: { bytes: file.length } });
  assert.is(other.result!.sha256, sha256(changed));
  assert.match(other.log[1]!, /^GET \/models\/vit\.pth 200 \S+$/);
  const shifted = await tryDownload({ cutAfter: 60_000, cuts: 1, shiftRange: 5 });
  assert.equal(shifted.result, right);
});

test('download: a 404 is reported at once, a busy server is asked again', async () => {
  const missing = await tryDownload({ status: 404 });
  fails(missing, /the server answered 404 Not Found; name a --mirror, or get the file from another source/);
  assert.is(missing.log.length, 1);
  leavesNothing(missing);
  const busy = await tryDownload({ status: 503 });
  fails(busy, /the server answered 503/);
  assert.is(busy.log.length, 3);
});

test('download: a wrong checksum or length is never kept', async () => {
  const checksum = await tryDownload({}, { expected: { sha256: '0'.repeat(64) } });
  fails(checksum, /is not the expected file: its SHA-256 is [0-9a-f]{64} instead of 0{64}; it was removed/);
  leavesNothing(checksum);
  const short = await tryDownload({}, { expected: { bytes: file.length + 1 } });
  fails(short, /it has 200000 bytes instead of 200001/);
  leavesNothing(short);
  const long = await tryDownload({}, { expected: { bytes: 1000 } });
  fails(long, /it has 200000 bytes instead of 1000/);
  leavesNothing(long);
  const endless = await tryDownload({ bare: true }, { expected: { bytes: 1000 } });
  fails(endless, /more than 1000 bytes/);
  const lying = await tryDownload({ extraLength: 50 }, { expected: {}, attempts: 2, silenceMs: 300 });
  fails(lying, /could not be fetched/);
});

test('download: a server that sends nothing, or stops', async () => {
  fails(await tryDownload({ silent: true }, { answerMs: 100, attempts: 2 }), /nothing arrived for 0\.1 s/);
  const stalled = await tryDownload({ stallAfter: 1000 }, { silenceMs: 100, attempts: 2 });
  fails(stalled, /nothing arrived for 0\.1 s.*the part that arrived is kept/);
});

test('download: no server listens', async () => {
  const server = await serveFile(file);
  await server.close();
  const error = await download(`${server.url}/x`, newPart(), { ...quiet, expected: {}, attempts: 2, pauseMs: 1 })
    .then(() => undefined, (reason: Error) => reason);
  assert.match(error!.message, /the connection was refused/);
});

test('download: Ctrl-C ends it, and the part stays', async () => {
  const controller = new AbortController();
  const interrupted = { signal: controller.signal, onProgress: () => controller.abort() };
  const { error, part } = await tryDownload({ stallAfter: 5000 }, interrupted);
  assert.is(error!.name, 'AbortError');
  assert.ok(readFileSync(part).length > 0);
});

test('download: redirects are followed, but not in circles', async () => {
  const target = await serveFile(file);
  assert.equal((await tryDownload({ redirect: `${target.url}/elsewhere.pth` })).result, right);
  assert.equal(target.log, ['GET /models/elsewhere.pth 200']);
  await target.close();
  fails(await tryDownload({ redirect: '/models/again' }), /more than 5 times/);
  fails(await tryDownload({ redirect: 'file:///etc/passwd' }), /less safe: refused/);
});

test('download: through the proxy that the variables name', async () => {
  const proxy = await serveProxy();
  process.env['HTTP_PROXY'] = proxy.url;
  try {
    assert.equal((await tryDownload({})).result, right);
    assert.match(proxy.log.join(), /^CONNECT 127\.0\.0\.1:\d+$/);
    process.env['NO_PROXY'] = '127.0.0.1';
    assert.equal((await tryDownload({})).result, right);
    assert.is(proxy.log.length, 1);
  } finally {
    delete process.env['HTTP_PROXY'];
    delete process.env['NO_PROXY'];
    await proxy.close();
  }
});

test('proxy: the variable for each address', () => {
  const of = (url: string, env: Record<string, string>) => proxyFor(new URL(url), env);
  assert.is(of('https://a.org/x', { HTTP_PROXY: 'http://p:1' }), undefined);
  assert.is(of('https://a.org/x', { HTTPS_PROXY: 'http://p:1' }), 'http://p:1');
  assert.is(of('https://a.org/x', { https_proxy: 'p:1', HTTPS_PROXY: 'http://q:2' }), 'http://p:1');
  assert.is(of('http://a.org/x', { ALL_PROXY: 'http://p:1' }), 'http://p:1');
  const except = (list: string, host = 'a.org') => of(`https://${host}/x`, { HTTPS_PROXY: 'http://p:1', NO_PROXY: list });
  for (const list of ['*', 'a.org', '.a.org', '*.a.org', 'b.org, a.org', 'a.org:443']) assert.is(except(list), undefined, list);
  for (const list of ['b.org', 'org.a', 'a.org:8080', 'ba.org']) assert.is(except(list), 'http://p:1', list);
  assert.is(except('a.org', 'dl.a.org'), undefined);
});

test('download progress: a bar on a terminal, few lines otherwise', () => {
  assert.is(downloadLine('m', 50e6, 100e6, 5e6), `m [${'#'.repeat(12)}${'-'.repeat(12)}] 50.0/100.0 MB  5.0 MB/s  0:10 left`);
  assert.is(downloadLine('m', 50e6, undefined, undefined), 'm 50.0 MB');
  let [time, text] = [0, ''];
  const plain = downloadProgress('m', '', { write: (t) => (text += t) }, () => time);
  for (let i = 1; i <= 300; i++) {
    time += 100;
    plain.update(i * 1e6, 300e6);
  }
  assert.is(text.split('\n').length, 3, text);
});

test.run();
