// Runs in every page before its own scripts: remembers its peer connections, so that a test can read what the browser itself measures.
// `camera` is all that the camera is able to do: a mesh of real cameras is more than a machine with two processors can encode.
// `relay` (udp, tcp or tls) leaves the page's connections only TURN by that transport.
export function instrument({ camera, relay } = {}) {
  if (globalThis.probe) return;
  const devices = navigator.mediaDevices;
  if (camera && devices) {
    const ask = devices.getUserMedia.bind(devices);
    devices.getUserMedia = ({ video, ...rest }) => ask({ ...rest, ...(video && { video: { ...(video.deviceId && { deviceId: video.deviceId }), ...camera } }) });
  }
  const connections = [];
  const transportOf = (url) => (url.startsWith('turns:') ? 'tls' : /transport=(\w+)/.exec(url)?.[1] ?? 'udp');
  const only = (transport, servers = []) => servers
    .map((server) => ({ ...server, urls: [server.urls].flat().filter((url) => url.startsWith('turn') && transportOf(url) === transport) }))
    .filter(({ urls }) => urls.length > 0);
  const Native = globalThis.RTCPeerConnection;
  if (Native) {
    globalThis.RTCPeerConnection = new Proxy(Native, {
      construct(target, [config, ...rest]) {
        const connection = Reflect.construct(target, [relay ? { ...config, iceTransportPolicy: 'relay', iceServers: only(relay, config?.iceServers) } : config, ...rest]);
        connections.push(connection);
        return connection;
      },
    });
  }
  const live = () => connections.filter((connection) => connection.connectionState !== 'closed');

  async function read(connection) {
    const all = [...(await connection.getStats()).values()];
    const byId = new Map(all.map((entry) => [entry.id, entry]));
    const transport = all.find((entry) => entry.type === 'transport');
    const pair = byId.get(transport?.selectedCandidatePairId) ?? all.find((entry) => entry.type === 'candidate-pair' && (entry.selected || entry.nominated) && entry.state === 'succeeded');
    const videos = all.filter((entry) => entry.type === 'inbound-rtp' && entry.kind === 'video')
      .map((entry) => ({ mid: entry.mid, frames: entry.framesDecoded ?? 0, width: entry.frameWidth, height: entry.frameHeight, freezes: entry.freezeCount }));
    const audios = all.filter((entry) => entry.type === 'inbound-rtp' && entry.kind === 'audio')
      .map((entry) => ({ mid: entry.mid, energy: entry.totalAudioEnergy ?? 0, level: entry.audioLevel ?? 0, bytes: entry.bytesReceived ?? 0 }));
    return {
      state: connection.connectionState,
      ice: connection.iceConnectionState,
      ufrag: /a=ice-ufrag:(\S+)/.exec(connection.localDescription?.sdp ?? '')?.[1],
      frames: videos.reduce((sum, video) => sum + video.frames, 0),
      energy: audios.reduce((sum, audio) => sum + audio.energy, 0),
      audioBytes: audios.reduce((sum, audio) => sum + audio.bytes, 0),
      videos,
      audios,
      tls: transport?.tlsVersion,
      dtlsCipher: transport?.dtlsCipher,
      srtpCipher: transport?.srtpCipher,
      local: byId.get(pair?.localCandidateId)?.candidateType,
      remote: byId.get(pair?.remoteCandidateId)?.candidateType,
      relayProtocol: byId.get(pair?.localCandidateId)?.relayProtocol,
    };
  }

  globalThis.probe = {
    connections,
    /** What each live connection has received so far. */
    media: () => Promise.all(live().map(read)),
    /** The average colour of a picture, and the picture itself in few pixels, to see whether it moves. */
    picture(video) {
      const canvas = document.createElement('canvas');
      canvas.width = 32;
      canvas.height = 18;
      const context = canvas.getContext('2d', { willReadFrequently: true });
      context.drawImage(video, 0, 0, 32, 18);
      return [...context.getImageData(0, 0, 32, 18).data];
    },
  };
}
