/** Sends commands, with the page's token. */
import type { CommandName } from '../snapshot.js';

const token = document.querySelector<HTMLMetaElement>('meta[name=splice-token]')?.content;

/** Whether this page may send commands. */
export const hasCommands = token !== undefined;

const send = (name: string, body?: string): Promise<Response> =>
  fetch(`do/${name}`, { method: 'POST', headers: { 'x-splice-token': token ?? '' }, ...(body !== undefined && { body }) });

/** @throws Error when the run refuses the command, or has ended */
export async function command(name: CommandName): Promise<void> {
  const response = await send(name);
  if (!response.ok) throw new Error(`${name} was refused (${response.status})`);
}

/** Sends label images, or none. @throws Error with what the run says against them */
export async function sendBrushed(images: object): Promise<void> {
  const response = await send('brush', JSON.stringify(images)).catch(() => {
    throw new Error('the run does not answer');
  });
  if (!response.ok) throw new Error((await response.text()).trim());
}
