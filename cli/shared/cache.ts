/** Folder of files that can be fetched or made again. */
import { homedir } from 'node:os';
import { join } from 'node:path';

/** `splice-gpu` in the platform's cache folder. SPLICE_GPU_CACHE or else XDG_CACHE_HOME replaces the platform's folder. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env, platform: string = process.platform): string {
  const own = env['SPLICE_GPU_CACHE'] || env['XDG_CACHE_HOME'];
  return join(own || platformCache(env, platform), 'splice-gpu');
}

function platformCache(env: NodeJS.ProcessEnv, platform: string): string {
  if (platform === 'darwin') return join(homedir(), 'Library', 'Caches');
  if (platform === 'win32') return env['LOCALAPPDATA'] || join(homedir(), 'AppData', 'Local');
  return join(homedir(), '.cache');
}
