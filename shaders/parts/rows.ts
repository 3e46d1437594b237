/** How the lanes of a workgroup work on one row together: the reductions that row kernels are written with. */
import { workgroupMax, workgroupSum } from './common.js';
import { wgsl } from './wgsl.js';

/** Fragments of a kernel whose workgroup handles one row. */
export interface RowFragments {
  /** First in the source. */
  readonly enable: string;
  /** `workgroup_sum(lane, value)` */
  readonly sum: string;
  /** `workgroup_max(lane, value)` */
  readonly max: string;
}

/** Reductions without barriers for workgroups that are exactly one subgroup, else through workgroup memory. Both need `override WG`. */
export const rowFragments = (oneSubgroup: boolean): RowFragments => oneSubgroup
  ? {
      enable: 'enable subgroups;',
      sum: 'fn workgroup_sum(lane: u32, value: f32) -> f32 { return subgroupAdd(value); }',
      max: 'fn workgroup_max(lane: u32, value: f32) -> f32 { return subgroupMax(value); }',
    }
  : { enable: '', sum: workgroupSum, max: workgroupMax };

/** `V` is what one load brings, WIDTH elements: four where rows are whole vectors. `across(v)` sums them. */
export const rowVector = (vectors: boolean): string => wgsl`
#if ${vectors}
alias V = vec4f;
const WIDTH = 4u;
fn across(v: V) -> f32 { return v.x + v.y + v.z + v.w; }
#else
alias V = f32;
const WIDTH = 1u;
fn across(v: V) -> f32 { return v; }
#endif
`;
