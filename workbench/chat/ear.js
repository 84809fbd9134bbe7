// Hands-free: the microphone goes to the server in pieces, and the page does what a turn detector
// hears in them. Runs after talk.js, in its scope; `server` has the functions of page.py.
// A piece tells whether the answer was sounding while it was caught. One message is under way at a
// time; what was caught meanwhile goes with the next one, so that pieces never pass each other.
// Left out: finding speech here; what is shown as level decides nothing.

const HEARING = 16000; // samples a second that are sent
const PIECE = 1280; // samples of a piece: 80 ms
const BEHIND = 100; // pieces that may wait: then the machine is too slow to take turns
const MUTE = 40; // pieces without any sound: the microphone is muted
const ears = element.querySelector(".talk-ear");
const hands = element.querySelector(".talk-hands");
const level = element.querySelector(".talk-level i");
const floor = element.querySelector(".talk-floor");
const detector = element.querySelector(".talk-turns select");

const REFUSED = {
  insecure: "A browser gives the microphone only to pages of this machine, or over https: open this"
    + " page as http://127.0.0.1 or http://localhost, or put it behind https.",
  NotFoundError: "No microphone was found: plug one in, then switch on again.",
  NotAllowedError: "The microphone is not allowed for this page: allow it beside the address, then"
    + " switch on again.",
  NotReadableError: "The microphone cannot be read: another program may hold it.",
  gone: "The microphone went away.",
  lost: "The server does not answer any more.",
  behind: "This machine is too busy to listen in time.",
};

// Sound at any rate to 16 kHz, in pieces of any length: a windowed sinc, moved along the input.
// It is told to the audio thread as text, so it uses nothing from outside.
class Slower {
  constructor(rate) {
    this.step = rate / 16000; // of the input, a sample of the output
    this.scale = Math.min(1, 1 / this.step); // below this part of the input's band nothing is lost
    this.reach = Math.ceil(12 / this.scale);
    this.fine = 64;
    this.kernel = Float32Array.from({ length: this.reach * this.fine + 2 }, (_, i) => {
      const x = i / this.fine;
      const window = x < this.reach ? Math.cos((Math.PI * x) / (2 * this.reach)) ** 2 : 0;
      const turn = Math.PI * x * this.scale * 0.94;
      return window * this.scale * 0.94 * (x ? Math.sin(turn) / turn : 1);
    });
    this.kept = new Float32Array(2 * this.reach); // silence came before
    this.at = this.reach;
  }

  take(fresh) {
    const input = new Float32Array(this.kept.length + fresh.length);
    input.set(this.kept);
    input.set(fresh, this.kept.length);
    const out = [];
    for (; this.at + this.reach < input.length; this.at += this.step) {
      let sum = 0;
      for (let k = Math.ceil(this.at - this.reach); k <= this.at + this.reach; k++)
        sum += input[k] * this.kernel[Math.round(Math.abs(k - this.at) * this.fine)];
      out.push(sum);
    }
    const start = Math.max(0, Math.floor(this.at) - this.reach);
    this.kept = input.slice(start);
    this.at -= start;
    return out;
  }
}

const CATCHER = `${Slower}
registerProcessor("catcher", class extends AudioWorkletProcessor {
  constructor() {
    super();
    this.slower = new Slower(sampleRate);
    this.piece = [];
  }
  process([[samples]]) {
    if (samples) this.piece.push(...this.slower.take(samples));
    while (this.piece.length >= ${PIECE})
      this.port.postMessage(Float32Array.from(this.piece.splice(0, ${PIECE})));
    return true;
  }
});`;

const ear = {
  on: false,
  turn: 0, // counts how often it was switched, so that an old answer is known
  waiting: [], // pieces: {pulses, talking}
  sending: false,
  speaking: false, // the visitor, as the detector says
  told: "", // what it heard last, in words, and until when that is shown
  until: 0,
  silent: 0, // pieces
  interrupted: 0, // when the page was told of the last interruption, in milliseconds
};

// Has the answer the floor: it began to sound, and is not over? A gap in its sound is no end.
function talking() {
  const now = player.now();
  if (!player.rows.some((row) => row.at <= now)) return false;
  return player.next > now || answers().some((a) => !over(a) && !player.silenced.has(a.id));
}

