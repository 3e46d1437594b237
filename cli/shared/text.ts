/** Text that may come out of files, made fit for a terminal and for a page. */

/** Control characters, line and paragraph separators, and what changes the direction of the text around it. */
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}\p{Cs}\ufffe\uffff]/gu;

/** One line in which nothing is a command to a terminal: other characters are replaced. */
export const printable = (text: string): string => text.replace(UNPRINTABLE, '\ufffd');
