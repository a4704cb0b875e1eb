// Reads what the browser measures (W3C webrtc-stats) into the few figures that the library and its users need.

import type { MediaStats, PeerStats, Source } from '../types.ts';

/** The members of the statistics that are read here; none is sure to be there. */
interface Stat {
  id: string;
  type: string;
  kind?: string;
  mid?: string;
  ssrc?: number;
  state?: string;
  nominated?: boolean;
  selected?: boolean;
  selectedCandidatePairId?: string;
  localCandidateId?: string;
  remoteCandidateId?: string;
  candidateType?: RTCIceCandidateType;
  protocol?: 'udp' | 'tcp';
  relayProtocol?: 'udp' | 'tcp' | 'tls';
  currentRoundTripTime?: number;
  availableOutgoingBitrate?: number;
  bytesReceived?: number;
  bytesSent?: number;
  responsesReceived?: number;
  requestsReceived?: number;
  packetsReceived?: number;
  packetsLost?: number;
  jitter?: number;
  fractionLost?: number;
  roundTripTime?: number;
  framesDecoded?: number;
  framesEncoded?: number;
  framesPerSecond?: number;
  frameWidth?: number;
  frameHeight?: number;
  qualityLimitationReason?: string;
  codecId?: string;
  mimeType?: string;
  localId?: string;
  tlsVersion?: string;
  srtpCipher?: string;
}

/** One look at a connection. */
export interface Sample {
  at: number;
  path: PeerStats['path'];
  rttMs: number | null;
  availableOut: number | null;
  bytesIn: number;
  bytesOut: number;
  /** Grows while anything arrives, be it only consent checks (RFC 7675); `null` where that cannot be seen. */
  signs: number | null;
  dtls: string | null;
  srtp: string | null;
  incoming: Stream[];
  outgoing: Stream[];
}

/** Before the first look. */
export const NOTHING: Sample = { at: 0, path: null, rttMs: null, availableOut: null, bytesIn: 0, bytesOut: 0, signs: null, dtls: null, srtp: null, incoming: [], outgoing: [] };

interface Stream extends MediaStats {
  bytes: number;
  packets: number;
  lost: number;
}

/** Makes a sample; rates and losses are those since `before`. `sourceOf` tells which source an m-line carries. */
export function readStats(report: RTCStatsReport, at: number, before: Sample | null, sourceOf: (mid: string) => Source | undefined): Sample {
  const all = new Map<string, Stat>();
  report.forEach((stat: Stat, id: string) => all.set(id, stat));
  const list = [...all.values()];
  const transport = list.find((stat) => stat.type === 'transport');
  const pair =
    all.get(transport?.selectedCandidatePairId ?? '') ?? list.find((stat) => stat.type === 'candidate-pair' && (stat.selected || (stat.nominated && stat.state === 'succeeded')));
  const local = all.get(pair?.localCandidateId ?? '');
  const remote = all.get(pair?.remoteCandidateId ?? '');
  const protocol = local?.relayProtocol ?? local?.protocol;
  const sample: Sample = {
    at,
    path: local?.candidateType && remote?.candidateType && protocol ? { local: local.candidateType, remote: remote.candidateType, protocol } : null,
    rttMs: pair?.currentRoundTripTime === undefined ? null : Math.round(pair.currentRoundTripTime * 1_000),
    availableOut: pair?.availableOutgoingBitrate ?? null,
    bytesIn: pair?.bytesReceived ?? 0,
    bytesOut: pair?.bytesSent ?? 0,
    signs: signsOf(pair, list),
    dtls: transport?.tlsVersion ?? null,
    srtp: transport?.srtpCipher ?? null,
    incoming: [],
    outgoing: [],
  };
  for (const stat of list) {
    const source = stat.mid === undefined ? undefined : sourceOf(stat.mid);
    const incoming = stat.type === 'inbound-rtp';
    if (!source || (!incoming && stat.type !== 'outbound-rtp')) continue;
    const streams = incoming ? sample.incoming : sample.outgoing;
    const last = (incoming ? before?.incoming : before?.outgoing)?.find((stream) => stream.source === source);
    const heard = list.find((other) => other.type === 'remote-inbound-rtp' && (other.localId === stat.id || other.ssrc === stat.ssrc));
    streams.push(readStream(stat, source, incoming, all.get(stat.codecId ?? ''), heard, last, before ? (at - before.at) / 1_000 : 0));
  }
  return sample;
}

/** What shows that something arrives. Firefox may lose sight of the path while it still calls the connection up: then the streams tell. */
function signsOf(pair: Stat | undefined, list: readonly Stat[]): number | null {
  if (pair) return (pair.bytesReceived ?? 0) + (pair.responsesReceived ?? 0) + (pair.requestsReceived ?? 0);
  const streams = list.filter((stat) => stat.type === 'inbound-rtp');
  return streams.length ? streams.reduce((sum, stat) => sum + (stat.bytesReceived ?? 0), 0) : null;
}

/** One stream; what the receiver of an outgoing one reported is in `heard`. */
function readStream(stat: Stat, source: Source, incoming: boolean, codec: Stat | undefined, heard: Stat | undefined, last: Stream | undefined, seconds: number): Stream {
  const bytes = (incoming ? stat.bytesReceived : stat.bytesSent) ?? 0;
  const packets = stat.packetsReceived ?? 0;
  const lost = stat.packetsLost ?? 0;
  const newLost = Math.max(0, lost - (last?.lost ?? 0));
  const expected = newLost + Math.max(0, packets - (last?.packets ?? 0));
  const jitter = incoming ? stat.jitter : heard?.jitter;
  return {
    source,
    codec: codec?.mimeType ?? null,
    bitrate: last && seconds > 0 ? Math.max(0, Math.round(((bytes - last.bytes) * 8) / seconds)) : 0,
    loss: incoming ? (expected > 0 ? newLost / expected : 0) : (heard?.fractionLost ?? 0),
    jitterMs: jitter === undefined ? null : Math.round(jitter * 1_000),
    width: stat.frameWidth ?? null,
    height: stat.frameHeight ?? null,
    fps: stat.framesPerSecond ?? null,
    frames: stat.framesDecoded ?? stat.framesEncoded ?? null,
    limited: stat.qualityLimitationReason ?? null,
    bytes,
    packets,
    lost,
  };
}
