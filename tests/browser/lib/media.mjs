// The moving picture and the sound that Chromium's fake devices play.
import fs from 'node:fs';
import { out } from './out.mjs';

const WIDTH = 640, HEIGHT = 360, RATE = 20, SECONDS = 4;
const SAMPLES = 48_000;

/**
 * A picture that moves all the time, as uncompressed YUV4MPEG2: a bright bar of a strong colour wanders over a slanted gradient.
 * `hue` tells two people's pictures apart: 'red' or 'blue'.
 */
export function movingPicture(hue = 'red') {
  const file = out('media', `bar-${hue}.y4m`);
  const frames = RATE * SECONDS;
  const luma = WIDTH * HEIGHT, chroma = luma / 4;
  const [u, v] = hue === 'red' ? [90, 200] : [200, 90];
  const chunks = [Buffer.from(`YUV4MPEG2 W${WIDTH} H${HEIGHT} F${RATE}:1 Ip A1:1 C420mpeg2\n`)];
  for (let n = 0; n < frames; n++) {
    const frame = Buffer.alloc(luma + 2 * chroma, 128);
    const left = 2 * Math.floor((n / frames) * (WIDTH / 2 - 40));
    for (let y = 0; y < HEIGHT; y++) {
      for (let x = 0; x < WIDTH; x++) frame[y * WIDTH + x] = x >= left && x < left + 80 ? 160 : 40 + ((x + y + 4 * n) & 63);
    }
    for (let y = 0; y < HEIGHT / 2; y++) {
      const row = luma + y * (WIDTH / 2);
      frame.fill(u, row + left / 2, row + left / 2 + 40);
      frame.fill(v, row + chroma + left / 2, row + chroma + left / 2 + 40);
    }
    chunks.push(Buffer.from('FRAME\n'), frame);
  }
  return write(file, Buffer.concat(chunks));
}

/** A melody rather than one tone, as 16 bit PCM: noise suppression takes a steady tone for noise and removes it. */
export function sound() {
  const notes = [440, 0, 554, 659, 0, 880];
  const length = SAMPLES / 4;
  const data = Buffer.alloc(notes.length * length * 2);
  notes.forEach((hertz, n) => {
    for (let i = 0; i < length; i++) {
      const fade = Math.min(1, i / 500, (length - i) / 500);
      data.writeInt16LE(Math.round(12_000 * fade * Math.sin((2 * Math.PI * hertz * i) / SAMPLES)), 2 * (n * length + i));
    }
  });
  const header = Buffer.alloc(44);
  header.write('RIFF', 0); header.writeUInt32LE(36 + data.length, 4); header.write('WAVEfmt ', 8);
  header.writeUInt32LE(16, 16); header.writeUInt16LE(1, 20); header.writeUInt16LE(1, 22);
  header.writeUInt32LE(SAMPLES, 24); header.writeUInt32LE(SAMPLES * 2, 28); header.writeUInt16LE(2, 32); header.writeUInt16LE(16, 34);
  header.write('data', 36); header.writeUInt32LE(data.length, 40);
  return write(out('media', 'melody.wav'), Buffer.concat([header, data]));
}

function write(file, bytes) {
  // Renamed into place: another test process may read it at this moment.
  const draft = `${file}.${process.pid}`;
  fs.writeFileSync(draft, bytes);
  fs.renameSync(draft, file);
  return file;
}
