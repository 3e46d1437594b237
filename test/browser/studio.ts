/** What tests and measurements of the studio do on its page. */
import type { Browser, Page } from 'playwright-core';
import { watchTrouble } from './browser.js';

/** A slow machine under load compiles kernels for a while. */
const PATIENCE_MS = 600_000;

export interface Viewport {
  readonly width: number;
  readonly height: number;
}

export async function openStudio(browser: Browser, url: string, viewport: Viewport = { width: 1280, height: 800 }) {
  const page = await (await browser.newContext({ viewport })).newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  const trouble = watchTrouble(page, url);
  await page.goto(url);
  return { page, trouble };
}

/** Waits for one of the page's states. */
export const status = (page: Page, wanted: string) =>
  page.waitForFunction((text) => document.getElementById('status')?.dataset['status'] === text, wanted);

/** Chooses the example pair and a small run, and waits for the plan. */
export async function chooseExample(page: Page, settings: Readonly<Record<string, number>>): Promise<void> {
  await page.waitForFunction(() => document.querySelectorAll('#model option').length > 1);
  await page.click('#example');
  const { size, ...numbers } = settings;
  await page.selectOption('#size', String(size));
  await page.click('summary');
  for (const [id, value] of Object.entries(numbers)) await page.fill(`#${id}`, String(value));
  await page.click('h1');
  await page.waitForFunction(() => document.getElementById('plan')?.textContent?.includes('memory:'));
}

/** Records tasks of the page's own thread above 50 ms from now on. */
export const watchTasks = (page: Page) => page.evaluate(() => {
  const tasks: number[] = [];
  Object.assign(globalThis, { tasks });
  const observer = new PerformanceObserver((list) => list.getEntries().forEach(({ duration }) => tasks.push(duration)));
  observer.observe({ type: 'longtask' });
});

/** Their durations so far. */
export const longTasks = (page: Page): Promise<number[]> =>
  page.evaluate(() => (globalThis as unknown as { tasks: number[] }).tasks);
