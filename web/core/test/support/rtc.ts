// RTCPeerConnection as far as the library's state machines see it: signaling states, rollback, ICE restarts, cuts, data channels. No media.
// All waiting is by timers, so that tests run it in virtual time.

interface Description {
  pc: string;
  ufrag: string;
  media: { mid: string; kind: 'audio' | 'video' }[];
}

const LATENCY_MS = 10;
const CONNECT_MS = 50;
/** What Chromium was measured to take. */
export const DISCONNECTED_MS = 6_500;
export const FAILED_MS = 17_000;

let serial = 0;

export class FakeTrack extends EventTarget {
  readonly kind: 'audio' | 'video';
  readonly id = `track${++serial}`;
  enabled = true;
  muted = false;
  readyState: 'live' | 'ended' = 'live';
  contentHint = '';
  onended: (() => void) | null = null;
  onmute: (() => void) | null = null;
  onunmute: (() => void) | null = null;
  settings: MediaTrackSettings = { deviceId: 'default', width: 1280, height: 720 };

  constructor(kind: 'audio' | 'video') {
    super();
    this.kind = kind;
  }

  stop(): void {
    this.readyState = 'ended';
  }

  getSettings(): MediaTrackSettings {
    return this.settings;
  }

  applyConstraints(): Promise<void> {
    return Promise.resolve();
  }

  clone(): FakeTrack {
    return new FakeTrack(this.kind);
  }
}

export class FakeStream {
  readonly id = `stream${++serial}`;
  #tracks: FakeTrack[];
  constructor(tracks: FakeTrack[] = []) {
    this.#tracks = tracks;
  }
  getTracks(): FakeTrack[] {
    return this.#tracks;
  }
  getAudioTracks(): FakeTrack[] {
    return this.#tracks.filter(({ kind }) => kind === 'audio');
  }
  getVideoTracks(): FakeTrack[] {
    return this.#tracks.filter(({ kind }) => kind === 'video');
  }
}

class FakeSender {
  track: FakeTrack | null = null;
  parameters = { encodings: [{}] as RTCRtpEncodingParameters[], transactionId: '', codecs: [], headerExtensions: [], rtcp: {} };
  transport = null;
  replaceTrack(track: FakeTrack | null): Promise<void> {
    this.track = track;
    return Promise.resolve();
  }
  setStreams(): void {}
  getParameters(): typeof this.parameters {
    return structuredClone(this.parameters);
  }
  setParameters(parameters: typeof this.parameters): Promise<void> {
    this.parameters = parameters;
    return Promise.resolve();
  }
}

export interface FakeTransceiver {
  mid: string | null;
  direction: RTCRtpTransceiverDirection;
  sender: FakeSender;
  receiver: { track: FakeTrack; getSynchronizationSources: () => { audioLevel: number; timestamp: number }[] };
}

export class FakeChannel extends EventTarget {
  readonly label: string;
  readonly pc: FakePeerConnection;
  readyState: RTCDataChannelState = 'connecting';
  bufferedAmount = 0;
  bufferedAmountLowThreshold = 0;
  binaryType = 'arraybuffer';
  onopen: (() => void) | null = null;
  onclose: (() => void) | null = null;
  onmessage: ((event: { data: string | ArrayBuffer }) => void) | null = null;
  other: FakeChannel | null = null;
  queue: (string | ArrayBuffer)[] = [];
  mostBuffered = 0;

  constructor(pc: FakePeerConnection, label: string) {
    super();
    this.pc = pc;
    this.label = label;
  }

  send(data: string | Uint8Array): void {
    if (this.readyState !== 'open') throw new DOMException('not open', 'InvalidStateError');
    const copy = typeof data === 'string' ? data : (data.slice().buffer as ArrayBuffer);
    this.bufferedAmount += size(copy);
    this.mostBuffered = Math.max(this.mostBuffered, this.bufferedAmount);
    this.queue.push(copy);
    if (this.queue.length === 1) this.#later();
  }

  close(): void {
    if (this.readyState === 'closed') return;
    this.#closed();
    const { other } = this;
    if (other) setTimeout(() => other.#closed(), LATENCY_MS);
  }

  opened(): void {
    if (this.readyState !== 'connecting') return;
    this.readyState = 'open';
    this.onopen?.();
    this.dispatchEvent(new Event('open'));
  }

  #closed(): void {
    if (this.readyState === 'closed') return;
    this.readyState = 'closed';
    this.queue = [];
    this.onclose?.();
    this.dispatchEvent(new Event('close'));
  }

  #later(): void {
    setTimeout(() => this.#deliver(), LATENCY_MS);
  }

  /** Some of what is buffered arrives. While the path is cut it is sent again later, as SCTP does. */
  #deliver(): void {
    if (this.readyState !== 'open') return;
    if (this.pc.network.up) {
      for (const data of this.queue.splice(0, this.pc.network.burst)) {
        const before = this.bufferedAmount;
        this.bufferedAmount -= size(data);
        this.other?.onmessage?.({ data });
        if (before > this.bufferedAmountLowThreshold && this.bufferedAmount <= this.bufferedAmountLowThreshold) this.dispatchEvent(new Event('bufferedamountlow'));
      }
    }
    if (this.queue.length) this.#later();
  }
}

