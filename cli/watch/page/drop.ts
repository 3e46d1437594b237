/** A place for a file, which is chosen by its input or dropped there. */
export function onFile(place: HTMLElement, take: (file: Blob) => void): void {
  const input = place.querySelector('input')!;
  const isOver = (over: boolean): void => void place.classList.toggle('over', over);
  const given = (files: FileList | null | undefined): void => void (files?.[0] && take(files[0]));
  input.addEventListener('change', () => given(input.files));
  place.addEventListener('dragover', (event) => {
    event.preventDefault();
    isOver(true);
  });
  place.addEventListener('dragleave', () => isOver(false));
  place.addEventListener('drop', (event) => {
    event.preventDefault();
    isOver(false);
    given(event.dataTransfer?.files);
  });
}
