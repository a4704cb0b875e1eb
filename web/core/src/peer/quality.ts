// How well a connection does, in words. Pure.

import type { PeerConnectionState, Quality } from '../types.ts';
import { UNKNOWN } from './link.ts';
import type { Sample } from './stats.ts';


/**
 * The verdict on a sample, smoothed against the verdict before it: quick to fall, slow to rise.
 * Loss on the way out is blamed on this side, loss on the way in on the other one, as each end's uplink is the usual bottleneck.
 */
export function judge(sample: Sample, connection: PeerConnectionState, stalled: boolean, before: Quality): Quality {
  if (connection === 'connecting' || connection === 'none') return UNKNOWN;
  if (connection === 'reconnecting' || stalled) return { level: 'lost', reason: 'cut', score: 0 };

  const lossIn = worst(sample.incoming);
  const lossOut = worst(sample.outgoing);
  const delay = Math.max(0, (sample.rttMs ?? 0) - 150) / 8;
  const camera = sample.outgoing.find((stream) => stream.source === 'camera');
  const slow = camera?.limited === 'cpu' ? 25 : 0;
  const narrow = camera?.limited === 'bandwidth' && camera.bitrate < 300_000 ? 20 : 0;
  const tcp = sample.path?.protocol !== 'udp' && sample.path?.local === 'relay' ? 15 : 0;
  const costs: [Quality['reason'], number][] = [
    ['your_network', lossOut * 500 + narrow],
    ['their_network', lossIn * 500],
    ['delay', Math.min(50, delay)],
    ['your_device', slow],
    ['relayed_tcp', tcp],
  ];
  const now = Math.max(0, 100 - costs.reduce((sum, [, cost]) => sum + cost, 0));
  const from = before.reason === 'connecting' || before.reason === 'cut' ? now : before.score;
  const score = Math.round(from + (now - from) * (now < from ? 0.8 : 0.4));
  const [reason, cost] = costs.reduce((most, one) => (one[1] > most[1] ? one : most));
  const level = score > 75 ? 'good' : score > 40 ? 'fair' : score > 15 ? 'poor' : 'lost';
  return { level, reason: level === 'good' || cost < 5 ? 'none' : reason, score };
}

function worst(streams: readonly { loss: number }[]): number {
  return streams.reduce((most, { loss }) => Math.max(most, loss), 0);
}
