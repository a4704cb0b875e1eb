// The Rust peer of examples/recorder and real browsers: sound and pictures recorded, played and sent back, with either side as the offerer.
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';
import { after, before, describe } from 'node:test';
import { launch } from './lib/browsers.mjs';
import { mediaFlows, scenario } from './lib/call.mjs';
import { atExit } from './lib/cleanup.mjs';
import { here, out } from './lib/out.mjs';
import { soon, until } from './lib/wait.mjs';

const BINARY = process.env.TEST_RECORDER_BIN ?? path.join(here, '../../target/debug/recorder');
const FOLDER = path.dirname(out('recordings', 'x'));

const PICTURES = ['-f', 'lavfi', '-i', 'testsrc2=size=320x240:rate=20', '-t', '4'];
const SOUND = ['-f', 'lavfi', '-i', 'sine=frequency=440:beep_factor=4', '-t', '4'];
/** What is played: made once, a key frame each second. */
const FILES = {
  vp8: ['film.ivf', ...PICTURES, '-c:v', 'libvpx', '-b:v', '400k', '-g', '20', '-deadline', 'realtime', '-cpu-used', '8'],
  vp9: ['film-vp9.ivf', ...PICTURES, '-c:v', 'libvpx-vp9', '-b:v', '400k', '-g', '20', '-deadline', 'realtime', '-cpu-used', '8', '-lag-in-frames', '0', '-auto-alt-ref', '0'],
  h264: ['film.h264', ...PICTURES, '-c:v', 'libx264', '-profile:v', 'baseline', '-level', '3.1', '-pix_fmt', 'yuv420p', '-g', '20', '-tune', 'zerolatency', '-preset', 'ultrafast', '-f', 'h264'],
  opus: ['song.ogg', ...SOUND, '-c:a', 'libopus', '-b:a', '32k'],
};

function file(kind) {
  const [name, ...args] = FILES[kind];
  const made = out('media', name);
  if (!fs.existsSync(made)) {
    const draft = out('media', `draft-${process.pid}-${name}`);
    execFileSync('ffmpeg', ['-v', 'error', '-y', ...args, draft]);
    fs.renameSync(draft, made);
  }
  return made;
}

async function start(...files) {
  const child = spawn(BINARY, ['--listen', '127.0.0.1:0', '--into', FOLDER, ...files], { stdio: ['ignore', 'pipe', 'inherit'] });
  const forget = atExit(() => child.kill('SIGKILL'));
  const url = await soon('the start of the recorder', new Promise((resolve, reject) => {
    readline.createInterface({ input: child.stdout }).once('line', resolve);
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`the recorder ended with ${code}`)));
  }));
  return { url, stop: () => { child.kill('SIGKILL'); forget(); } };
}

async function openPage(browser, url) {
  const page = await browser.newPage();
  await page.goto(url);
  await page.until('the page is ready', () => typeof globalThis.recorder === 'object');
  return page;
}

/** In the page: connects and keeps the session as `session`. `codec` is what pictures are sent by, `rids` are layers of them. */
async function connect({ mode, how, media, codec, rids }) {
  const stream = media && await navigator.mediaDevices.getUserMedia(media);
  const tracks = stream?.getTracks() ?? [];
  const layered = rids ? tracks.filter((track) => track.kind === 'video') : [];
  const prepare = (connection) => {
    for (const track of layered) {
      const sendEncodings = rids.map((rid, place) => ({ rid, scaleResolutionDownBy: 2 ** (rids.length - 1 - place) }));
      connection.addTransceiver(track, { direction: 'sendonly', sendEncodings });
    }
    if (!codec) return;
    const all = RTCRtpReceiver.getCapabilities('video').codecs;
    const wanted = all.filter(({ mimeType }) => mimeType === codec || mimeType === 'video/rtx');
    for (const transceiver of connection.getTransceivers().filter(({ receiver }) => receiver.track.kind === 'video')) transceiver.setCodecPreferences(wanted);
  };
  globalThis.session = await recorder.connect({ mode, how, tracks: tracks.filter((track) => !layered.includes(track)), prepare });
  globalThis.tracks = tracks;
}

