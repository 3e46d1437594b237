/** A network between a client and a server of this machine that can be cut. */
import { connect, createServer, type Socket } from 'node:net';

export interface Proxy {
  readonly port: number;
  /** From now on nothing comes through, and nobody is told: as a cable that is pulled. */
  cut(): void;
  /** Connections that were cut end; new ones come through. */
  heal(): void;
  close(): void;
}

export async function proxyTo(port: number): Promise<Proxy> {
  const sockets = new Set<Socket>();
  let isCut = false;
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    for (const [from, to] of [[near, far], [far, near]] as const) {
      sockets.add(from);
      from.on('error', () => undefined).on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
      from.on('data', (bytes) => void (isCut || to.write(bytes)));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const end = (): void => sockets.forEach((socket) => socket.destroy());
  return {
    port: (server.address() as { port: number }).port,
    cut: () => void (isCut = true),
    heal: () => {
      isCut = false;
      end();
    },
    close: () => {
      end();
      server.close();
    },
  };
}
