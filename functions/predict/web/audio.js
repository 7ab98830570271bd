// Sound in the browser: decoded at its own rate, played from anywhere, taken from the microphone.
import { encodeWav } from "./wav.js";

// What browsers make buffers of.
const RATES = [3000, 768000];
const USUAL_RATE = 48000;
// Above it most of a recording is beyond all ears: it is played at a tenth of its speed.
const AUDIBLE_RATE = 96000;
let context = null;
let playing = null;

/**
 * A recording as samples: `{ samples, rate, duration, buffer }`, mono, in Hz and seconds.
 *
 * Rejects with an Error in words when this browser cannot read it; the API may all the same.
 */
export async function decode(bytes) {
  const rate = ownRate(new DataView(bytes)) ?? USUAL_RATE;
  const offline = new OfflineAudioContext(1, 1, Math.min(RATES[1], Math.max(RATES[0], rate)));
  let buffer;
  try {
    // It takes the bytes away.
    buffer = await offline.decodeAudioData(bytes.slice(0));
  } catch {
    throw new Error("This browser cannot draw or play this format.");
  }
  return { samples: mixed(buffer), rate: buffer.sampleRate, duration: buffer.duration, buffer };
}

function mixed(buffer) {
  const { numberOfChannels, length } = buffer;
  if (numberOfChannels === 1) return buffer.getChannelData(0);
  const samples = new Float32Array(length);
  for (let channel = 0; channel < numberOfChannels; channel += 1) {
    const one = buffer.getChannelData(channel);
    for (let n = 0; n < length; n += 1) samples[n] += one[n] / numberOfChannels;
  }
  return samples;
}

/** The rate that a file's head names, in Hz: WAV, FLAC, Vorbis. Null for others. */
function ownRate(view) {
  const text = (at, length) => String.fromCharCode(
    ...new Uint8Array(view.buffer, at, Math.max(0, Math.min(length, view.byteLength - at))),
  );
  if (text(0, 4) === "RIFF") {
    for (let at = 12; at + 16 <= view.byteLength; at += 8 + view.getUint32(at + 4, true)) {
      if (text(at, 4) === "fmt ") return view.getUint32(at + 12, true) || null;
    }
  }
  // 20 bits, after the magic word and the head of the first block.
  if (text(0, 4) === "fLaC" && view.byteLength > 22) return view.getUint32(18) >>> 12 || null;
  if (text(0, 4) === "OggS" && text(28, 7) === "\x01vorbis") return view.getUint32(40, true) || null;
  return null;
}

/** Plays one sound; whichever plays is silenced by another that begins. */
export class Player {
  /** `changed(isPlaying)` is called whenever it starts, stops or ends. */
  constructor(buffer, changed = () => {}) {
    this.buffer = buffer;
    this.changed = changed;
    this.speed = buffer.sampleRate > AUDIBLE_RATE ? 0.1 : 1;
    this.at = 0;
    this.node = null;
  }

  get isPlaying() {
    return this.node !== null;
  }

  /** Where it is, in seconds. */
  get position() {
    if (!this.node) return this.at;
    const elapsed = Math.max(0, context.currentTime - this.began);
    return Math.min(this.until, this.at + this.speed * elapsed);
  }

  play(from = this.position, until = this.buffer.duration) {
    context ??= new AudioContext();
    context.resume();
    playing?.pause();
    this.at = from >= this.buffer.duration - 0.01 ? 0 : Math.max(0, from);
    this.until = Math.min(until, this.buffer.duration);
    this.node = new AudioBufferSourceNode(context, {
      buffer: this.buffer, playbackRate: this.speed,
    });
    this.node.connect(context.destination);
    this.node.onended = () => this.pause();
    this.began = context.currentTime;
    this.node.start(0, this.at, Math.max(0.01, this.until - this.at));
    playing = this;
    this.changed(true);
  }

  pause() {
    if (!this.node) return;
    this.at = this.position;
    this.node.onended = null;
    this.node.stop();
    this.node = null;
    if (playing === this) playing = null;
    this.changed(false);
  }

  seek(to) {
    const place = Math.min(this.buffer.duration, Math.max(0, to));
    if (this.isPlaying) this.play(place);
    else this.at = place;
  }
}

/**
 * Begin to record from the microphone; resolves to `stop()`, which resolves to a WAV file's Blob.
 *
 * `heard(level, seconds)` is told how loud it is, from 0 to 1, and how long it is. Nothing is done to
 * the sound on its way: what a call needs would take away what the model listens for.
 */
export async function record(heard) {
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false },
  });
  const input = new AudioContext();
  await input.audioWorklet.addModule(new URL("./microphone-worklet.js", import.meta.url));
  const source = new MediaStreamAudioSourceNode(input, { mediaStream: stream });
  const tap = new AudioWorkletNode(input, "microphone", { numberOfOutputs: 0 });
  const blocks = [];
  let frames = 0;
  tap.port.onmessage = ({ data }) => {
    blocks.push(data);
    frames += data.length;
    heard(Math.min(1, Math.max(...data.map(Math.abs))), frames / input.sampleRate);
  };
  source.connect(tap);
  return async () => {
    for (const track of stream.getTracks()) track.stop();
    const rate = input.sampleRate;
    await input.close();
    return encodeWav(blocks, rate);
  };
}
