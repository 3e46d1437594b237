/** The kernels of training steps as a device would get them, without the device. */
import { plannedVit } from '../../../cli/bench/models.js';
import { launchFacts, type LaunchFacts } from '../../../cli/bench/prediction.js';
import { REPORTED, type ReportedStep } from '../../../cli/bench/report.js';
import { plannedStep, type StepOptions } from '../../../cli/bench/setting.js';
import { createEngine, deviceDescriptor, type Engine, type Kernel } from '../../../engine/index.js';
import { bindingsOf } from '../../../engine/run/launch.js';
import type { Binding } from '../../../engine/run/pipelines.js';
import { RECIPE_NAMES } from '../../../model/method/options.js';
import { wideGraph } from '../../../model/training/memoryNeed.js';

/** What WebGPU tells of a device, as far as the choice of kernels depends on it: the least and most lanes of a subgroup. */
export interface Traits {
  readonly vendor: string;
  readonly lanes: readonly [number, number];
  /** Its matrix units, as Dawn names them. */
  readonly units?: readonly object[];
}

/** A kernel to compile. */
export interface StepKernel {
  readonly key: string;
  readonly name: string;
  readonly kernel: Kernel;
  readonly bindings: readonly Binding[];
}

export type Precision = 'f32' | 'f16';

export interface StepKernels {
  readonly kernels: readonly StepKernel[];
  /** The launches of the step whose time is predicted. */
  readonly launches: Readonly<Record<Precision, readonly LaunchFacts[]>>;
}

export const PREDICTED = REPORTED[1];
/** Sizes whose kernels may differ: by alignment, or by the number of elements. */
const SIZES = [256, 512, 1080];
/** Both recipes, both precisions, small to large photos. */
const steps = RECIPE_NAMES.flatMap((recipe) => (['f32', 'f16'] as const).flatMap((precision) =>
  SIZES.map((size): StepOptions => ({ recipe, precision, size, vitSize: PREDICTED.vitSize, checkpointing: false }))));

/** WebGPU's default limits, which every device has. */
const limits = { maxComputeInvocationsPerWorkgroup: 256, maxStorageBuffersPerShaderStage: 8 };

/** An engine that chooses kernels for a device that is not there, and can do nothing else. */
export function engineFor({ vendor, lanes: [subgroupMinSize, subgroupMaxSize], units = [] }: Traits): Engine {
  const adapterInfo = { vendor, subgroupMinSize, subgroupMaxSize, subgroupMatrixConfigs: units };
  const onUnits = ['subgroup-size-control', 'chromium-experimental-subgroup-matrix'];
  const offered = new Set(['subgroups', 'shader-f16', 'timestamp-query', ...onUnits]) as unknown as GPUSupportedFeatures;
  const use = units.length > 0 ? { precision: 'f16' } as const : {};
  const { requiredFeatures } = deviceDescriptor({ features: offered, limits: limits as unknown as GPUSupportedLimits }, use);
  const device = {
    adapterInfo,
    features: new Set(requiredFeatures),
    limits,
    lost: new Promise(() => undefined),
  };
  return createEngine(device as unknown as GPUDevice);
}

/** An op's name and the whole numbers among its constants; `f16` if it has float16 in memory. */
function nameOf(op: string, { code, constants = {} }: Kernel): string {
  const whole = Object.entries(constants).filter(([, value]) => Number.isInteger(value));
  return [op, ...whole.map(([name, value]) => `${name}=${value}`), ...(code.includes('enable f16') ? ['f16'] : [])].join(' ');
}

/** The launches of the steps that devices are measured with. */
export async function reportedLaunches(
  engine: Engine, precision: Precision,
): Promise<{ step: ReportedStep; launches: LaunchFacts[] }[]> {
  return Promise.all(REPORTED.map(async (step) => {
    const options = { ...step, checkpointing: false, precision };
    const { launches } = plannedStep(options, await plannedVit(step.model), () => engine.graph());
    return { step, launches: launches.map((node) => launchFacts(node, engine.kernelOf(node))) };
  }));
}

/**
 * Plans the steps, once. The returned function gives every kernel that an engine takes for them, each once; of an engine with
 * matrix units those alone that are for them, since the others are as without.
 */
export async function plannedSteps(): Promise<(engine: Engine) => StepKernels> {
  const vit = await plannedVit(PREDICTED.model);
  const planned = steps.map((step) => ({ step, nodes: plannedStep(step, vit, wideGraph).launches }));
  return (engine) => {
    const kernels = new Map<string, StepKernel>();
    const names = new Map<string, number>();
    const launches: Record<Precision, LaunchFacts[]> = { f32: [], f16: [] };
    for (const { step, nodes } of planned) {
      const isPredicted = step.recipe === PREDICTED.recipe && step.size === PREDICTED.size;
      for (const node of nodes) {
        const kernel = engine.kernelOf(node);
        const facts = launchFacts(node, kernel);
        if (isPredicted) launches[step.precision].push(facts);
        if (kernels.has(facts.key) || (engine.tuning.units && !kernel.code.includes('subgroup_matrix'))) continue;
        const name = nameOf(node.op.name, kernel);
        const count = (names.get(name) ?? 0) + 1;
        names.set(name, count);
        const [key, bindings] = [facts.key, bindingsOf(node, kernel)];
        kernels.set(key, { key, name: count > 1 ? `${name} #${count}` : name, kernel, bindings });
      }
    }
    return { kernels: [...kernels.values()], launches };
  };
}