/** What the page sends, by layer. */
const sent = async () => [...(await session.connection.getStats()).values()].filter(({ type }) => type === 'outbound-rtp')
  .map(({ kind, rid, framesEncoded, packetsSent, retransmittedPacketsSent, nackCount, pliCount }) => ({ kind, rid, framesEncoded, packetsSent, retransmittedPacketsSent, nackCount, pliCount }));

/** Waits until the page has sent so many frames of each layer, and so many packets of sound. */
function sends(page, { layers = 1, frames = 60, packets = 100 } = {}) {
  return until('enough is sent', async () => {
    const streams = await page.evaluate(sent);
    const video = streams.filter(({ kind }) => kind === 'video'), audio = streams.filter(({ kind }) => kind === 'audio');
    const enough = video.length === layers && video.every((one) => one.framesEncoded >= frames) && audio.every((one) => one.packetsSent >= packets);
    return enough ? streams : null;
  }, { within: 90_000, every: 500 });
}

/** Ends the session, and gives its files. */
async function recordings(page) {
  const location = await page.evaluate(async () => {
    tracks.forEach((track) => track.stop());
    await session.close();
    return session.location;
  });
  const id = location.split('/').pop();
  return fs.readdirSync(FOLDER).filter((name) => name.startsWith(`${id}-`)).sort().map((name) => path.join(FOLDER, name));
}

/** What ffprobe says of a file, and what ffmpeg has to say against it. */
function examine(name) {
  const args = ['-v', 'error', '-count_frames', '-show_entries', 'stream=codec_name,width,height,nb_read_frames', '-of', 'json', name];
  const probe = spawnSync('ffprobe', args, { encoding: 'utf8' });
  const decode = spawnSync('ffmpeg', ['-v', 'warning', '-xerror', '-i', name, '-f', 'null', '-'], { encoding: 'utf8' });
  // A stream of H.264 has no times; that is no fault.
  const complaints = [probe.stderr, decode.stderr].join('').split('\n').filter((line) => line && !/Timestamps are unset|dur(ation)? from bitrate/.test(line));
  assert.deepEqual(complaints, [], name);
  assert.equal(decode.status, 0, name);
  const [stream] = JSON.parse(probe.stdout).streams;
  return { codec: stream.codec_name, width: stream.width, height: stream.height, frames: Number(stream.nb_read_frames) };
}

const BOTH = { audio: true, video: { width: 640, height: 480 } };

