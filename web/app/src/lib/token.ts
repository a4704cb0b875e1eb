// A link may carry a token, which is as good as its owner. It does not stay in the address, which people copy to invite others and browsers remember;
// the tab keeps it, so that loading the page again still works.

const key = (room: string): string => `parlour.token.${room}`;

/** The token that this tab came into `room` with, if any. */
export function keptToken(room: string): string | null {
  try {
    return sessionStorage.getItem(key(room));
  } catch {
    return null;
  }
}

/** Keeps the token for as long as the tab lives. */
export function keepToken(room: string, token: string | null): void {
  try {
    if (token) sessionStorage.setItem(key(room), token);
    else sessionStorage.removeItem(key(room));
  } catch {
    // Blocked storage: the link has to be opened again after a reload.
  }
}

/** Takes a parameter out of the page's address. */
export function forgetInAddress(name: string): void {
  const url = new URL(location.href);
  url.searchParams.delete(name);
  history.replaceState(history.state, '', url);
}
