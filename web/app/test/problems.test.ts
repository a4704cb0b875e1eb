import { describe, expect, it } from 'vitest';
import { en } from '../src/i18n/en.ts';
import { helpFor } from '../src/lib/problems.ts';

const CODES = [
  'permission_denied', 'no_device', 'device_in_use', 'overconstrained', 'device_failed', 'insecure_origin', 'unsupported_browser', 'unreachable', 'bad_url',
  'bad_room', 'bad_name', 'room_unknown', 'room_full', 'room_locked', 'password_required', 'bad_password', 'token_required', 'bad_token', 'expired',
  'server_full', 'too_many_connections', 'too_many_joins', 'rate', 'draining', 'unknown_version', 'left', 'kicked', 'rejected', 'ended', 'replaced', 'timeout',
];

describe('help', () => {
  it.each(CODES)('for %s has words of its own and something to do', (code) => {
    const help = helpFor(code);
    expect(help.title).not.toBe('help.other.title');
    expect(en[help.title]).toBeTruthy();
    expect(en[help.text].length).toBeGreaterThan(10);
    expect(help.remedies.length).toBeGreaterThan(0);
  });

  it('for an unknown code says what may help', () => {
    expect(helpFor('something_new').remedies).toContain('check');
  });

  it('never sends somebody back who was put out', () => {
    expect(helpFor('kicked').remedies).not.toContain('rejoin');
  });
});
