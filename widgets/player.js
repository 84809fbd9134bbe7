// Sound of a page: PCM through WebAudio, started anywhere, with the time that is heard right now.
// 16-bit samples or 8-bit mu-law (half the bytes for long answers); no codec, no <audio>, no network.

// Samples between -1 and 1 out of what was sent.
export function samplesOf(bytes, code) {
  const out = new Float32Array(bytes.length);
  if (code === "mulaw")
    for (let i = 0; i < bytes.length; i++) {
      const y = bytes[i] / 127.5 - 1;
      out[i] = (Math.sign(y) * (256 ** Math.abs(y) - 1)) / 255;
    }
  else for (let i = 0; i < bytes.length; i++) out[i] = bytes[i] / 32768;
  return out;
}

export class Player {
  constructor(samples, rate, tick) {
    Object.assign(this, { samples, rate, tick, playing: false, at: 0 });
  }

  get seconds() {
    return this.samples.length / this.rate;
  }

  play(from = this.at, to = this.seconds) {
    this.stop();
    if (from >= this.seconds - 0.01) from = 0;
    if (!this.context) {
      this.context = new AudioContext({ latencyHint: "interactive" });
      this.buffer = this.context.createBuffer(1, this.samples.length, this.rate);
      this.buffer.copyToChannel(this.samples, 0);
    }
    this.context.resume();
    const source = this.context.createBufferSource();
    source.buffer = this.buffer;
    source.connect(this.context.destination);
    const begun = this.context.currentTime + 0.02;
    source.start(begun, from, Math.max(0.02, to - from));
    Object.assign(this, { source, playing: true });
    source.onended = () => source === this.source && this.stop();
    const step = () => {
      if (source !== this.source) return;
      const heard = this.context.currentTime - begun - (this.context.outputLatency || 0);
      this.at = Math.min(to, from + Math.max(0, heard));
      this.tick(this.at, true);
      this.raf = requestAnimationFrame(step);
    };
    step();
  }

  stop() {
    cancelAnimationFrame(this.raf);
    if (this.source) {
      this.source.onended = null;
      this.source.stop();
      this.source.disconnect();
    }
    const was = this.playing;
    Object.assign(this, { source: null, playing: false });
    if (was) this.tick(this.at, false);
  }

  close() {
    this.stop();
    this.context?.close();
  }
}
