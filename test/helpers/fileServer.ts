/** A server on 127.0.0.1 that serves one file, correctly or with faults. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';

export interface Behaviour {
  /** Sends this status and no file. */
  readonly status?: number;
  /** Cuts the connection after this many bytes of the first `cuts` answers, once the client has `seen` them: buffers are lost. */
  readonly cutAfter?: number;
  readonly seen?: () => number;
  readonly cuts?: number;
  /** Ignores ranges: every answer is the whole file. */
  readonly noRange?: boolean;
  /** Content-Length is larger by this many bytes. */
  readonly extraLength?: number;
  /** Bytes after this position are never sent. */
  readonly stallAfter?: number;
  /** Sends not even headers. */
  readonly silent?: boolean;
  /** A range answer begins this many bytes later. */
  readonly shiftRange?: number;
  /** Redirects to this address. */
  readonly redirect?: string;
  /** Changes the file, and its tag, from the second request on. */
  readonly changed?: Buffer;
  /** No Content-Length, no tag. */
  readonly bare?: boolean;
}

/** Removes the machine's own proxies from the environment. */
export function withoutProxies(): void {
  const names = ['http_proxy', 'https_proxy', 'all_proxy', 'no_proxy'];
  for (const name of [...names, ...names.map((name) => name.toUpperCase())]) delete process.env[name];
}

export interface FileServer {
  /** Of a folder; any file name in it is the file. */
  readonly url: string;
  /** `GET /x 206 bytes=5-`, in order. */
  readonly log: string[];
  readonly close: () => Promise<void>;
}

export async function serveFile(file: Buffer, behaviour: Behaviour = {}): Promise<FileServer> {
  const log: string[] = [];
  let cut = 0;
  const handle = (req: IncomingMessage, res: ServerResponse): void => {
    const body = behaviour.changed && log.length > 0 ? behaviour.changed : file;
    const tag = `"${body.length}-${body[0]}"`;
    const ranged = req.headers.range !== undefined && !behaviour.noRange && (req.headers['if-range'] ?? tag) === tag;
    const asked = ranged ? Number(/bytes=(\d+)-/.exec(req.headers.range!)![1]) : 0;
    const begin = ranged ? asked + (behaviour.shiftRange ?? 0) : 0;
    const tooFar = ranged && asked >= body.length;
    const status = behaviour.redirect ? 302 : (behaviour.status ?? (tooFar ? 416 : ranged ? 206 : 200));
    log.push(`${req.method} ${req.url} ${status}${req.headers.range ? ` ${req.headers.range}` : ''}`);
    if (behaviour.silent) return;
    if (behaviour.redirect) return void res.writeHead(302, { location: behaviour.redirect }).end();
    if (status >= 400) return void res.writeHead(status, { 'content-type': 'text/html' }).end('<html>no</html>');
    const part = body.subarray(begin);
    const headers = behaviour.bare ? {} : { 'content-length': part.length + (behaviour.extraLength ?? 0), etag: tag };
    res.writeHead(status, { ...headers, ...(ranged && { 'content-range': `bytes ${begin}-${body.length - 1}/${body.length}` }) });
    if (behaviour.stallAfter !== undefined) {
      res.flushHeaders();
      return void res.write(body.subarray(begin, Math.max(begin, behaviour.stallAfter)));
    }
    if (behaviour.cutAfter !== undefined && cut < (behaviour.cuts ?? Infinity)) {
      cut++;
      res.write(part.subarray(0, behaviour.cutAfter));
      const last = begin + behaviour.cutAfter;
      const timer = setInterval(() => {
        if ((behaviour.seen?.() ?? last) < Math.min(last, body.length)) return;
        clearInterval(timer);
        res.destroy();
      }, 5);
      return;
    }
    res.end(part);
  };
  return listen(createServer(handle), log, '/models');
}

/** A proxy that supports CONNECT; its log has the requests. */
export async function serveProxy(): Promise<FileServer> {
  const log: string[] = [];
  const server = createServer((_, res) => void res.writeHead(400).end());
  server.on('connect', (req: IncomingMessage, socket: Socket) => {
    log.push(`CONNECT ${req.url}`);
    const [host, port] = req.url!.split(':') as [string, string];
    const upstream = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      upstream.pipe(socket).pipe(upstream);
    });
    for (const [a, b] of [[socket, upstream], [upstream, socket]] as const) {
      for (const event of ['error', 'close'] as const) a.on(event, () => b.destroy());
    }
  });
  return listen(server, log, '');
}

async function listen(server: ReturnType<typeof createServer>, log: string[], path: string): Promise<FileServer> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = (): Promise<void> => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(() => resolve()));
  };
  return { url: `http://127.0.0.1:${port}${path}`, log, close };
}
