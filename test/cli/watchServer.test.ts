/** Access to the page's server, and its event stream. */
import { request, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { UsageError } from '../../cli/shared/errors.js';
import type { Controls } from '../../cli/watch/controls.js';
import { createFeed, type FeedWriter } from '../../cli/watch/feed.js';
import { serveWatch, type WatchServer } from '../../cli/watch/server.js';

const ABOUT = { title: 'a as b', facts: [], terms: ['total', 'structure'], again: 'splice-gpu view out' } as const;
const png = (text: string) => async () => Buffer.from(text);

interface Answer {
  readonly code: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

interface Asking {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Sends a request whose path is not normalised, unlike with `fetch`. */
function ask(port: number, path: string, { method = 'GET', headers = {} }: Asking = {}): Promise<Answer> {
  const options = { host: '127.0.0.1', port, path, method, agent: false, headers: { host: `127.0.0.1:${port}`, ...headers } };
  return new Promise((resolve, reject) => {
    const asking = request(options, (response) => {
      let text = '';
      const answer = () => resolve({ code: response.statusCode!, headers: response.headers, text });
      response.setEncoding('utf8').on('data', (part: string) => (text += part)).on('end', answer);
    });
    asking.on('error', reject).end();
  });
}

interface Served {
  readonly feed: FeedWriter;
  readonly server: WatchServer;
  readonly port: number;
  /** Path of the page, with a slash at the end. */
  readonly base: string;
  readonly token: string;
  readonly commands: string[];
}

/** Serves a feed of two pictures and two previews while `use` runs. */
async function served(use: (served: Served) => Promise<void>, withControls = true): Promise<void> {
  const feed = createFeed(ABOUT, { status: 'running', total: 20 });
  feed.losses([[0, 4, 1]]);
  feed.showPicture({ name: 'structure', label: 'Structure' }, png('structure'));
  feed.showPicture({ name: 'result', label: 'Result', step: 10 }, png('first'));
  feed.showPreview(10, png('ten'));
  feed.showPreview(5, png('five'));
  const commands: string[] = [];
  const note = (name: string) => () => void commands.push(name);
  const controls: Controls = { pause: note('pause'), resume: note('resume'), stop: note('stop'), save: note('save') };
  const server = await serveWatch(feed, { port: 0, ...(withControls && { controls }) });
  const url = new URL(server.url);
  const port = Number(url.port);
  const { text } = await ask(port, url.pathname);
  const token = /name="splice-token" content="([^"]+)"/.exec(text)?.[1] ?? '';
  try {
    await use({ feed, server, port, base: url.pathname, token, commands });
  } finally {
    await server.close();
  }
}

test('watch: the page and all it names are served, on the loopback address only', () =>
  served(async ({ port, base, server }) => {
    assert.match(server.url, /^http:\/\/127\.0\.0\.1:\d+\/[\w-]{32}\/$/);
    const page = await ask(port, base);
    assert.equal([page.code, page.headers['content-type']], [200, 'text/html; charset=utf-8']);
    const named = [...page.text.matchAll(/(?:href|src)="([^"]+)"/g)].map(([, name]) => name!);
    assert.ok(named.includes('watch.js') && named.includes('uplot.js') && named.includes('page.css'));
    for (const name of named) {
      const asset = await ask(port, base + name);
      assert.is(asset.code, 200, name);
      assert.not.match(asset.text, /^import\b|\bfrom *["']\.|\bimport\(/m, 'a script is whole');
    }
    assert.not.match(page.text, /https?:|style=|onclick/, 'nothing from other servers, nothing inline');
  }));

test('watch: nothing may be loaded from other servers, framed or cached', () =>
  served(async ({ port, base }) => {
    for (const path of [base, `${base}page.css`, `${base}nothing`, '/']) {
      const { headers } = await ask(port, path);
      assert.match(String(headers['content-security-policy']), /^default-src 'none'; script-src 'self'; style-src 'self'; /);
      assert.match(String(headers['content-security-policy']), /frame-ancestors 'none'$/);
      const found = [headers['x-content-type-options'], headers['referrer-policy'], headers['cache-control']];
      assert.equal(found, ['nosniff', 'no-referrer', 'no-store'], path);
    }
  }));

test('watch: every request for another host is refused', () =>
  served(async ({ port, base, token, commands }) => {
    const foreign = ['evil.example', `evil.example:${port}`, `127.0.0.1.evil.example:${port}`];
    for (const host of [...foreign, '127.0.0.1', `127.0.0.1:${port + 1}`, `[::1]:${port}`]) {
      for (const path of [base, `${base}events`, `${base}picture/result/1`, '/']) {
        const { code, text } = await ask(port, path, { headers: { host } });
        assert.is(code, 403, `${host} ${path}`);
        assert.not.match(text, /splice-token|structure/);
      }
      assert.is((await ask(port, `${base}do/stop`, { method: 'POST', headers: { host, 'x-splice-token': token } })).code, 403);
    }
    assert.equal(commands, []);
    assert.is((await ask(port, base, { headers: { host: `localhost:${port}` } })).code, 200);
  }));

test('watch: without the secret in the address there is nothing', () =>
  served(async ({ port, base }) => {
    const secret = base.slice(1, -1);
    const near = [`/${secret}`, `/${secret.slice(1)}/`, `/${secret}x/`, `/${'A'.repeat(secret.length)}/`];
    const wrong = ['/', '/page.css', '/events', '//', ...near, `/x/${secret}/`, `/?${secret}/`];
    for (const path of wrong) assert.is((await ask(port, path)).code, 404, path);
    assert.is((await ask(port, `${base}?whatever=1`)).code, 200, 'a query is ignored');
  }));

test('watch: pictures are looked up in lists; no path reaches the disk', () =>
  served(async ({ port, base, feed }) => {
    const bodies = async (...paths: string[]) => Promise.all(paths.map(async (path) => (await ask(port, base + path)).text));
    assert.equal(await bodies('picture/structure/1', 'picture/result/1'), ['structure', 'first']);
    assert.equal(await bodies('preview/0/5', 'preview/0/10'), ['five', 'ten']);
    const tricks = [
      '../package.json', '..%2fpackage.json', '%2e%2e/%2e%2e/etc/passwd', 'preview/0/../../../etc/passwd', '/etc/passwd',
      'page/../watch.js', 'watch.js/', '/watch.js', '%77atch.js', 'watch.js%00', 'WATCH.JS', 'page/main.js', 'studio.js',
      'page/page.css', 'page/index.html', 'uplot', 'server.js', 'toString', '__proto__', 'do', 'do/', 'do/toString', 'do/pause/',
      'preview/0/7', 'preview/1/5', 'preview/0/5.png', 'preview/0/-5', 'preview/0/1e1', 'preview/0/00000000005', 'preview/x/5',
      'picture/structure/2', 'picture/structure', 'picture/constructor/1', 'picture/__proto__/1',
    ];
    for (const path of tricks) assert.is((await ask(port, base + path)).code, 404, path);
    assert.is((await ask(port, `${base}\\..\\package.json`)).code, 404);

    const { headers } = await ask(port, `${base}preview/0/5`);
    assert.equal([headers['content-type'], headers['cache-control']], ['image/png', 'private, max-age=31536000, immutable']);
    feed.showPicture({ name: 'result', label: 'Result', step: 11 }, png('second'));
    const old = await ask(port, `${base}picture/result/1`);
    const found = [old.code, old.headers.location, old.text];
    assert.equal(found, [307, `${base}picture/result/2`, ''], 'an old address never shows the new one');
    assert.is(old.headers['cache-control'], 'no-store');
    for (const never of ['0', '3', '01', '1.5', '-1', 'NaN']) {
      assert.is((await ask(port, `${base}picture/result/${never}`)).code, 404, never);
    }
    assert.equal(await bodies('picture/result/2'), ['second']);
    feed.rewind();
    assert.is((await ask(port, `${base}preview/0/5`)).code, 404);
  }));

test('watch: a picture that cannot be read is an error of that request only', () =>
  served(async ({ port, base, feed }) => {
    feed.showPreview(15, () => Promise.reject(new Error('/secret/path is gone')));
    const { code, text } = await ask(port, `${base}preview/0/15`);
    assert.is(code, 500);
    assert.not.match(text, /secret/);
    assert.is((await ask(port, base)).code, 200);
  }));

test('watch: commands need POST, the token and, if it is sent, the right origin', () =>
  served(async ({ port, base, token, commands }) => {
    const send = async (headers: Readonly<Record<string, string>>, method = 'POST', name = 'stop') =>
      (await ask(port, `${base}do/${name}`, { method, headers })).code;
    const good = { 'x-splice-token': token };
    assert.is(token.length, 32);
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS']) assert.is(await send(good, method), 405, method);
    for (const wrong of ['', 'x', token.slice(1), `${token}x`, token.toLowerCase(), base.slice(1, -1)]) {
      assert.is(await send({ 'x-splice-token': wrong }), 403, wrong);
    }
    assert.is(await send({}), 403);
    const near = [`https://127.0.0.1:${port}`, `http://127.0.0.1:${port + 1}`, `http://127.0.0.1:${port}.evil.example`];
    for (const origin of ['http://evil.example', 'null', ...near]) {
      assert.is(await send({ ...good, origin }), 403, origin);
    }
    assert.equal(commands, []);
    assert.is(await send(good), 204);
    assert.is(await send({ ...good, origin: `http://127.0.0.1:${port}` }, 'POST', 'pause'), 204);
    assert.is(await send({ ...good, origin: `http://localhost:${port}` }, 'POST', 'save'), 204);
    assert.equal(commands, ['stop', 'pause', 'save']);
  }));

test('watch: a page without controls has no token and accepts no command', () =>
  served(async ({ port, base, token }) => {
    assert.is(token, '');
    for (const given of ['', 'x', 'undefined']) {
      const { code } = await ask(port, `${base}do/stop`, { method: 'POST', headers: { 'x-splice-token': given } });
      assert.is(code, 403);
    }
  }, false));

test('watch: other addresses allow GET and HEAD only', () =>
  served(async ({ port, base }) => {
    for (const path of ['', 'page.css', 'events', 'preview/0/5', 'nothing']) {
      const { code, headers } = await ask(port, base + path, { method: 'POST' });
      assert.equal([code, headers.allow], [405, 'GET, HEAD'], path);
    }
    const head = await ask(port, `${base}preview/0/5`, { method: 'HEAD' });
    assert.equal([head.code, head.text, head.headers['content-length']], [200, '', '4']);
  }));

test('watch: data that is not HTTP, or endless headers, end that connection only', () =>
  served(async ({ port, base }) => {
    const raw = (text: string) =>
      new Promise<string>((resolve) => {
        let heard = '';
        const socket = connect(port, '127.0.0.1', () => socket.write(text));
        socket.on('data', (part) => (heard += String(part))).on('close', () => resolve(heard)).on('error', () => resolve(heard));
      });
    assert.match(await raw('\0\x01\x02 nonsense\r\n\r\n'), /^HTTP\/1\.1 400/);
    const long = `GET ${base} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`;
    assert.match(await raw(long), /^HTTP\/1\.1 431/);
    assert.match(await raw(`GET ${base} HTTP/1.0\r\n\r\n`), /^HTTP\/1\.1 403/, 'no Host at all');
    assert.is((await ask(port, base)).code, 200);
  }));

interface Received {
  readonly type: string;
  readonly data: any;
}

/** Opens the event stream; `until` waits for an event of a type and returns all events so far. */
function listen({ port, base }: Served): Promise<{ until(type: string): Promise<Received[]>; leave(): void }> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path: `${base}events`, headers: { host: `127.0.0.1:${port}` } };
    const asking = request(options, (response) => {
      assert.is(response.headers['content-type'], 'text/event-stream');
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part)).on('error', () => undefined);
      const events = (): Received[] => [...text.matchAll(/^event: (\w+)\ndata: (.*)\n\n/gm)].map(([, type, data]) =>
        ({ type: type!, data: JSON.parse(data!) }));
      const until = async (type: string): Promise<Received[]> => {
        for (let i = 0; i < 1000; i++) {
          if (events().some((event) => event.type === type)) return events();
          await sleep(5);
        }
        throw new Error(`no ${type} came, only ${events().map((event) => event.type)}`);
      };
      resolve({ until, leave: () => asking.destroy() });
    });
    asking.on('error', reject).end();
  });
}

