/** Pictures as the models see them. */

/** RGB in 0..1, channel by channel: `data` is [3, height, width]. */
export interface Image {
  readonly width: number;
  readonly height: number;
  readonly data: Float32Array;
}