describe('Rust peer with media', { concurrency: 1 }, () => {
  const browsers = {};
  let server;
  const browser = async (kind) => (browsers[kind] ??= await launch(kind));
  before(async () => {
    fs.rmSync(FOLDER, { recursive: true, force: true });
    fs.mkdirSync(FOLDER, { recursive: true });
    server = await start(file('vp8'), file('opus'));
  });
  after(async () => {
    await Promise.all(Object.values(browsers).map((one) => one.close()));
    server?.stop();
  });

  const name = (kind, how) => `${kind} ${how === 'offer' ? 'offers' : 'answers'}`;
  const cases = [
    ['chromium', 'offer', 'video/VP8', 'vp8'], ['chromium', 'answer', 'video/VP8', 'vp8'], ['chromium', 'offer', 'video/H264', 'h264'], ['chromium', 'offer', 'video/VP9', 'vp9'],
    ['firefox', 'offer', 'video/VP8', 'vp8'], ['firefox', 'answer', 'video/VP8', 'vp8'],
  ];
  for (const [kind, how, codec, decoder] of cases) {
    scenario(`${name(kind, how)}: camera (${codec}) and microphone are recorded`, async (t) => {
      const page = await openPage(await browser(kind), server.url);
      await page.evaluate(connect, { mode: 'record', how, media: BOTH, codec: how === 'offer' ? codec : undefined });
      const streams = await sends(page);
      const files = await recordings(page);
      await page.close();
      assert.equal(files.length, 2, files.join());
      const [sound, picture] = files.map(examine).sort((a, b) => Number(b.codec === 'opus') - Number(a.codec === 'opus'));
      t.diagnostic(JSON.stringify({ streams, sound, picture }));
      assert.equal(sound.codec, 'opus');
      assert.equal(picture.codec, decoder);
      assert.ok(sound.frames >= 90 && picture.frames >= 50, JSON.stringify([sound, picture]));
      if (decoder !== 'h264') assert.ok(picture.width >= 160 && picture.height >= 120);
    });
  }

  const plays = [['chromium', 'offer', 'vp8'], ['chromium', 'answer', 'h264'], ['chromium', 'offer', 'vp9'], ['firefox', 'offer', 'vp8'], ['firefox', 'answer', 'vp8']];
  for (const [kind, how, codec] of plays) {
    scenario(`${name(kind, how)}: a ${codec} file and an Opus file are played`, async (t) => {
      const player = await start(file(codec), file('opus'));
      try {
        const page = await openPage(await browser(kind), player.url);
        await page.evaluate(connect, { mode: 'play', how });
        const [seen] = [await mediaFlows(page)].flat();
        t.diagnostic(JSON.stringify(seen));
        await page.evaluate(() => session.close());
        await page.close();
      } finally {
        player.stop();
      }
    });
  }

  for (const kind of ['chromium', 'firefox']) {
    for (const how of ['offer', 'answer']) {
      scenario(`${name(kind, how)}: sound and pictures come back`, async () => {
        const page = await openPage(await browser(kind), server.url);
        await page.evaluate(connect, { mode: 'echo', how, media: BOTH });
        await mediaFlows(page);
        await page.evaluate(() => session.close());
        await page.close();
      });
    }
  }

  scenario('chromium offers: three layers of a simulcast are recorded', async (t) => {
    const page = await openPage(await browser('chromium'), server.url);
    const rids = ['q', 'h', 'f'];
    await page.evaluate(connect, { mode: 'record', how: 'offer', media: { video: { width: 1280, height: 720 } }, rids });
    const streams = await sends(page, { layers: 3, frames: 30 });
    const files = await recordings(page);
    await page.close();
    const seen = Object.fromEntries(files.map((one) => [/-(\w+)\.ivf$/.exec(one)[1], examine(one)]));
    t.diagnostic(JSON.stringify({ streams, seen }));
    assert.deepEqual(Object.keys(seen).sort(), [...rids].sort());
    assert.ok(seen.q.width < seen.h.width && seen.h.width < seen.f.width, JSON.stringify(seen));
    for (const rid of rids) assert.ok(seen[rid].frames >= 20, JSON.stringify(seen));
  });

  for (const kind of ['chromium', 'firefox']) {
    scenario(`${kind}: pictures come to a call and go, ICE restarts, sound goes on`, async () => {
      const page = await openPage(await browser(kind), server.url);
      await page.evaluate(connect, { mode: 'echo', how: 'offer', media: { audio: true } });
      await mediaFlows(page, 1, { video: false });
      await page.evaluate(async () => {
        const stream = await navigator.mediaDevices.getUserMedia({ video: { width: 320, height: 240 } });
        globalThis.added = session.connection.addTrack(stream.getVideoTracks()[0], stream);
        await session.negotiate();
      });
      await mediaFlows(page);
      const before = (await page.evaluate(() => probe.media()))[0].ufrag;
      await page.evaluate(() => session.negotiate({ iceRestart: true }));
      await mediaFlows(page);
      assert.notEqual((await page.evaluate(() => probe.media()))[0].ufrag, before);
      await page.evaluate(async () => {
        session.connection.getTransceivers().find(({ sender }) => sender === added).stop();
        await session.negotiate();
      });
      await mediaFlows(page, 1, { video: false });
      assert.equal(await page.evaluate(() => session.connection.getTransceivers().length), 1);
      await page.evaluate(() => session.close());
      await page.close();
    });
  }
});