test('watch: the stream begins with everything, then sends every change; a reader that reconnects misses nothing', () =>
  served(async (it) => {
    const first = await listen(it);
    const [begin] = await first.until('all');
    const { losses, previews, state, about } = begin!.data;
    assert.equal([losses, previews, state.status, about.title], [[[0, 4, 1]], [5, 10], 'running', 'a as b']);
    it.feed.losses([[10, 2, NaN]]);
    it.feed.state({ done: 11 });
    it.feed.showPreview(11, png('eleven'));
    it.feed.showPicture({ name: 'result', label: 'Result', step: 11 }, png('second'));
    const received = await first.until('picture');
    assert.equal(received.map(({ type }) => type), ['all', 'losses', 'state', 'preview', 'picture']);
    const [, rows, changed, preview, picture] = received.map(({ data }) => data);
    assert.equal([rows, changed.done, preview, picture.version], [[[10, 2, null]], 11, 11, 2]);

    first.leave();
    while (it.feed.listeners.size > 0) await sleep(5);
    it.feed.losses([[20, 1, 1]]);
    const again = await listen(it);
    const [all] = await again.until('all');
    assert.equal(all!.data.losses.map(([step]: number[]) => step), [0, 10, 20]);
    assert.equal([all!.data.previews, all!.data.state.done], [[5, 10, 11], 11]);
    again.leave();
  }));

