import { useEffect, useState } from 'react';

/** What `/v1/info` tells about the server. */
export interface ServerInfo {
  name: string;
  version: string;
  /** The secure address of this server, where camera and microphone work. */
  https: string | null;
  auth: 'open' | 'password' | 'token';
  p2pMax: number;
  lan: string[];
}

/** Reads the answer of `/v1/info`; what is missing or of the wrong type becomes a default. */
export function readServerInfo(json: unknown): ServerInfo {
  const answer = (typeof json === 'object' && json !== null ? json : {}) as Record<string, unknown>;
  const text = (key: string): string | null => (typeof answer[key] === 'string' ? (answer[key] as string) : null);
  const auth = text('auth');
  return {
    name: text('name') ?? 'parlour',
    version: text('version') ?? '',
    https: text('https'),
    auth: auth === 'password' || auth === 'token' ? auth : 'open',
    p2pMax: typeof answer['p2p_max'] === 'number' ? answer['p2p_max'] : 6,
    lan: Array.isArray(answer['lan']) ? answer['lan'].filter((url): url is string => typeof url === 'string') : [],
  };
}

let known: Promise<ServerInfo> | null = null;

/** Asks the server who it is. Asked once; a failure is asked again. */
export function serverInfo(): Promise<ServerInfo> {
  known ??= fetch('/v1/info')
    .then((response) => (response.ok ? response.json() : Promise.reject(new Error(`HTTP ${response.status}`))))
    .then(readServerInfo)
    .catch((error: unknown) => {
      known = null;
      throw error;
    });
  return known;
}

/** {@link serverInfo} for a component; `null` until it is known. */
export function useServerInfo(): ServerInfo | null {
  const [info, setInfo] = useState<ServerInfo | null>(null);
  useEffect(() => {
    let stale = false;
    serverInfo().then(
      (answer) => stale || setInfo(answer),
      () => undefined,
    );
    return () => {
      stale = true;
    };
  }, []);
  return info;
}

/** This page under the server's secure address; `null` when there is none. */
export function secureUrl(info: ServerInfo | null, here: { hostname: string; pathname: string; search: string } = location): string | null {
  if (!info?.https || !URL.canParse(info.https)) return null;
  const url = new URL(info.https);
  // The name by which this page was reached is known to work from this device; the server's own idea of it may not.
  url.hostname = here.hostname;
  url.pathname = here.pathname;
  url.search = here.search;
  return url.href;
}
