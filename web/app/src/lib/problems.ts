import type { Key } from '../i18n/index.ts';

/** What a person can do about a problem. */
export type Remedy = 'retry' | 'home' | 'check' | 'password' | 'secure' | 'rejoin' | 'without_devices';

/** Help for a problem: what happened, what to do, and the buttons that do it. */
export interface Help {
  title: Key;
  text: Key;
  remedies: Remedy[];
}

const HELP: Record<string, Help> = {
  permission_denied: { title: 'help.permission.title', text: 'help.permission.text', remedies: ['retry', 'check'] },
  no_device: { title: 'help.noDevice.title', text: 'help.noDevice.text', remedies: ['retry', 'check'] },
  device_in_use: { title: 'help.inUse.title', text: 'help.inUse.text', remedies: ['retry', 'check'] },
  overconstrained: { title: 'help.deviceFailed.title', text: 'help.deviceFailed.text', remedies: ['retry', 'check'] },
  device_failed: { title: 'help.deviceFailed.title', text: 'help.deviceFailed.text', remedies: ['retry', 'check'] },
  insecure_origin: { title: 'help.insecure.title', text: 'help.insecure.text', remedies: ['secure'] },
  unsupported_browser: { title: 'help.browser.title', text: 'help.browser.text', remedies: ['check', 'home'] },
  unreachable: { title: 'help.unreachable.title', text: 'help.unreachable.text', remedies: ['retry', 'check', 'home'] },
  bad_url: { title: 'help.badRoom.title', text: 'help.badRoom.text', remedies: ['home'] },
  bad_room: { title: 'help.badRoom.title', text: 'help.badRoom.text', remedies: ['home'] },
  bad_name: { title: 'help.badName.title', text: 'help.badName.text', remedies: ['retry', 'home'] },
  room_unknown: { title: 'help.roomUnknown.title', text: 'help.roomUnknown.text', remedies: ['retry', 'home'] },
  room_full: { title: 'help.roomFull.title', text: 'help.roomFull.text', remedies: ['retry', 'home'] },
  room_locked: { title: 'help.roomLocked.title', text: 'help.roomLocked.text', remedies: ['retry', 'home'] },
  password_required: { title: 'help.password.title', text: 'help.password.text', remedies: ['password', 'home'] },
  bad_password: { title: 'help.badPassword.title', text: 'help.badPassword.text', remedies: ['password', 'home'] },
  token_required: { title: 'help.token.title', text: 'help.token.text', remedies: ['home'] },
  bad_token: { title: 'help.badToken.title', text: 'help.badToken.text', remedies: ['home'] },
  expired: { title: 'help.badToken.title', text: 'help.badToken.text', remedies: ['home'] },
  server_full: { title: 'help.serverFull.title', text: 'help.serverFull.text', remedies: ['retry', 'home'] },
  too_many_connections: { title: 'help.tooMany.title', text: 'help.tooMany.text', remedies: ['retry', 'home'] },
  too_many_joins: { title: 'help.tooMany.title', text: 'help.tooMany.text', remedies: ['retry', 'home'] },
  rate: { title: 'help.tooMany.title', text: 'help.tooMany.text', remedies: ['retry', 'home'] },
  draining: { title: 'help.draining.title', text: 'help.draining.text', remedies: ['retry', 'home'] },
  unknown_version: { title: 'help.version.title', text: 'help.version.text', remedies: ['retry', 'home'] },
  left: { title: 'over.left.title', text: 'over.left.text', remedies: ['rejoin', 'home'] },
  kicked: { title: 'over.kicked.title', text: 'over.kicked.text', remedies: ['home'] },
  rejected: { title: 'over.rejected.title', text: 'over.rejected.text', remedies: ['rejoin', 'home'] },
  ended: { title: 'over.ended.title', text: 'over.ended.text', remedies: ['home'] },
  replaced: { title: 'over.replaced.title', text: 'over.replaced.text', remedies: ['rejoin', 'home'] },
  timeout: { title: 'over.timeout.title', text: 'over.timeout.text', remedies: ['rejoin', 'check', 'home'] },
};

const FALLBACK: Help = { title: 'help.other.title', text: 'help.other.text', remedies: ['rejoin', 'check', 'home'] };

/** The help for an error code of the server, the client or a device. */
export function helpFor(code: string): Help {
  return HELP[code] ?? FALLBACK;
}
