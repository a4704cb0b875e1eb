import type { Finding } from './types.ts';

/** Whether the browser has what a call needs. */
export function checkBrowser(): Finding {
  const needs: [string, boolean][] = [
    ['WebRTC', typeof RTCPeerConnection === 'function'],
    ['WebSocket', typeof WebSocket === 'function'],
    ['Web Audio', typeof AudioContext === 'function'],
    ['dialog', typeof HTMLDialogElement === 'function'],
    ['popover', 'popover' in HTMLElement.prototype],
  ];
  const missing = needs.filter(([, there]) => !there).map(([name]) => name);
  return missing.length === 0
    ? { status: 'ok', detail: 'ok', facts: { agent: navigator.userAgent } }
    : { status: 'fail', detail: 'missing', facts: { list: missing.join(', '), agent: navigator.userAgent } };
}

/** Whether the page may use camera and microphone. */
export function checkSecure(): Finding {
  const secure = isSecureContext && navigator.mediaDevices !== undefined;
  return { status: secure ? 'ok' : 'warn', detail: secure ? 'ok' : 'fail', facts: { origin: location.protocol } };
}
