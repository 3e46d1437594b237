/** Sends commands, with the page's token. */
import type { CommandName } from '../snapshot.js';

const token = document.querySelector<HTMLMetaElement>('meta[name=splice-token]')?.content;

/** Whether this page may send commands. */
export const hasCommands = token !== undefined;

/** @throws Error when the run refuses the command, or has ended */
export async function command(name: CommandName): Promise<void> {
  const response = await fetch(`do/${name}`, { method: 'POST', headers: { 'x-splice-token': token ?? '' } });
  if (!response.ok) throw new Error(`${name} was refused (${response.status})`);
}
