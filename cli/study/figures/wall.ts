/** A drawn brick wall, which has nothing in common with a landscape: for the failures of the study. */
import type { Image } from '../../../model/image.js';
import { random } from '../../../model/random.js';

const COURSES = 9;
const BRICKS = 5;
/** Share of a course that is mortar. */
const JOINT = 0.1;

/** Red bricks of slightly different shades in a pale mortar; every other course is shifted by half a brick. */
export function drawWall(width: number, height: number): Image {
  const data = new Float32Array(3 * width * height);
  const plane = width * height;
  for (let i = 0; i < plane; i++) {
    const [x, y] = [(i % width) / width, Math.floor(i / width) / height];
    const course = Math.floor(y * COURSES);
    const along = x * BRICKS + (course % 2) / 2;
    const [u, v] = [along - Math.floor(along), y * COURSES - course];
    const isMortar = v < JOINT || u < (JOINT * height * BRICKS) / (COURSES * width);
    const shade = 0.75 + 0.35 * random('wall', course, Math.floor(along))();
    const grain = 0.06 * (random('wall grain', i)() - 0.5);
    const colour = isMortar ? [0.78, 0.75, 0.7] : [0.62 * shade, 0.27 * shade, 0.2 * shade];
    for (let c = 0; c < 3; c++) data[c * plane + i] = Math.min(1, colour[c]! + grain);
  }
  return { width, height, data };
}
