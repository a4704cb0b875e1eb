/** A piece of a text: plain, or a link. */
export type Piece = { text: string; href?: string };

const LINK = /\b(?:https?:\/\/|www\.)[^\s<>"']+/gi;
const TRAILING = /[.,;:!?'")\]}]+$/;

/** Splits a text into plain pieces and web links. Punctuation that ends a sentence stays outside the link. */
export function linkify(text: string): Piece[] {
  const pieces: Piece[] = [];
  let end = 0;
  for (const match of text.matchAll(LINK)) {
    const shown = trimLink(match[0]);
    const href = /^www\./i.test(shown) ? `https://${shown}` : shown;
    if (!URL.canParse(href)) continue;
    if (match.index > end) pieces.push({ text: text.slice(end, match.index) });
    pieces.push({ text: shown, href });
    end = match.index + shown.length;
  }
  if (end < text.length) pieces.push({ text: text.slice(end) });
  return pieces;
}

/** Takes off trailing punctuation, but leaves a bracket that was opened inside the link. */
function trimLink(link: string): string {
  const trimmed = link.replace(TRAILING, '');
  if (link.charAt(trimmed.length) === ')' && trimmed.includes('(') && !trimmed.includes(')')) return `${trimmed})`;
  return trimmed;
}
