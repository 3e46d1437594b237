/** The page's looks, light and dark. The curves take their colours from here too. */

const COLOURS = `
:root {
  color-scheme: light dark;
  --paper: #f5f5f3; --card: #ffffff; --line: #e2e2df; --ink: #1b1d21; --soft: #5d636d; --well: #e9e9e6;
  --accent: #2166c4; --on-accent: #ffffff; --danger: #b3261e; --good: #22754a; --warn: #8a5a00;
  --curve-0: #22252a; --curve-1: #2166c4; --curve-2: #d1591b; --curve-3: #2a8f55; --curve-4: #8b4fc2; --curve-5: #a2436a;
  --shadow: 0 1px 2px #0000000f, 0 4px 16px #0000000a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #101216; --card: #191c21; --line: #2a2e36; --ink: #eceef1; --soft: #9aa1ac; --well: #0b0d10;
    --accent: #6ea8ff; --on-accent: #0c1320; --danger: #ff8a80; --good: #62cf91; --warn: #f0b95a;
    --curve-0: #f2f2f2; --curve-1: #6ea8ff; --curve-2: #ff9a5c; --curve-3: #62cf91; --curve-4: #c79bff; --curve-5: #ff8fb5;
    --shadow: none;
  }
}`;

const BASE = `
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body {
  margin: 0; min-height: 100vh; display: flex; flex-direction: column;
  background: var(--paper); color: var(--ink); font: 14px/1.45 system-ui, -apple-system, "Segoe UI", "Liberation Sans", sans-serif;
}
h1, h2, p, dl, dd, figure { margin: 0; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
button {
  font: inherit; font-weight: 500; padding: 5px 13px; border-radius: 8px; cursor: pointer;
  color: var(--ink); background: var(--card); border: 1px solid var(--line);
}
button:hover:enabled { border-color: var(--soft); }
button:disabled { opacity: .5; cursor: default; }
button.danger { color: var(--danger); }
code { font: 13px ui-monospace, "Liberation Mono", monospace; }`;

const HEADER = `
header { background: var(--card); }
.headline { display: flex; flex-wrap: wrap; align-items: center; gap: 8px 14px; padding: 10px 20px; min-height: 54px; }
h1 { font-size: 16px; font-weight: 650; letter-spacing: -.01em; overflow-wrap: anywhere; }
.status {
  display: inline-flex; align-items: center; gap: 7px; padding: 2px 10px 2px 9px; border-radius: 99px;
  font-size: 13px; color: var(--soft); background: var(--paper);
}
.status::before { content: ""; width: 8px; height: 8px; border-radius: 50%; background: currentColor; }
.status[data-status=running] { color: var(--good); }
.status[data-status=finished] { color: var(--accent); }
.status:is([data-status=paused], [data-status=stopping], [data-status=interrupted]) { color: var(--warn); }
.status:is([data-status=failed], [data-status=gone], [data-status=lost]) { color: var(--danger); }
@media (prefers-reduced-motion: no-preference) {
  .status[data-status=running]::before { animation: breathe 2.4s ease-in-out infinite; }
  @keyframes breathe { 50% { opacity: .35; } }
}
.buttons { display: flex; gap: 8px; margin-left: auto; }
progress { appearance: none; display: block; width: 100%; height: 3px; border: 0; background: var(--line); color: var(--accent); }
progress::-webkit-progress-bar { background: var(--line); }
progress::-webkit-progress-value { background: var(--accent); transition: width .3s; }
progress::-moz-progress-bar { background: var(--accent); }
.banner { padding: 9px 20px; background: var(--well); border-bottom: 1px solid var(--line); }
.banner[data-kind=bad] { color: var(--danger); }`;

