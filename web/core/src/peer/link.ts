// The media connection to one other participant, over as many RTCPeerConnections (generations) as it takes.

import type { Pipe } from '../files/transfer.ts';
import type { AdaptContext, Encoding } from '../media/adapt.ts';
import type { LocalMedia } from '../media/local.ts';
import type { SdpKind } from '../protocol.gen.ts';
import type { Sent } from '../signaling/session.ts';
import type { PeerConnectionState, PeerStats, Quality, Source, Wanted } from '../types.ts';
import type { Monitor, Watched } from './monitor.ts';
import { Negotiation } from './negotiation.ts';
import { initialPolicy, reconnectPolicy, type PolicyEvent, type PolicyState } from './policy.ts';

/** What each m-line carries, in this order. Known to both ends, so that no message has to say it. */
export const SOURCES: readonly Source[] = ['mic', 'camera', 'screen', 'screen_audio'];

/** The data channel for files; opened by whoever makes the first offer, used by both. */
export const FILE_CHANNEL = 'parlour-file';

/** The verdict on a connection that is not up yet. */
export const UNKNOWN: Quality = { level: 'fair', reason: 'connecting', score: 50 };

export interface LinkHandlers {
  send(message: Sent): void;
  /** Opens the connection to the server again: it may be dead. */
  reopen(why: string): void;
  /** The state, the quality or what arrives changed. */
  changed(): void;
  /** The other side opened a data channel for the application. */
  channel(channel: RTCDataChannel): void;
  /** The data channel for files is open, or gone. */
  pipe(pipe: Pipe | null): void;
  log(line: string): void;
}

export interface LinkContext {
  me: string;
  peer: string;
  config: RTCConfiguration;
  local: LocalMedia;
  signaling: boolean;
  present: boolean;
  people: number;
}

export class Link implements Watched {
  readonly #context: LinkContext;
  readonly #handlers: LinkHandlers;
  readonly #polite: boolean;
  /** Not there before that part of the library is: till then the browser's own choices hold. */
  #monitor: Monitor | null = null;
  #policy: PolicyState;
  #generation = 0;
  #pc: RTCPeerConnection | null = null;
  #negotiation: Negotiation | null = null;
  #transceivers = new Map<Source, RTCRtpTransceiver>();
  #received = new Map<Source, MediaStream>();
  #arriving = new Set<Source>();
  #files: RTCDataChannel | null = null;
  #restarts = 0;
  #wake: ReturnType<typeof setTimeout> | undefined;
  #applied = new Map<Source, string>();
  #wanted: Wanted = 'full';
  #ever = false;
  #closed = false;
  #shown: PeerConnectionState = 'connecting';
  since = Date.now();
  quality: Quality = UNKNOWN;
  /** The other side should be sending something now. */
  expecting = false;

  constructor(context: LinkContext, handlers: LinkHandlers) {
    this.#context = context;
    this.#handlers = handlers;
    this.#polite = context.me > context.peer;
    this.#policy = { ...initialPolicy(this.#polite, context.signaling, Date.now()), present: context.present };
    this.#tick();
  }