async function listen() {
  const turn = ++ear.turn;
  Object.assign(ear, { on: true, waiting: [], speaking: false, silent: 0, until: 0 });
  wrong("");
  drawEar();
  try {
    if (!window.isSecureContext || !navigator.mediaDevices) throw { name: "insecure" };
    player.open();
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 },
    });
    if (turn !== ear.turn) return release(stream);
    const context = new AudioContext({ latencyHint: "interactive" });
    Object.assign(ear, { stream, context });
    const code = URL.createObjectURL(new Blob([CATCHER], { type: "text/javascript" }));
    await context.audioWorklet.addModule(code);
    URL.revokeObjectURL(code);
    const begun = await server.listen({ key: shown.key, detector: detector.value });
    if (turn !== ear.turn) return;
    if (begun.error) return deaf(begun.error);
    const catcher = new AudioWorkletNode(context, "catcher", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
    catcher.port.onmessage = ({ data }) => turn === ear.turn && caught(data);
    context.createMediaStreamSource(stream).connect(catcher);
    stream.getAudioTracks()[0].onended = () => turn === ear.turn && deaf(REFUSED.gone);
    ear.ready = true;
  } catch (error) {
    if (turn === ear.turn) deaf(REFUSED[error.name] || `The microphone cannot be used: ${error.message || error}`);
  }
  drawEar();
}

function release(stream) {
  for (const track of stream?.getTracks() || []) track.stop();
}

// Switch off; `why` is shown.
function deaf(why = "") {
  ear.turn += 1;
  release(ear.stream);
  ear.context?.close();
  Object.assign(ear, { on: false, ready: false, stream: null, context: null, waiting: [] });
  server.listen({ key: shown.key, detector: "" }).catch(() => {});
  level.style.width = "0%";
  wrong(why);
  drawEar();
}

function wrong(why) {
  ears.classList.toggle("wrong", Boolean(why));
  floor.setAttribute("role", why ? "alert" : "status");
  ear.why = why;
}

function caught(samples) {
  let power = 0;
  const pulses = new Int16Array(samples.length);
  for (let i = 0; i < samples.length; i++) {
    power += samples[i] * samples[i];
    pulses[i] = 32767 * Math.max(-1, Math.min(1, samples[i]));
  }
  const decibel = 10 * Math.log10(power / samples.length + 1e-12);
  level.style.width = `${Math.max(0, Math.min(100, (decibel + 60) * 2))}%`;
  ear.silent = power === 0 ? ear.silent + 1 : 0;
  ear.waiting.push({ pulses, talking: talking() });
  if (ear.waiting.length > BEHIND) return deaf(REFUSED.behind);
  send();
  drawEar();
}

async function send() {
  if (ear.sending) return;
  ear.sending = true;
  const turn = ear.turn;
  try {
    while (turn === ear.turn && ear.waiting.length) {
      const { talking } = ear.waiting[0];
      const change = ear.waiting.findIndex((piece) => piece.talking !== talking);
      const pieces = ear.waiting.splice(0, change < 0 ? ear.waiting.length : change);
      const bytes = pieces.flatMap(({ pulses }) => [...new Uint8Array(pulses.buffer)]);
      const pcm = btoa(bytes.map((byte) => String.fromCharCode(byte)).join(""));
      const heard = await server.hear({ key: shown.key, pcm, talking });
      if (turn === ear.turn) obey(heard);
    }
  } catch {
    if (turn === ear.turn) deaf(REFUSED.lost);
  } finally {
    ear.sending = false;
  }
}

// What the detector heard.
function obey({ error, events, speaking }) {
  if (error) return deaf(error);
  ear.speaking = speaking;
  for (const event of events) {
    if (event === "interrupt") {
      ear.interrupted = performance.now();
      stop(); // the server has ended the answer already
      say("Interrupted: you speak", 1500);
    } else if (event === "backchannel") say("Heard \u201cmm-hm\u201d, going on", 2500);
    else if (event === "turn") {
      begin();
      trigger("spoken");
      say("Your turn is over: answering", 1500);
    }
  }
  drawEar();
}

function say(words, milliseconds) {
  Object.assign(ear, { told: words, until: performance.now() + milliseconds });
}

function drawEar() {
  hands.setAttribute("aria-checked", String(ear.on));
  ears.classList.toggle("on", ear.on);
  detector.disabled = ear.on;
  const answering = answers().some((a) => !over(a) && !player.silenced.has(a.id));
  put(floor, ear.why || (!ear.on ? "Just talk: it hears when you have finished"
    : !ear.ready ? "Waiting for the microphone"
    : ear.silent > MUTE ? "The microphone gives no sound: is it muted?"
    : performance.now() < ear.until ? ear.told
    : ear.speaking ? "You speak"
    : answering || talking() ? "Answering; go on, interrupt it"
    : "Listening"));
}

detector.parentElement.hidden = detector.length < 2;
hands.onclick = () => (ear.on ? deaf() : listen());
Object.assign(window.omniTalk, { ear, Slower, key: () => shown.key });
drawEar();
