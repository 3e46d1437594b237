/** The device of the page, opened when it is needed and again when it was lost. Runs in a worker. */
import { createEngine, deviceDescriptor, type Engine } from '../../../engine/index.js';

export interface Opened {
  readonly engine: Engine;
  /** For people. */
  readonly name: string;
}

let opened: Promise<Opened> | undefined;

/** The same device every time, or a new one after it was lost. @throws Error with the remedy where there is none */
export function openDevice(): Promise<Opened> {
  opened ??= open();
  opened.catch(() => (opened = undefined));
  return opened;
}

/** The next call of `openDevice` opens another one. */
export const forgetDevice = (): void => void (opened = undefined);

async function open(): Promise<Opened> {
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) throw new Error('this browser offers no GPU to WebGPU: update the driver, or switch on hardware acceleration');
  const device = await adapter.requestDevice(deviceDescriptor(adapter));
  const engine = createEngine(device, { label: 'studio' });
  void device.lost.then(forgetDevice);
  const { description, vendor, architecture } = adapter.info;
  return { engine, name: description || [vendor, architecture].filter(Boolean).join(' ') || 'GPU' };
}
