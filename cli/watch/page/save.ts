/** Hands a file to whoever looks at the page. */
export function saveFile(name: string, content: Blob): void {
  const url = URL.createObjectURL(content);
  Object.assign(document.createElement('a'), { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/** The pixels of a canvas as a PNG. */
export const saveCanvas = (name: string, canvas: HTMLCanvasElement): void =>
  canvas.toBlob((blob) => void (blob && saveFile(name, blob)), 'image/png');
