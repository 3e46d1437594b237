/** `--fit` in words. */
import { SHARE, type Fitted, type Limits } from '../../model/training/fit.js';

/** A line for people. @param model by name, where it was chosen too */
export function describeFit(found: Fitted, { seconds, spent, warmStart }: Limits, model?: string): string {
  const { size, vitSize, steps, secondsPerStep } = found;
  const sized = size === undefined ? 'the photos\' own size' : `--size ${size}`;
  const chosen = [sized, `--vit-size ${vitSize}`, `--steps ${steps}`, ...(model === undefined ? [] : [`--model ${model}`])];
  if (Number.isNaN(secondsPerStep)) return `no size could be measured on this device; trying ${chosen.join(' ')}`;
  const whole = ((steps + warmStart / 2) * secondsPerStep) / SHARE;
  const words = `measured ${secondsPerStep.toPrecision(2)} s a step; ${chosen.join(' ')} should end in ${minutes(whole)}`;
  if (whole <= seconds - spent()) return words;
  return `${words}, more than ${minutes(seconds)}: give it more --time, fewer --steps or a smaller --size`;
}

const minutes = (seconds: number): string => (seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`);