  /** Begins to measure, and to send no more than the measures allow. */
  watch(Watching: typeof Monitor): void {
    this.#monitor ??= new Watching(this, {
      stalled: () => this.#step({ type: 'stalled' }),
      judged: (quality, alive) => this.#judged(quality, alive),
      encode: () => void this.#encode(),
      log: (line) => this.#log(line),
    });
    void this.#encode();
  }

  get state(): PeerConnectionState {
    return this.#shown;
  }

  get pc(): RTCPeerConnection | null {
    return this.#pc;
  }

  /** The connection is up, and nothing is being done about it. */
  get steady(): boolean {
    return this.#policy.phase === 'connected';
  }

  /** What decides how much picture is sent. */
  get context(): AdaptContext {
    const { people, local } = this.#context;
    return { people, wanted: this.#wanted, height: local.height('camera'), fps: local.fps('camera') };
  }

  sends(source: Source): boolean {
    return this.#context.local.track(source) !== null;
  }

  sourceOf(mid: string): Source | undefined {
    return SOURCES.find((source) => this.#transceivers.get(source)?.mid === mid);
  }

  /** Makes the first offer, in `generation`. */
  start(generation = 0): void {
    this.#generation = generation;
    this.#create(true);
  }

  /** The server lost messages, descriptions maybe among them: what is not up begins anew. */
  forgotten(): void {
    // What never began may have missed the other side's beginning, which a newer generation replaces.
    if (!this.#pc) this.#generation += 1;
    this.#step({ type: 'forgotten' });
  }

  receiveSdp(generation: number, kind: SdpKind, sdp: string): void {
    if (!this.#meet(generation)) return;
    if (kind === 'offer' && this.#ever) this.#step({ type: 'negotiating', rebuilt: false });
    this.#negotiation?.receive(kind, sdp);
  }

  receiveIce(generation: number, candidate: RTCIceCandidateInit | null): void {
    if (this.#meet(generation)) this.#negotiation?.candidate(candidate);
  }

  receiveRestart(generation: number): void {
    if (generation === this.#generation) this.#step({ type: 'asked' });
  }

  signaling(up: boolean): void {
    this.#step({ type: 'signaling', up });
  }

  presence(here: boolean): void {
    this.#step({ type: 'presence', here });
  }

  disturbed(): void {
    this.#step({ type: 'disturbed' });
  }

  /** What this side sends from `source` changed. */
  async sourceChanged(source: Source): Promise<void> {
    await this.#attach(source);
  }

  setPeople(people: number): void {
    if (people === this.#context.people) return;
    this.#context.people = people;
    void this.#encode();
  }

  /** The other side says how large it shows this side's camera. */
  setWanted(wanted: Wanted): void {
    this.#wanted = wanted;
    void this.#encode();
  }

  /** What arrives from a source, once its m-line was negotiated. */
  stream(source: Source): MediaStream | undefined {
    return this.#received.get(source);
  }

  /** Whether packets from a source have ever arrived. */
  arrives(source: Source): boolean {
    return this.#arriving.has(source);
  }

  /** Level of the sound that arrives, 0 to 1. */
  level(): number {
    const source = this.#transceivers.get('mic')?.receiver.getSynchronizationSources?.()[0];
    return source && Date.now() - source.timestamp < 1_000 ? (source.audioLevel ?? 0) : 0;
  }

  /** The figures, once it is watched. */
  async stats(): Promise<PeerStats | null> {
    const pc = this.#pc;
    const monitor = this.#monitor;
    if (!monitor) return null;
    return {
      ...(await monitor.sample()),
      peer: this.#context.peer,
      state: pc?.connectionState ?? 'closed',
      iceState: pc?.iceConnectionState ?? 'closed',
      generation: this.#generation,
      restarts: this.#restarts,
      ladder: monitor.ladder(),
      quality: this.quality,
    };
  }

  close(): void {
    this.#closed = true;
    this.#monitor?.close();
    clearTimeout(this.#wake);
    this.#drop();
  }

  /** Whether a message of `generation` concerns the current connection. A newer one makes this side begin anew. */
  #meet(generation: number): boolean {
    if (generation < this.#generation) return false;
    if (generation > this.#generation || !this.#pc) {
      const rebuilt = this.#pc !== null;
      this.#generation = generation;
      this.#create(false);
      if (rebuilt) this.#step({ type: 'negotiating', rebuilt: true });
    }
    return true;
  }

  #create(offering: boolean): void {
    this.#drop();
    const pc = new RTCPeerConnection(this.#context.config);
    const generation = this.#generation;
    this.#pc = pc;
    this.#log(`connection ${generation}${offering ? ', offering' : ''}`);
    const address = { pc: `p:${this.#context.peer}`, gen: generation };
    this.#negotiation = new Negotiation(pc, this.#polite, {
      sdp: (kind, sdp) => this.#handlers.send({ t: 'sdp', ...address, kind, sdp }),
      answering: () => this.#adopt(),
      attach: () => SOURCES.forEach((source) => void this.#attach(source)),
      answered: () => this.#step({ type: 'answered' }),
      yield: (offer) => {
        this.#create(false);
        this.#negotiation?.receive('offer', offer);
      },
      failed: (error, fatal) => {
        this.#log(String(error));
        if (fatal) this.#step({ type: 'lost' });
      },
    });
    pc.onicecandidate = ({ candidate }) => {
      if (candidate?.candidate === '') return;
      this.#handlers.send({ t: 'ice', ...address, cand: candidate ? { ...candidate.toJSON() } : null });
    };
    pc.onconnectionstatechange = () => this.#stateChanged(pc);
    pc.oniceconnectionstatechange = () => this.#stateChanged(pc);
    pc.ondatachannel = ({ channel }) => (channel.label === FILE_CHANNEL ? this.#useFiles(channel) : this.#handlers.channel(channel));
    if (offering) this.#begin(pc);
  }

  #begin(pc: RTCPeerConnection): void {
    const { local } = this.#context;
    for (const source of SOURCES) {
      this.#know(source, pc.addTransceiver(local.track(source) ?? kindOf(source), { direction: 'sendrecv', streams: [local.group(source)] }));
    }
    this.#useFiles(pc.createDataChannel(FILE_CHANNEL));
    this.#negotiation?.begin();
    void this.#encode();
  }

  /** Takes over the transceivers that the other side's offer made: its n-th audio and video m-lines are what ours would be. */
  #adopt(): void {
    const free = new Map<string, Source[]>([
      ['audio', ['mic', 'screen_audio']],
      ['video', ['camera', 'screen']],
    ]);
    for (const transceiver of this.#pc?.getTransceivers() ?? []) {
      const source = free.get(transceiver.receiver.track.kind)?.shift();
      if (!source || this.#transceivers.get(source) === transceiver) continue;
      transceiver.direction = 'sendrecv';
      transceiver.sender.setStreams?.(this.#context.local.group(source));
      this.#know(source, transceiver);
    }
  }

  #know(source: Source, transceiver: RTCRtpTransceiver): void {
    this.#transceivers.set(source, transceiver);
    const { track } = transceiver.receiver;
    this.#received.set(source, new MediaStream([track]));
    track.onunmute = () => {
      this.#arriving.add(source);
      this.#handlers.changed();
    };
    this.#handlers.changed();
  }

  async #attach(source: Source): Promise<void> {
    const sender = this.#transceivers.get(source)?.sender;
    if (!sender) return;
    const track = this.#context.local.track(source);
    try {
      if (sender.track !== track) await sender.replaceTrack(track);
      await this.#encode();
    } catch (error) {
      if (!this.#closed) this.#log(`${source}: ${String(error)}`);
    }
  }

  async #encode(): Promise<void> {
    const { motion } = this.#context.local;
    const monitor = this.#monitor;
    if (!monitor) return;
    await this.#apply('camera', monitor.camera(), 'balanced');
    await this.#apply('screen', monitor.screen(motion), motion ? 'maintain-framerate' : 'maintain-resolution');
  }

  async #apply(source: Source, encoding: Encoding, preference: RTCDegradationPreference): Promise<void> {
    const sender = this.#transceivers.get(source)?.sender;
    if (!sender?.track) return;
    const text = JSON.stringify(encoding);
    if (this.#applied.get(source) === text) return;
    const parameters = sender.getParameters();
    // Before the first answer there may be no encoding to set.
    if (!parameters.encodings?.length) return;
    this.#applied.set(source, text);
    Object.assign(parameters.encodings[0]!, encoding);
    parameters.degradationPreference = preference;
    try {
      await sender.setParameters(parameters);
    } catch (error) {
      this.#applied.delete(source);
      if (sender.transport && this.#pc?.signalingState === 'stable') this.#log(`encoding: ${String(error)}`);
    }
  }

  #useFiles(channel: RTCDataChannel): void {
    this.#files = channel;
    const open = () => this.#files === channel && this.#handlers.pipe({ channel, maxMessage: this.#pc?.sctp?.maxMessageSize ?? 65_536 });
    channel.onopen = open;
    channel.onclose = () => {
      if (this.#files !== channel) return;
      this.#loseFiles();
      this.#step({ type: 'lost' });
    };
    if (channel.readyState === 'open') open();
  }

  #loseFiles(): void {
    if (!this.#files) return;
    this.#files = null;
    this.#handlers.pipe(null);
  }

  #stateChanged(pc: RTCPeerConnection): void {
    if (pc !== this.#pc) return;
    const { connectionState, iceConnectionState } = pc;
    if (connectionState === 'failed' || iceConnectionState === 'failed') this.#step({ type: 'failed' });
    else if (iceConnectionState === 'disconnected') this.#step({ type: 'disconnected' });
    else if (connectionState === 'connected') {
      this.#step({ type: 'connected' });
      void this.#encode();
    }
  }

  #step(event: PolicyEvent): void {
    if (this.#closed) return;
    const before = this.#policy;
    const { state, actions, wake } = reconnectPolicy(before, event, Date.now());
    this.#policy = state;
    clearTimeout(this.#wake);
    if (wake !== null) this.#wake = setTimeout(() => this.#tick(), Math.max(50, wake - Date.now()));
    if (state.phase !== before.phase || actions.length) this.#log(`${before.phase} → ${state.phase} (${event.type}) ${actions.join()}`);
    for (const action of actions) this.#act(action);
    this.#show();
  }

  #act(action: 'restart' | 'reopen' | 'rebuild'): void {
    if (action === 'reopen') return this.#handlers.reopen('no answer to an ICE restart');
    this.#restarts += 1;
    if (action === 'restart' && this.#pc) return this.#pc.restartIce();
    // Whoever only waits for a first offer that never came makes generation 0 itself.
    if (this.#pc) this.#generation += 1;
    this.#create(true);
  }

  #show(): void {
    const { phase } = this.#policy;
    if (phase === 'connected') this.#ever = true;
    const healthy = phase === 'connected' || (phase === 'restarting' && this.#shown === 'connected' && this.#pc?.iceConnectionState !== 'disconnected' && this.#pc?.connectionState === 'connected');
    const shown: PeerConnectionState = healthy ? 'connected' : this.#ever ? 'reconnecting' : 'connecting';
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.since = Date.now();
    this.#handlers.changed();
  }

  #judged(quality: Quality, alive: boolean): void {
    const { phase } = this.#policy;
    // The browser may well say `connected` all the time, through a restart and through silence: then only looking shows that it is over.
    if (phase === 'restarting') this.#tick();
    if (phase === 'disconnected' && alive && this.#pc) this.#stateChanged(this.#pc);
    const news = quality.level !== this.quality.level || quality.reason !== this.quality.reason;
    this.quality = quality;
    if (news) this.#handlers.changed();
  }

  #tick(): void {
    this.#step({ type: 'tick', connected: this.#pc?.connectionState === 'connected' });
  }

  #log(line: string): void {
    this.#handlers.log(`${this.#context.peer}: ${line}`);
  }

  #drop(): void {
    const pc = this.#pc;
    this.#pc = null;
    this.#negotiation = null;
    this.#transceivers.clear();
    this.#received.clear();
    this.#arriving.clear();
    this.#applied.clear();
    this.#monitor?.reset();
    this.#loseFiles();
    if (!pc) return;
    pc.onicecandidate = pc.onconnectionstatechange = pc.oniceconnectionstatechange = pc.ondatachannel = pc.onnegotiationneeded = null;
    pc.close();
    if (!this.#closed) this.#handlers.changed();
  }
}

function kindOf(source: Source): 'audio' | 'video' {
  return source === 'mic' || source === 'screen_audio' ? 'audio' : 'video';
}