function size(data: string | ArrayBuffer): number {
  return typeof data === 'string' ? data.length : data.byteLength;
}

/** What lies between all connections of a test. */
export class FakeNetwork {
  up = true;
  /** Messages that a data channel delivers at once. */
  burst = 4;
  all = new Map<string, FakePeerConnection>();
  made: FakePeerConnection[] = [];

  /** The class to put in the place of RTCPeerConnection. */
  connectionClass(): typeof FakePeerConnection {
    const network = this as FakeNetwork;
    return class extends FakePeerConnection {
      constructor() {
        super(network);
      }
    } as unknown as typeof FakePeerConnection;
  }

  cut(): void {
    this.up = false;
    for (const pc of this.all.values()) pc.pathCut();
  }

  heal(): void {
    this.up = true;
    for (const pc of this.all.values()) pc.pathHealed();
  }
}

export class FakePeerConnection extends EventTarget {
  readonly network: FakeNetwork;
  readonly id = `pc${++serial}`;
  signalingState: RTCSignalingState = 'stable';
  connectionState: RTCPeerConnectionState = 'new';
  iceConnectionState: RTCIceConnectionState = 'new';
  localDescription: { type: RTCSdpType; sdp: string } | null = null;
  currentRemoteDescription: { type: RTCSdpType; sdp: string } | null = null;
  remoteDescription: { type: RTCSdpType; sdp: string } | null = null;
  sctp = { maxMessageSize: 262_144 };
  onnegotiationneeded: (() => void) | null = null;
  onicecandidate: ((event: { candidate: { candidate: string; toJSON: () => object } | null }) => void) | null = null;
  onconnectionstatechange: (() => void) | null = null;
  oniceconnectionstatechange: (() => void) | null = null;
  ondatachannel: ((event: { channel: FakeChannel }) => void) | null = null;
  stats = new Map<string, object>();
  transceivers: FakeTransceiver[] = [];
  channels: FakeChannel[] = [];
  #stable: { local: Description | null; remote: Description | null } = { local: null, remote: null };
  #pending: { local: Description | null; remote: Description | null } = { local: null, remote: null };
  #candidates = new Set<string>();
  #restart = false;
  #needed = false;
  #timers = new Set<ReturnType<typeof setTimeout>>();
  restarts = 0;

  constructor(network: FakeNetwork) {
    super();
    this.network = network;
    network.all.set(this.id, this);
    network.made.push(this);
  }

  addTransceiver(trackOrKind: FakeTrack | 'audio' | 'video', init: { direction?: RTCRtpTransceiverDirection } = {}): FakeTransceiver {
    const track = typeof trackOrKind === 'string' ? null : trackOrKind;
    const transceiver = this.#transceiver((track?.kind ?? trackOrKind) as 'audio' | 'video', null);
    transceiver.sender.track = track;
    transceiver.direction = init.direction ?? 'sendrecv';
    this.#need();
    return transceiver;
  }

  getTransceivers(): FakeTransceiver[] {
    return this.transceivers;
  }

  createDataChannel(label: string): FakeChannel {
    const channel = new FakeChannel(this, label);
    this.channels.push(channel);
    if (this.connectionState === 'connected') this.#later(LATENCY_MS, () => this.#openChannels());
    else if (this.channels.length === 1) this.#need();
    return channel;
  }

  restartIce(): void {
    this.#restart = true;
    this.restarts += 1;
    this.#need();
  }

