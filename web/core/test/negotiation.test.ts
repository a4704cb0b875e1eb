import { describe, expect, test } from 'vitest';
import { withDtx, withRole } from '../src/peer/negotiation.ts';

const description = (type: RTCSdpType, setup: string) => ({ type, sdp: `v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=setup:${setup}\r\n` }) as RTCSessionDescription;

describe('the DTLS role in a later offer (RFC 8842 §5.5)', () => {
  const offer = description('offer', 'actpass').sdp;
  const role = (sdp: string) => /a=setup:(\w+)/.exec(sdp)?.[1];

  test.each([
    ['this end answered `active`', description('answer', 'active'), description('offer', 'actpass'), 'active'],
    ['this end answered `passive`', description('answer', 'passive'), description('offer', 'actpass'), 'passive'],
    ['the other end answered `active`', description('offer', 'actpass'), description('answer', 'active'), 'passive'],
    ['the other end answered `passive`', description('offer', 'actpass'), description('answer', 'passive'), 'active'],
    ['nothing is agreed yet', null, null, 'actpass'],
  ])('%s', (_, local, remote, expected) => expect(role(withRole(offer, local, remote))).toBe(expected));

  test('after a second round in which the offer named the role', () => {
    expect(role(withRole(offer, description('offer', 'active'), description('answer', 'passive')))).toBe('active');
  });
});

test('silence is asked not to be sent, once, and only of Opus (RFC 7587 §7)', () => {
  const sdp = 'a=fmtp:111 minptime=10;useinbandfec=1\r\na=fmtp:96 apt=97\r\na=fmtp:109 maxplaybackrate=48000;stereo=1;useinbandfec=1\r\n';
  const asked = withDtx(sdp);
  expect(asked).toBe('a=fmtp:111 minptime=10;useinbandfec=1;usedtx=1\r\na=fmtp:96 apt=97\r\na=fmtp:109 maxplaybackrate=48000;stereo=1;useinbandfec=1;usedtx=1\r\n');
  expect(withDtx(asked)).toBe(asked);
});
