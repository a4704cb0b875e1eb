// Reads what the browser measures (W3C webrtc-stats) into the few figures that the library and its users need.

import type { MediaStats, Source } from '../types.ts';

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
  candidateType?: string;
  protocol?: string;
  relayProtocol?: string;
  currentRoundTripTime?: number;
  availableOutgoingBitrate?: number;
  bytesReceived?: number;
  bytesSent?: number;
  responsesReceived?: number;
  requestsReceived?: number;
  packetsReceived?: number;
  packetsLost?: number;
  packetsSent?: number;
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
  path: { local: string; remote: string; protocol: string } | null;
  rttMs: number | null;
  availableOut: number | null;
  bytesIn: number;
  bytesOut: number;
  /** Grows while anything arrives, be it only consent checks (RFC 7675). */
  signs: number;
  dtls: string | null;
  srtp: string | null;
  incoming: Stream[];
  outgoing: Stream[];
}

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
  const sample: Sample = {
    at,
    path: local && remote ? { local: local.candidateType ?? '', remote: remote.candidateType ?? '', protocol: local.relayProtocol ?? local.protocol ?? '' } : null,
    rttMs: pair?.currentRoundTripTime === undefined ? null : Math.round(pair.currentRoundTripTime * 1_000),
    availableOut: pair?.availableOutgoingBitrate ?? null,
    bytesIn: pair?.bytesReceived ?? 0,
    bytesOut: pair?.bytesSent ?? 0,
    signs: (pair?.bytesReceived ?? 0) + (pair?.responsesReceived ?? 0) + (pair?.requestsReceived ?? 0),
    dtls: transport?.tlsVersion ?? null,
    srtp: transport?.srtpCipher ?? null,
    incoming: [],
    outgoing: [],
  };
  for (const stat of list) {
    const source = stat.mid === undefined ? undefined : sourceOf(stat.mid);
    if (!source) continue;
    if (stat.type === 'inbound-rtp') sample.incoming.push(incoming(stat, source, all, at, before));
    if (stat.type === 'outbound-rtp') sample.outgoing.push(outgoing(stat, source, list, all, at, before));
  }
  return sample;
}

function incoming(stat: Stat, source: Source, all: Map<string, Stat>, at: number, before: Sample | null): Stream {
  const last = before?.incoming.find((stream) => stream.source === source);
  const packets = stat.packetsReceived ?? 0;
  const lost = stat.packetsLost ?? 0;
  const newLost = Math.max(0, lost - (last?.lost ?? 0));
  const expected = newLost + Math.max(0, packets - (last?.packets ?? 0));
  return {
    ...common(stat, source, all, at, before, last, stat.bytesReceived ?? 0),
    loss: expected > 0 ? newLost / expected : 0,
    jitterMs: stat.jitter === undefined ? null : Math.round(stat.jitter * 1_000),
    frames: stat.framesDecoded ?? null,
    limited: null,
    packets,
    lost,
  };
}

function outgoing(stat: Stat, source: Source, list: Stat[], all: Map<string, Stat>, at: number, before: Sample | null): Stream {
  const last = before?.outgoing.find((stream) => stream.source === source);
  const heard = list.find((other) => other.type === 'remote-inbound-rtp' && (other.localId === stat.id || other.ssrc === stat.ssrc));
  return {
    ...common(stat, source, all, at, before, last, stat.bytesSent ?? 0),
    loss: heard?.fractionLost ?? 0,
    jitterMs: heard?.jitter === undefined ? null : Math.round(heard.jitter * 1_000),
    frames: stat.framesEncoded ?? null,
    limited: stat.qualityLimitationReason ?? null,
    packets: stat.packetsSent ?? 0,
    lost: 0,
  };
}

function common(stat: Stat, source: Source, all: Map<string, Stat>, at: number, before: Sample | null, last: Stream | undefined, bytes: number) {
  const seconds = before ? (at - before.at) / 1_000 : 0;
  return {
    source,
    codec: all.get(stat.codecId ?? '')?.mimeType ?? null,
    bitrate: last && seconds > 0 ? Math.max(0, Math.round(((bytes - last.bytes) * 8) / seconds)) : 0,
    width: stat.frameWidth ?? null,
    height: stat.frameHeight ?? null,
    fps: stat.framesPerSecond ?? null,
    bytes,
  };
}
