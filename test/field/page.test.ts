/** What strangers can send to a run's page and terminal: connections without an end, and text with commands to terminals. */
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { errorLine, InputError, UsageError } from '../../cli/shared/errors.js';
import { createProgress, writeLine } from '../../cli/shared/progress.js';
import { table } from '../../cli/shared/table.js';
import { parsePairs } from '../../cli/transfer/batch/pairs.js';
import { createFeed } from '../../cli/watch/feed.js';
import { serveWatch } from '../../cli/watch/server.js';

const STRANGERS = 200;
/** That many are open at once. */
const MOST = 64;

for (const [name, sent] of [
  ['half a header', 'GET / HTTP/1.1\r\nX: '], ['nothing', ''], ['half a body', 'POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n1'],
  ['requests without the secret', 'GET /x/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'],
] as const) {
  test(`page: ${STRANGERS} connections with ${name} are bounded and pass`, async () => {
    const feed = createFeed({ title: 'a as b', facts: [], terms: ['total'], again: 'splice-gpu view out' });
    const server = await serveWatch(feed, { port: 0 });
    try {
      const open = new Set<Socket>();
      for (let i = 0; i < STRANGERS; i++) {
        const socket = connect(Number(new URL(server.url).port), '127.0.0.1', () => void (sent && socket.write(sent)));
        open.add(socket);
        socket.on('error', () => undefined).on('close', () => open.delete(socket)).resume();
      }
      await sleep(1500);
      assert.ok(open.size <= MOST, `${open.size} are open`);
      for (let waited = 0; open.size > 0 && waited < 60; waited++) await sleep(500);
      assert.is(open.size, 0);
      assert.is((await fetch(server.url)).status, 200);
    } finally {
      await server.close();
    }
  });
}

/** What no line for people may have. */
const COMMANDS = /[^\P{Cc}\n]|\p{Bidi_Control}|[\u2028\u2029]/u;

for (const [name, text] of [
  ['colours', 'a\x1b[31mRED'], ['a title', 'b\x1b]0;title\x07'], ['a C1 command', 'c\x9b2J'], ['a return', 'done\rfailed'],
  ['a turn of direction', 'gpj\u202ephoto'], ['a separator of lines', 'a\u2028splice-gpu: all is well'],
  ['a backspace', 'no\b\bok'],
] as const) {
  test(`text: ${name} reaches no terminal`, () => {
    let heard = '';
    const output = { write: (line: string) => (heard += line) };
    createProgress(3, output).note(text);
    createProgress(3, output).update(1, text);
    writeLine(output, text);
    heard += table([['name', 'x'], [text, '1']]);
    for (const error of [new InputError(text), new UsageError(text), new Error(text), text]) heard += errorLine(error);
    assert.not.match(heard, COMMANDS);
    assert.ok(heard.includes(text.slice(0, 1)));
    try {
      parsePairs('/data/pairs.csv', Buffer.from(`structure,appearance,"${text}"\na.png,b.png,c\n`), []);
      assert.unreachable();
    } catch (error) {
      assert.match((error as Error).message, /unknown column|not a valid CSV/);
      assert.not.match(errorLine(error)!, COMMANDS);
    }
  });
}

test('an error of the system names its file and the remedy, wherever it comes from', async () => {
  const error = Object.assign(new Error('EIO: i/o error, unlink'), { code: 'EIO', path: 'out/checkpoints/00002.safetensors' });
  const remedy = 'cannot be read or written, the disk reports an error: check it or choose another path';
  assert.is(errorLine(error), `out/checkpoints/00002.safetensors ${remedy}`);
  assert.match(errorLine(Object.assign(new Error('x'), { code: 'EIO' }))!, /^unexpected: x/);
});

test.run();