test('watch: a slow reader costs no memory, and gets everything once it has caught up', () =>
  served(async (it) => {
    const asking = `GET ${it.base}events HTTP/1.1\r\nHost: 127.0.0.1:${it.port}\r\n\r\n`;
    const socket = connect(it.port, '127.0.0.1', () => socket.write(asking));
    socket.pause();
    while (it.feed.listeners.size === 0) await sleep(5);
    const note = 'x'.repeat(100_000);
    for (let i = 0; i < 400; i++) {
      it.feed.state({ note, done: i });
      if (i % 20 === 0) await sleep(1);
    }
    it.feed.state({ note: undefined, done: 777 });
    let text = '';
    socket.on('data', (part) => (text += String(part))).resume();
    while (!/"done":777/.test(text)) await sleep(5);
    assert.ok(text.length < 20e6, `${text.length} bytes of 40 MB were kept for it`);
    const [whole, changes] = ['all', 'state'].map((type) => text.split(`event: ${type}\n`).length - 1);
    assert.ok(whole! >= 2 && changes! < 400, `${whole} whole, ${changes} changes`);
    socket.destroy();
  }));

test('watch: closing sends the end of the run and waits until pages leave', async () => {
  await served(async (it) => {
    const page = await listen(it);
    await page.until('all');
    it.feed.state({ status: 'finished', done: 20 });
    it.feed.showPicture({ name: 'result', label: 'Result', step: 20 }, png('last'));
    let closed = false;
    const closing = it.server.close().then(() => (closed = true));
    const received = await page.until('bye');
    assert.equal([received.at(-2)!.type, received.at(-2)!.data.state.status], ['all', 'finished']);
    assert.is((await ask(it.port, `${it.base}picture/result/2`)).text, 'last');
    assert.not(closed);
    page.leave();
    await closing;
    assert.is(await ask(it.port, it.base).then(() => 'answered', ({ code }) => code), 'ECONNREFUSED');
  });
});

test('watch: a port that is in use, and too many pages, are refused', () =>
  served(async (it) => {
    const error = await serveWatch(it.feed, { port: it.port }).then(() => undefined, (reason: Error) => reason);
    assert.instance(error, UsageError);
    assert.match(error!.message, new RegExp(`port ${it.port} is in use: choose another`));
    const pages = await Promise.all(Array.from({ length: 16 }, () => listen(it)));
    assert.match((await ask(it.port, `${it.base}events`)).text, /^16 pages are open already/);
    for (const page of pages) page.leave();
  }));

test.run();
