/** Sharing of loads among the lanes of a subgroup: on a CPU a load costs some ten instructions per lane, a broadcast one. */

/**
 * An expression for item `i` of what the lanes hold: lane l has items l, l + lanes, ... in variables `name`0, `name`1, ...; or
 * for a `component` of it, such as `[1]`.
 */
export const fromLanes = (name: string, i: number, lanes: number, component = ''): string =>
  `subgroupBroadcast(${name}${Math.floor(i / lanes)}${component}, ${i % lanes}u)`;

/** Channels that a lane holds in registers: at most `most`, and about the same number in every workgroup. */
export const evenChannels = (channels: number, most: number): number => Math.ceil(channels / Math.ceil(channels / most));
