import type { Finding, Path } from './types.ts';

const CONNECT_MS = 8_000;
const GATHER_MS = 8_000;
const CALL_MS = 10_000;
const SLOW_MBIT = 2;
const SLOW_RTT_MS = 300;

/** Opens a WebSocket to the signaling endpoint. Nothing is said on it; the server closes it by itself if it is left alone. */
export function checkServer(): Promise<Finding> {
  const began = performance.now();
  const url = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/v1/ws`;
  return new Promise((resolve) => {
    const socket = new WebSocket(url, 'parlour.v1');
    const end = (finding: Finding): void => {
      clearTimeout(timer);
      socket.close();
      resolve(finding);
    };
    const timer = setTimeout(() => end({ status: 'fail', detail: 'fail', facts: { why: 'timeout' } }), CONNECT_MS);
    socket.onopen = () => end({ status: 'ok', detail: 'ok', facts: { ms: Math.round(performance.now() - began) } });
    socket.onerror = () => end({ status: 'fail', detail: 'fail', facts: { why: 'error' } });
  });
}

/** The STUN and TURN servers that this server names. */
async function iceServers(): Promise<RTCIceServer[]> {
  try {
    const answer: unknown = await (await fetch('/v1/ice')).json();
    const list = (answer as { ice_servers?: RTCIceServer[] }).ice_servers;
    return Array.isArray(list) ? list : [];
  } catch {
    return [];
  }
}

/** What the found paths are good for. */
export function judgePaths(paths: Path[]): Finding {
  const has = (type: string): boolean => paths.some((path) => path.type === type);
  const finding = (status: Finding['status'], detail: string): Finding => ({ status, detail, facts: { n: paths.length }, paths });
  if (paths.length === 0) return finding('fail', 'fail');
  if (has('relay')) return finding('ok', 'ok');
  return has('srflx') ? finding('warn', 'direct') : finding('warn', 'local');
}

/** Collects the network paths (ICE candidates) of this computer. */
export async function checkNetwork(): Promise<Finding> {
  const connection = new RTCPeerConnection({ iceServers: await iceServers() });
  const paths: Path[] = [];
  const done = new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, GATHER_MS);
    connection.onicecandidate = ({ candidate }) => {
      if (!candidate) {
        clearTimeout(timer);
        resolve();
      } else if (candidate.candidate) {
        paths.push({
          type: candidate.type ?? 'host',
          protocol: [candidate.protocol, candidate.tcpType].filter(Boolean).join(' ').toUpperCase(),
          address: `${candidate.address ?? '?'}:${candidate.port ?? '?'}`,
        });
      }
    };
  });
  connection.createDataChannel('check');
  await connection.setLocalDescription();
  await done;
  connection.close();
  return judgePaths(paths);
}

/** A moving picture and a tone, so that the call to itself needs no device. */
function testMedia(): { stream: MediaStream; stop: () => void } {
  const canvas = document.createElement('canvas');
  canvas.width = 320;
  canvas.height = 180;
  const context = canvas.getContext('2d');
  let step = 0;
  const timer = setInterval(() => {
    if (!context) return;
    step += 1;
    context.fillStyle = `hsl(${(step * 9) % 360} 60% 50%)`;
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.fillStyle = '#fff';
    context.fillRect((step * 7) % canvas.width, 60, 60, 60);
  }, 50);
  const audio = new AudioContext();
  const output = audio.createMediaStreamDestination();
  const tone = audio.createOscillator();
  tone.connect(output);
  tone.start();
  const stream = new MediaStream([...canvas.captureStream(20).getTracks(), ...output.stream.getTracks()]);
  return {
    stream,
    stop() {
      clearInterval(timer);
      for (const track of stream.getTracks()) track.stop();
      void audio.close();
    },
  };
}

/** A call between two connections in this page: picture, sound and data from end to end. */
export async function checkCall(): Promise<Finding> {
  const began = performance.now();
  const [a, b] = [new RTCPeerConnection(), new RTCPeerConnection()];
  const media = testMedia();
  const candidates = (from: RTCPeerConnection, to: RTCPeerConnection): void => {
    from.onicecandidate = ({ candidate }) => void to.addIceCandidate(candidate ?? undefined).catch(() => undefined);
  };
  candidates(a, b);
  candidates(b, a);
  try {
    for (const track of media.stream.getTracks()) a.addTrack(track, media.stream);
    const channel = a.createDataChannel('check');
    const echoed = new Promise<void>((resolve) => {
      b.ondatachannel = ({ channel: other }) => {
        other.onmessage = ({ data }) => other.send(data);
      };
      channel.onopen = () => channel.send('hello');
      channel.onmessage = () => resolve();
    });
    await a.setLocalDescription();
    if (a.localDescription) await b.setRemoteDescription(a.localDescription);
    await b.setLocalDescription();
    if (b.localDescription) await a.setRemoteDescription(b.localDescription);

    const end = began + CALL_MS;
    const inTime = await Promise.race([echoed.then(() => true), new Promise<false>((resolve) => setTimeout(() => resolve(false), CALL_MS))]);
    if (!inTime) return { status: 'fail', detail: 'fail', facts: { ice: a.iceConnectionState } };
    while (performance.now() < end) {
      let frames = 0;
      for (const report of (await b.getStats()).values()) if (report.type === 'inbound-rtp' && report.kind === 'video') frames += report.framesDecoded ?? 0;
      if (frames > 1) return { status: 'ok', detail: 'ok', facts: { ms: Math.round(performance.now() - began) } };
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return { status: 'warn', detail: 'noMedia', facts: { ice: a.iceConnectionState } };
  } catch (error) {
    return { status: 'fail', detail: 'fail', facts: { error: String(error) } };
  } finally {
    media.stop();
    a.close();
    b.close();
  }
}

/** Measures how fast the server answers, and how fast this app's own files load from it. */
export async function checkSpeed(): Promise<Finding> {
  try {
    const times: number[] = [];
    for (let round = 0; round < 5; round++) {
      const began = performance.now();
      await (await fetch('/v1/info', { cache: 'no-store' })).text();
      times.push(performance.now() - began);
    }
    const rtt = Math.round(times.sort((x, y) => x - y)[1] ?? 0);
    const files = [...document.querySelectorAll<HTMLScriptElement | HTMLLinkElement>('script[src],link[rel=modulepreload],link[rel=stylesheet]')].map((element) =>
      element instanceof HTMLScriptElement ? element.src : element.href,
    );
    let bytes = 0;
    const began = performance.now();
    for (let round = 0; round < 4; round++) {
      for (const file of files) {
        await (await fetch(file, { cache: 'no-store' })).arrayBuffer();
        const entry = performance.getEntriesByName(file).at(-1);
        bytes += entry instanceof PerformanceResourceTiming ? entry.encodedBodySize : 0;
      }
    }
    const down = Math.round(((bytes * 8) / (performance.now() - began) / 1000) * 10) / 10;
    const slow = down < SLOW_MBIT || rtt > SLOW_RTT_MS;
    return { status: slow ? 'warn' : 'ok', detail: slow ? 'slow' : 'ok', facts: { rtt, down } };
  } catch {
    return { status: 'warn', detail: 'fail', facts: {} };
  }
}