  async setLocalDescription(): Promise<void> {
    await Promise.resolve();
    if (this.signalingState === 'closed') throw new DOMException('closed', 'InvalidStateError');
    const answering = this.signalingState === 'have-remote-offer';
    const remote = this.#pending.remote ?? this.#stable.remote;
    const restarted = answering && this.#stable.remote !== null && this.#stable.remote.ufrag !== remote?.ufrag;
    const ufrag = !this.#stable.local || this.#restart || restarted ? `u${++serial}` : this.#stable.local.ufrag;
    this.#restart = false;
    if (!answering) {
      this.transceivers.forEach((transceiver, index) => (transceiver.mid ??= String(index)));
    }
    const description: Description = { pc: this.id, ufrag, media: this.transceivers.map(({ mid, receiver }) => ({ mid: mid ?? '', kind: receiver.track.kind })) };
    this.localDescription = { type: answering ? 'answer' : 'offer', sdp: JSON.stringify(description) };
    if (answering) {
      this.#stable = { local: description, remote };
      this.currentRemoteDescription = this.remoteDescription;
      this.#pending = { local: null, remote: null };
      this.signalingState = 'stable';
    } else {
      this.#pending.local = description;
      this.signalingState = 'have-local-offer';
    }
    this.#later(1, () => {
      this.onicecandidate?.({ candidate: { candidate: `candidate ${ufrag}`, toJSON: () => ({ candidate: `candidate ${ufrag}` }) } });
      this.onicecandidate?.({ candidate: null });
    });
    if (answering) this.#settled();
  }

  async setRemoteDescription({ type, sdp }: { type: RTCSdpType; sdp: string }): Promise<void> {
    await Promise.resolve();
    if (this.signalingState === 'closed') throw new DOMException('closed', 'InvalidStateError');
    if (type === 'rollback') {
      this.signalingState = 'stable';
      return;
    }
    const description = JSON.parse(sdp) as Description;
    if (type === 'answer') {
      if (this.signalingState !== 'have-local-offer') throw new DOMException('wrong state', 'InvalidStateError');
      this.#stable = { local: this.#pending.local, remote: description };
      this.#pending = { local: null, remote: null };
      this.signalingState = 'stable';
      this.currentRemoteDescription = this.remoteDescription = { type, sdp };
      this.#settled();
      return;
    }
    if (this.signalingState === 'have-local-offer') {
      this.#pending.local = null;
      this.#needed = true;
    }
    this.signalingState = 'have-remote-offer';
    this.remoteDescription = { type, sdp };
    this.#pending.remote = description;
    for (const { mid, kind } of description.media) if (!this.transceivers.some((transceiver) => transceiver.mid === mid)) this.#transceiver(kind, mid);
  }

  async addIceCandidate(candidate?: { candidate?: string }): Promise<void> {
    await Promise.resolve();
    if (!this.remoteDescription) throw new DOMException('no remote description', 'InvalidStateError');
    if (candidate?.candidate) this.#candidates.add(candidate.candidate);
    this.#check();
  }

  getStats(): Promise<Map<string, object>> {
    return Promise.resolve(this.stats);
  }

  close(): void {
    if (this.signalingState === 'closed') return;
    this.signalingState = 'closed';
    this.connectionState = 'closed';
    this.network.all.delete(this.id);
    for (const timer of this.#timers) clearTimeout(timer);
    for (const channel of this.channels) channel.close();
  }

  pathCut(): void {
    if (this.connectionState !== 'connected') return;
    this.#later(DISCONNECTED_MS, () => !this.network.up && this.#setState('disconnected'));
    this.#later(FAILED_MS, () => !this.network.up && this.#setState('failed'));
  }

  pathHealed(): void {
    if (this.connectionState === 'disconnected') this.#later(LATENCY_MS, () => this.network.up && this.#setState('connected'));
    this.#check();
  }

  #transceiver(kind: 'audio' | 'video', mid: string | null): FakeTransceiver {
    const transceiver: FakeTransceiver = {
      mid,
      direction: 'recvonly',
      sender: new FakeSender(),
      receiver: { track: new FakeTrack(kind), getSynchronizationSources: () => [] },
    };
    this.transceivers.push(transceiver);
    return transceiver;
  }

  #need(): void {
    if (this.#needed) return;
    this.#needed = true;
    this.#later(0, () => this.#tellNeeded());
  }

  #tellNeeded(): void {
    if (!this.#needed || this.signalingState !== 'stable') return;
    this.#needed = false;
    this.onnegotiationneeded?.();
  }

  #settled(): void {
    if (this.#restart) this.#needed = true;
    else if (this.transceivers.every(({ mid }) => mid !== null)) this.#needed = false;
    this.#later(0, () => this.#tellNeeded());
    this.#check();
  }

  /** Connects when both ends know each other's newest description and a candidate of it. */
  #check(): void {
    if (!this.#fits()) return;
    this.#later(CONNECT_MS, () => {
      if (!this.network.up || !this.#fits()) return;
      for (const end of [this, this.#other()!]) {
        end.#setState('connected');
        end.#openChannels();
      }
    });
  }

  #fits(): boolean {
    const other = this.#other();
    return other !== undefined && this.#knows(other) && other.#knows(this) && this.connectionState !== 'closed';
  }

  #knows(other: FakePeerConnection): boolean {
    const { remote } = this.#stable;
    return remote !== null && remote.pc === other.id && remote.ufrag === other.#stable.local?.ufrag && this.#candidates.has(`candidate ${remote.ufrag}`);
  }

  #other(): FakePeerConnection | undefined {
    return this.network.all.get(this.#stable.remote?.pc ?? '');
  }

  #openChannels(): void {
    for (const channel of this.channels) {
      if (channel.readyState !== 'connecting') continue;
      const other = this.#other();
      if (!other || other.signalingState === 'closed') continue;
      const twin = new FakeChannel(other, channel.label);
      channel.other = twin;
      twin.other = channel;
      other.channels.push(twin);
      twin.readyState = 'open';
      other.ondatachannel?.({ channel: twin });
      channel.opened();
    }
  }

  #setState(state: 'connected' | 'disconnected' | 'failed'): void {
    if (this.signalingState === 'closed' || state === this.connectionState) return;
    this.connectionState = this.iceConnectionState = state;
    this.oniceconnectionstatechange?.();
    this.onconnectionstatechange?.();
  }

  #later(ms: number, run: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      run();
    }, ms);
    this.#timers.add(timer);
  }
}
