/** Real servers of Redis on free ports of this machine, each with a folder of its own. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { temporaryFolder } from './pictures.js';

export const hasRedis = spawnSync('redis-server', ['--version']).status === 0;
if (!hasRedis) console.log('skipped: a queue needs redis-server, as distributions have it');

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const running = new Set<ChildProcess>();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

export interface RedisServer {
  readonly port: number;
  readonly url: string;
  start(): Promise<void>;
  /** At once, as in a crash. */
  kill(): Promise<void>;
  /** A connection for the test, to be disconnected by it. */
  client(): Redis;
}

/** @param options of the server's command line, besides an append-only file */
export async function redisServer(...options: readonly string[]): Promise<RedisServer> {
  const [port, dir] = [await freePort(), temporaryFolder()];
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', dir, '--appendonly', 'yes', '--save', '', ...options];
  let child: ChildProcess | undefined;
  const client = (): Redis => new Redis(port, '127.0.0.1', { maxRetriesPerRequest: null }).on('error', () => undefined);
  const start = async (): Promise<void> => {
    child = spawn('redis-server', args, { stdio: 'ignore' });
    running.add(child);
    const probe = client();
    for (let answer = ''; answer !== 'PONG'; ) {
      answer = await probe.call('PING').then(String, (error: Error) => error.message);
      if (/NOAUTH/.test(answer)) break;
      await sleep(20);
    }
    probe.disconnect();
  };
  const kill = async (): Promise<void> => {
    const dying = child!;
    const ended = new Promise((resolve) => dying.on('close', resolve));
    dying.kill('SIGKILL');
    await ended;
    running.delete(dying);
  };
  await start();
  return { port, url: `redis://127.0.0.1:${port}/0`, start, kill, client };
}
