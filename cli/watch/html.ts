/** The page's skeleton; its scripts fill it. Everything it names lies beside it on the same server. */

/** The engine's own sign: two tones, one shape. */
export const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#20242b"/><path d="M4 25 13 11l5 7 4-6 6 13z" fill="#6ea8ff"/><path d="M18 18l4-6 6 13h-7z" fill="#ff9a5c"/><circle cx="23" cy="7" r="3" fill="#ffd27a"/></svg>`;

const buttons = `
      <div class="buttons" id="buttons" role="group" aria-label="Commands" hidden>
        <button type="button" id="pause">Pause</button>
        <button type="button" id="save">Save now</button>
        <button type="button" id="stop" class="danger">Stop…</button>
      </div>`;

const stopDialog = `
  <dialog id="stop-dialog" aria-labelledby="stop-title">
    <form method="dialog">
      <h2 id="stop-title">Stop this run?</h2>
      <p>It finishes the step it is at, writes everything and ends, as with Ctrl-C.</p>
      <div class="buttons"><button value="go-on" autofocus>Keep going</button><button value="stop" class="danger">Stop the run</button></div>
    </form>
  </dialog>`;

/** @param token what commands are sent with; without it the page has no buttons */
export const pageHtml = (token: string | undefined): string => `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">${token ? `\n  <meta name="splice-token" content="${token}">` : ''}
  <title>splice-gpu</title>
  <link rel="icon" type="image/svg+xml" href="icon.svg">
  <link rel="stylesheet" href="uplot.css">
  <link rel="stylesheet" href="page.css">
  <script src="uplot.js" defer></script>
  <script type="module" src="page/main.js"></script>
</head>
<body>
  <header>
    <div class="headline">
      <h1 id="title">splice-gpu</h1>
      <span class="status" id="status" role="status" data-status="starting">connecting</span>${buttons}
    </div>
    <progress id="progress" max="1" value="0" aria-label="Steps done"></progress>
  </header>
  <p class="banner" id="banner" role="status" hidden></p>
  <main>
    <section class="inputs" id="inputs" aria-label="The two photos"></section>
    <section class="result" aria-label="Result">
      <figure id="result" class="picture empty">
        <div class="frame">
          <img id="result-image" alt="" hidden>
          <figcaption><span class="name">Result</span><span id="result-step">no picture yet</span></figcaption>
        </div>
      </figure>
      <div class="slider" id="slider" hidden>
        <input type="range" id="previews" min="0" max="0" value="0" step="1" aria-label="Saved previews">
        <button type="button" id="latest" aria-pressed="true">Latest</button>
      </div>
    </section>
    <aside aria-label="Figures">
      <dl class="figures">
        <div class="wide"><dt>Step</dt><dd><span id="step">–</span><small id="phase"></small></dd></div>
        <div><dt>Speed</dt><dd id="speed">–</dd></div>
        <div><dt id="left-label">Time left</dt><dd id="left">–</dd></div>
      </dl>
      <dl class="facts" id="facts"></dl>
    </aside>
    <section class="losses" aria-label="Losses">
      <div class="legend" id="legend" role="group" aria-label="Curves"></div>
      <div class="chart" id="chart"></div>
    </section>
  </main>${stopDialog}
  <noscript><p class="banner">This page needs JavaScript, served by the run itself.</p></noscript>
</body>
</html>
`;