const MAIN = `
main {
  flex: 1; display: grid; gap: 16px; padding: 16px 20px 20px; width: 100%; max-width: 1720px; margin: 0 auto;
  grid-template: "inputs result aside" minmax(330px, 1fr) "losses losses losses" minmax(200px, 28vh) / minmax(180px, 24fr) minmax(0, 52fr) minmax(220px, 24fr);
}
.inputs { grid-area: inputs; display: flex; flex-direction: column; gap: 12px; }
.result { grid-area: result; display: flex; flex-direction: column; min-width: 0; }
aside { grid-area: aside; min-width: 0; }
.losses { grid-area: losses; display: flex; flex-direction: column; min-width: 0; }
aside, .losses { background: var(--card); border: 1px solid var(--line); border-radius: 12px; box-shadow: var(--shadow); padding: 14px 16px; }

/* A picture is as large as its place allows; --ratio (width / height) comes from the picture itself. */
.picture { container-type: size; display: grid; place-items: start center; flex: 1 1 0; min-height: 120px; min-width: 0; }
.frame {
  position: relative; width: min(100cqw, 100cqh * var(--ratio, 1.5)); aspect-ratio: var(--ratio, 1.5);
  display: grid; place-items: center; border-radius: 12px; overflow: hidden; background: var(--well);
}
.frame img { display: block; width: 100%; height: 100%; }
.frame figcaption {
  position: absolute; left: 8px; bottom: 8px; display: flex; gap: 8px; padding: 3px 10px; border-radius: 99px;
  font-size: 12.5px; color: #fff; background: #0b0d10b8; backdrop-filter: blur(6px);
}
.frame .name { font-weight: 600; }
.result .picture { min-height: 280px; place-items: center; }
.empty figcaption { position: static; background: none; color: var(--soft); backdrop-filter: none; }
.slider { display: flex; align-items: center; gap: 14px; padding-top: 10px; }
.slider input { flex: 1; min-width: 0; accent-color: var(--accent); }
#latest[aria-pressed=true] { background: var(--accent); border-color: var(--accent); color: var(--on-accent); }

.figures { display: grid; grid-template-columns: 1fr 1fr; gap: 10px 16px; padding-bottom: 12px; margin-bottom: 12px; border-bottom: 1px solid var(--line); }
.figures .wide { grid-column: 1 / -1; }
.figures dt, .facts dt { font-size: 12.5px; color: var(--soft); }
.figures dd { font-size: 19px; font-weight: 600; font-variant-numeric: tabular-nums; letter-spacing: -.01em; white-space: nowrap; }
.figures .wide dd { font-size: 24px; }
.figures small { font-size: 13px; font-weight: 400; color: var(--soft); padding-left: 9px; letter-spacing: 0; }
.facts { display: grid; grid-template-columns: auto 1fr; gap: 5px 14px; }
.facts dd { font-size: 13px; overflow-wrap: anywhere; }

.legend { display: flex; flex-wrap: wrap; align-items: center; gap: 6px; padding-bottom: 6px; }
.legend button { display: inline-flex; align-items: center; gap: 8px; padding: 3px 11px; border-color: transparent; background: none; font-weight: 400; font-size: 13px; }
.legend button[aria-pressed=false] { opacity: .45; text-decoration: line-through; }
.legend button:hover { border-color: var(--line); }
.legend .value { font-variant-numeric: tabular-nums; color: var(--soft); min-width: 4.6em; text-align: left; display: inline-block; }
.legend .at { margin-left: auto; color: var(--soft); font-size: 13px; font-variant-numeric: tabular-nums; padding-right: 6px; }
.legend #scale { border-color: var(--line); text-decoration: none; opacity: 1; }
.swatch { width: 16px; height: 3px; border-radius: 2px; background: var(--curve); }
.chart { flex: 1; min-height: 160px; position: relative; }
.chart .uplot { position: absolute; inset: 0; font-family: inherit; }
.chart .u-select { background: color-mix(in srgb, var(--accent) 18%, transparent); }
.chart .none { position: absolute; inset: 0; display: grid; place-items: center; color: var(--soft); }
${[0, 1, 2, 3, 4, 5].map((i) => `[data-curve="${i}"] { --curve: var(--curve-${i}); }`).join('\n')}

dialog { border: 1px solid var(--line); border-radius: 14px; background: var(--card); color: var(--ink); padding: 20px 22px; max-width: 380px; }
dialog::backdrop { background: #00000073; }
dialog h2 { font-size: 16px; margin-bottom: 6px; }
dialog p { color: var(--soft); margin-bottom: 16px; }
dialog .buttons { justify-content: flex-end; }`;

const NARROW = `
@media (max-width: 900px) {
  main { grid-template: "result" auto "inputs" auto "aside" auto "losses" minmax(320px, auto) / minmax(0, 1fr); padding: 12px; gap: 12px; }
  .headline { padding: 10px 12px; }
  .inputs { flex-direction: row; }
  .picture, .result .picture { flex: 1 1 0; min-height: 0; aspect-ratio: var(--ratio, 1.5); }
  .result .picture { flex: none; }
  .inputs { align-items: start; }
}`;

export const style = [COLOURS, BASE, HEADER, MAIN, NARROW].join('\n');
