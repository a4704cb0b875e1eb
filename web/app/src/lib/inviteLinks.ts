import type { ServerInfo } from './serverInfo.ts';

const LOOPBACK = /^(localhost|127\.|\[::1\]$)/;

/**
 * The link that works for others. A page opened as `localhost` has a link that leads nowhere on another device: then the server's address on the
 * local network is taken. `local` says that even that one is missing.
 */
export function inviteLinks(link: URL, info: ServerInfo | null, secure: string | null): { link: string; local: boolean } {
  if (LOOPBACK.test(link.hostname)) {
    const lan = info?.lan.find((url) => URL.canParse(url) && !LOOPBACK.test(new URL(url).hostname));
    return lan ? { link: new URL(link.pathname, lan).href, local: false } : { link: link.href, local: true };
  }
  if (link.protocol === 'http:' && secure) return { link: new URL(link.pathname, secure).href, local: false };
  return { link: link.href, local: false };
}
