import { describe, expect, test } from 'vitest';
import { SpeakerDetector } from '../src/media/levels.ts';
import { judge } from '../src/peer/quality.ts';
import { NOTHING, readStats, type Sample } from '../src/peer/stats.ts';
import type { Quality } from '../src/index.ts';

const FINE: Quality = { level: 'good', reason: 'none', score: 100 };
const report = (...stats: { id: string; [member: string]: unknown }[]) => new Map(stats.map((stat) => [stat.id, stat])) as unknown as RTCStatsReport;
const sourceOf = (mid: string) => (['mic', 'camera'] as const)[Number(mid)];

describe('statistics', () => {
  const at = (packets: number, lost: number, bytes: number) =>
    report(
      { id: 'T', type: 'transport', selectedCandidatePairId: 'P', tlsVersion: 'FEFC' },
      { id: 'P', type: 'candidate-pair', localCandidateId: 'L', remoteCandidateId: 'R', currentRoundTripTime: 0.05, availableOutgoingBitrate: 1e6, bytesReceived: bytes },
      { id: 'L', type: 'local-candidate', candidateType: 'relay', protocol: 'udp', relayProtocol: 'tcp' },
      { id: 'R', type: 'remote-candidate', candidateType: 'srflx' },
      { id: 'I', type: 'inbound-rtp', mid: '0', codecId: 'C', packetsReceived: packets, packetsLost: lost, bytesReceived: bytes, jitter: 0.004 },
      { id: 'O', type: 'outbound-rtp', mid: '1', bytesSent: bytes, framesEncoded: 9, qualityLimitationReason: 'cpu' },
      { id: 'RI', type: 'remote-inbound-rtp', localId: 'O', fractionLost: 0.25 },
      { id: 'C', type: 'codec', mimeType: 'audio/opus' },
    );

  test('rates and losses are those since the look before', () => {
    const first = readStats(at(100, 0, 1_000), 10_000, null, sourceOf);
    const second = readStats(at(190, 10, 3_000), 12_000, first, sourceOf);
    expect(second).toMatchObject({ rttMs: 50, availableOut: 1e6, dtls: 'FEFC', path: { local: 'relay', remote: 'srflx', protocol: 'tcp' } });
    expect(second.incoming).toMatchObject([{ source: 'mic', codec: 'audio/opus', bitrate: 8_000, loss: 0.1, jitterMs: 4 }]);
    expect(second.outgoing).toMatchObject([{ source: 'camera', bitrate: 8_000, loss: 0.25, limited: 'cpu', frames: 9 }]);
  });

  test('without a path in sight the streams show whether something arrives', () => {
    const streams = report({ id: 'A', type: 'inbound-rtp', bytesReceived: 3 }, { id: 'B', type: 'inbound-rtp', bytesReceived: 4 });
    expect(readStats(streams, 1, null, sourceOf).signs).toBe(7);
  });

  test('an empty report is no trouble', () => {
    expect(readStats(report(), 1, null, sourceOf)).toMatchObject({ ...NOTHING, at: 1 });
  });
});

describe('quality in words', () => {
  const stream = { source: 'camera' as const, codec: null, bitrate: 1e6, loss: 0, jitterMs: 1, width: 1, height: 1, fps: 30, frames: 1, limited: 'none', bytes: 1, packets: 1, lost: 0 };
  const sample: Sample = { ...NOTHING, at: 1, rttMs: 20, path: { local: 'host', remote: 'host', protocol: 'udp' } };

  test('good without a reason', () => expect(judge(sample, 'connected', false, FINE)).toEqual(FINE));

  test.each<[string, Partial<Sample>, Quality['reason']]>([
    ['loss on the way out', { outgoing: [{ ...stream, loss: 0.1 }] }, 'your_network'],
    ['loss on the way in', { incoming: [{ ...stream, loss: 0.1 }] }, 'their_network'],
    ['delay', { rttMs: 600 }, 'delay'],
    ['a slow computer', { outgoing: [{ ...stream, limited: 'cpu' }], rttMs: 200 }, 'your_device'],
  ])('%s', (_, change, reason) => {
    const verdict = judge({ ...sample, ...change }, 'connected', false, FINE);
    expect(verdict.reason).toBe(reason);
    expect(verdict.level).not.toBe('good');
  });

  test('nothing arrives: lost, because it is cut', () => {
    expect(judge(sample, 'connected', true, FINE)).toMatchObject({ level: 'lost', reason: 'cut' });
    expect(judge(sample, 'reconnecting', false, FINE)).toMatchObject({ level: 'lost', reason: 'cut' });
  });

  test('falls quickly and rises slowly', () => {
    const bad = { ...sample, outgoing: [{ ...stream, loss: 0.2 }] };
    const fallen = judge(bad, 'connected', false, FINE);
    expect(fallen.score).toBeLessThan(25);
    expect(judge(sample, 'connected', false, fallen).score).toBeLessThan(60);
  });
});

describe('who speaks', () => {
  /** Levels of Ann and Ben every 200 ms. */
  function listen(...levels: [ann: number, ben: number][]): (string | null)[] {
    const detector = new SpeakerDetector();
    return levels.map(([ann, ben], index) => {
      detector.update(new Map([['ann', ann], ['ben', ben]]), index * 200);
      return detector.speaker;
    });
  }
  const times = (n: number, ann: number, ben: number) => Array.from({ length: n }, (): [number, number] => [ann, ben]);

  test('the loudest; stays until somebody else is louder for a while; a cough changes nothing', () => {
    expect(listen(...times(5, 0, 0)).at(-1)).toBeNull();
    expect(listen(...times(10, 0.3, 0.01)).at(-1)).toBe('ann');
    expect(listen(...times(10, 0.3, 0), ...times(1, 0.3, 0.6), ...times(10, 0.3, 0)).at(-1)).toBe('ann');
    expect(listen(...times(10, 0.3, 0), ...times(10, 0, 0.3)).at(-1)).toBe('ben');
    expect(listen(...times(10, 0.3, 0), ...times(20, 0, 0)).at(-1)).toBe('ann');
  });
});
