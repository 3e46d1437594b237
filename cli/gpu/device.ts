/** Opens a GPU through Dawn's Node bindings, with all that its adapter offers. */
import { readFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import type { MatrixUnits } from '../../engine/index.js';
import { GPU_MEMORY, type Room } from '../../model/training/sizes.js';
import { NoAdapterError } from '../shared/errors.js';
import { mesaSettings } from './mesa.js';

/** The facts about an adapter that records keep. */
export interface AdapterSummary {
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  readonly driver: string;
  /** Computed by the processor: correct numbers, low speed. */
  readonly software: boolean;
  /** The matrix units that kernels use, such as `f16 16x16x16`. */
  readonly units?: string;
}

/** What decides the sizes that a device can train at: the same for every run on a machine. */
export interface DeviceFacts extends Room {
  /** Processors, on which a software adapter computes. */
  readonly cores: number;
}

/** An adapter's name for people. */
export const nameOfDevice = ({ device, driver, software }: AdapterSummary): string =>
  `${device || driver}${software ? ' (software: slow)' : ''}`;

/** What a device is opened for: see `deviceDescriptor`. */
export interface DeviceUse {
  readonly precision?: 'f32' | 'f16';
  /** False leaves matrix units out, as a run did that is resumed. */
  readonly units?: boolean;
}

/** Kept forever: Dawn crashes when one is collected while in use, https://github.com/dawn-gpu/node-webgpu/issues/18 */
const held: GPU[] = [];

/** @throws NoAdapterError with what to install */
export async function openAdapter(): Promise<GPUAdapter> {
  const adapter = await (await dawn()).requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) throw new NoAdapterError(`no WebGPU adapter works on this machine: ${driverAdvice()}`);
  return adapter;
}

/** @throws NoAdapterError with what to install */
export async function deviceFacts(): Promise<DeviceFacts> {
  const { info: { isFallbackAdapter: software }, limits } = await openAdapter();
  const memory = software ? totalmem() / 2 : GPU_MEMORY;
  return { software, cores: availableParallelism(), memory, largestBinding: limits.maxStorageBufferBindingSize };
}

interface OpenedDevice {
  readonly adapter: GPUAdapter;
  readonly device: GPUDevice;
  readonly units?: MatrixUnits;
}

/** A device of the most capable adapter, with its real limits. @throws NoAdapterError with what to install */
export async function openDevice(use: DeviceUse = {}): Promise<OpenedDevice> {
  const adapter = await openAdapter();
  const { deviceDescriptor, unitsOf } = await import('../../engine/index.js');
  const device = await adapter.requestDevice(deviceDescriptor(adapter, use));
  const units = unitsOf(device, adapter.info);
  return { adapter, device, ...(units && { units }) };
}

/** Every adapter that Dawn finds, such as `vulkan: NVIDIA H200`. */
export async function listAdapters(): Promise<string[]> {
  const unknown = await dawn(['adapter=?']);
  // Dawn has no call for this, but its error for an adapter that does not exist lists those that do.
  const answer = await unknown.requestAdapter().then(() => '', (error: Error) => error.message);
  return [...answer.matchAll(/backend: '(.*?)', name: '(.*?)'/g)].map(([, backend, name]) => `${backend}: ${name}`);
}

/** @param units those that kernels use */
export function summarize({ info }: GPUAdapter, units?: MatrixUnits): AdapterSummary {
  const { vendor, architecture, device, description } = info;
  const named = units && { units: nameOfUnits(units) };
  return { vendor, architecture, device, driver: description, software: info.isFallbackAdapter, ...named };
}

/** `f16 16x16x16`: the type of the operands, then M, N and K. */
export const nameOfUnits = ({ type, M, N, K }: MatrixUnits): string => `${type} ${M}x${N}x${K}`;

/** Advice on what to install on this system. */
export function driverAdvice(platform: string = process.platform, release: string = osRelease()): string {
  if (platform === 'darwin') return 'macOS 13 or later with Metal is needed';
  if (platform === 'win32') return "install the graphics card maker's current driver (Direct3D 12 is needed)";
  const packages = installs.find(([system]) => new RegExp(`^ID(_LIKE)?=.*${system}`, 'm').test(release))?.[1];
  const driver = packages ?? "your system's packages of the Vulkan loader and of Mesa's Vulkan drivers, 23 or later";
  return `install ${driver}, which needs no GPU, or the graphics card maker's Vulkan driver`;
}

const installs: readonly (readonly [string, string])[] = [
  // Mesa 22.3 of Debian 12 lacks a feature that Dawn requires.
  ['(debian|ubuntu)', 'libvulkan1 and mesa-vulkan-drivers with apt-get (on Debian 12 from bookworm-backports)'],
  ['(fedora|rhel)', 'vulkan-loader and mesa-vulkan-drivers with dnf'],
  ['arch', 'vulkan-icd-loader and vulkan-swrast with pacman'],
  ['suse', 'libvulkan1 and libvulkan_lvp with zypper'],
];

/** Dawn hides float16 on Nvidia's Vulkan driver by default; only --precision f16 uses it. */
const HALF = 'vulkan_enable_f16_on_nvidia';
/** Dawn offers its experimental features, of which matrix units are one, only with this. A device has those that it asks for. */
const EXPERIMENTAL = 'allow_unsafe_apis';
/**
 * What Dawn adds to kernels that it does not know: checks of indices and loops, and workgroup memory that starts as zeros. The
 * kernels here need neither: the tests run with the checks, and can run without (test/README.md).
 */
const UNCHECKED = ['disable_robustness', 'disable_workgroup_init'];
/** Validation of the SPIR-V that Dawn itself generates, which slows compilation. The tests, which set no flags, run with it. */
const VALIDATION = 'enable_spirv_validation';

async function dawn(flags: readonly string[] = []): Promise<GPU> {
  Object.assign(process.env, mesaSettings());
  const { create, globals } = await import('webgpu').catch((error: Error) => {
    const problem = `WebGPU's binding does not load here (${error.message.split('\n')[0]})`;
    throw new NoAdapterError(`${problem}: it needs x64 or arm64 and, on Linux, glibc 2.34`);
  });
  Object.assign(globalThis, globals);
  const wanted = [HALF, EXPERIMENTAL, ...UNCHECKED].join();
  const gpu = create([`enable-dawn-features=${wanted}`, `disable-dawn-features=${VALIDATION}`, ...flags]);
  held.push(gpu);
  return gpu;
}

function osRelease(): string {
  try {
    return readFileSync('/etc/os-release', 'utf8');
  } catch {
    return '';
  }
}
