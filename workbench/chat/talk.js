// The conversation as it is drawn, and a gapless player of its sound: runs once, in gr.HTML.
// In: props.value, what talk.py's `shown` gives. Out: the events 'halt', 'heard' and 'inspect'.
// Times that are told are on the clock of the conversation, which every message carries.
// All text is set as text. Left out: an <audio> element (the page has one beside the files).

const RATE = 24000;
const LEAD = 0.06; // seconds between the first frame and its start
const log = element.querySelector(".talk-log");
const state = element.querySelector(".talk-state");
const meter = element.querySelector(".talk-meter i");
const ahead = element.querySelector(".talk-ahead");
const halt = element.querySelector(".talk-stop");
const volume = element.querySelector(".talk-volume input");
const sight = element.querySelector(".talk").dataset.sight;

function made(tag, name, text) {
  const node = document.createElement(tag);
  if (name) node.className = name;
  if (text !== undefined) node.textContent = text;
  return node;
}

// --- sound ---------------------------------------------------------------------------------------

const player = {
  next: 0, // when the next frame begins, on the clock of the context
  rows: [], // what was scheduled: {id, at, seconds, source}
  got: new Map(), // answer -> its frames, as Float32Array
  silenced: new Set(), // answers of which nothing more is to be heard
  underruns: 0,
  rest: LEAD,

  open() {
    if (!this.context) {
      this.context = new AudioContext({ sampleRate: RATE, latencyHint: "interactive" });
      this.meter = this.context.createAnalyser();
      this.meter.fftSize = 2048;
      this.meter.connect(this.context.destination);
      this.gain = this.context.createGain();
      this.gain.connect(this.meter);
      this.loud();
    }
    if (this.context.state !== "running") this.context.resume();
    return this.context;
  },

  loud() {
    if (this.gain) this.gain.gain.value = volume.value / 100;
  },

  now() {
    return this.context ? this.context.currentTime - (this.context.outputLatency || 0) : 0;
  },

  // Put a frame behind those before it; the time at which it will be heard, in milliseconds.
  put(id, samples) {
    const context = this.open();
    const late = this.next < context.currentTime;
    if (late && this.rows.some((row) => row.id === id)) {
      this.underruns += 1;
      measures(id).gaps = (measures(id).gaps || 0) + 1;
      this.rest = Math.min(0.64, this.rest + 0.16); // the model is slower than speech: wait longer
    }
    const at = late ? context.currentTime + this.rest : this.next;
    const buffer = context.createBuffer(1, samples.length, RATE);
    buffer.copyToChannel(samples, 0);
    const source = context.createBufferSource();
    source.buffer = buffer;
    source.connect(this.gain);
    source.start(at);
    this.next = at + samples.length / RATE;
    this.rows.push({ id, at, seconds: samples.length / RATE, source });
    const wait = at - context.currentTime + (context.outputLatency || 0);
    return performance.now() + 1000 * wait;
  },

  heard(id) {
    const now = this.now();
    let sum = 0;
    for (const row of this.rows)
      if (row.id === id) sum += Math.min(row.seconds, Math.max(0, now - row.at));
    return sum;
  },

  // Silence at once, and forget what was to come.
  flush() {
    for (const row of this.rows) {
      row.source.onended = null;
      try {
        row.source.stop();
      } catch {}
      row.source.disconnect();
    }
    this.rows = [];
    this.next = 0;
    this.rest = LEAD;
  },

  rms() {
    if (!this.meter) return 0;
    const wave = new Float32Array(this.meter.fftSize);
    this.meter.getFloatTimeDomainData(wave);
    return Math.sqrt(wave.reduce((sum, x) => sum + x * x, 0) / wave.length);
  },
};

function samplesOf(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const out = new Float32Array(bytes.length >> 1);
  for (let i = 0; i < out.length; i++) out[i] = view.getInt16(2 * i, true) / 32768;
  return out;
}

// --- one answer after the other ------------------------------------------------------------------

let shown = { version: 0, exchanges: [] };
let asked = performance.now(); // when the last question was asked
let entered = 0; // when Enter was pressed; Gradio may take a while to make a question of it
const span = { low: -Infinity, high: Infinity }; // between this clock and the conversation's, seconds
const measured = new Map(); // answer -> {start, first_text, first_sound, told}
let replaying = "";

const answers = () => shown.exchanges.flatMap((exchange) => exchange.answers);
const over = (answer) => ["done", "stopped", "failed"].includes(answer.state);

function measures(id) {
  if (!measured.has(id)) measured.set(id, { start: asked, played: [] });
  return measured.get(id);
}

// Frames that came; nothing is played twice, and nothing of an answer that was stopped.
function take(sound) {
  if (!sound || player.silenced.has(sound.answer)) return;
  const { answer: id, frames } = sound;
  if (!player.got.has(id)) player.got.set(id, []);
  const got = player.got.get(id);
  const numbers = Object.keys(frames).map(Number).sort((a, b) => a - b);
  for (const number of numbers) {
    if (number < got.length) continue;
    while (got.length < number) got.push(new Float32Array(0)); // a message was missed altogether
    const samples = samplesOf(frames[number]);
    got.push(samples);
    const at = player.put(id, samples);
    const mine = measures(id);
    mine.first_sound ??= (at - mine.start) / 1000;
    mine.played[number] = at / 1000;
  }
  for (const old of [...player.got.keys()].slice(0, -24)) player.got.delete(old);
}

function tell(id, event, heard) {
  const { first_text, first_sound } = measures(id);
  trigger(event, { answer: id, heard, first_text, first_sound, played: played(id) });
}

// When each frame was played first. A message left after it was made and before it came, both ways:
// the two clocks differ by what lies in the middle.
function played(id) {
  const off = Number.isFinite(span.low) ? (span.low + span.high) / 2 : span.high;
  const now = performance.now() / 1000;
  return Array.from(measures(id).played, (at) => (at <= now ? Number((at - off).toFixed(4)) : null));
}

// Stop: silence first, then tell the model.
function stop() {
  const live = answers().filter((a) => !measures(a.id).told && (!over(a) || playing(a.id)));
  const heard = live.map((a) => [a.id, player.heard(a.id)]);
  player.flush();
  replaying = "";
  for (const [id, seconds] of heard) {
    const mine = measures(id);
    player.silenced.add(id);
    mine.told = true;
    tell(id, "halt", seconds);
  }
  tick();
}

function playing(id) {
  const last = player.rows.filter((row) => row.id === id).at(-1);
  return Boolean(last) && last.at + last.seconds > player.now();
}

// A question was asked: whatever sounds is interrupted.
function begin() {
  stop();
  asked = entered || performance.now();
  entered = 0;
  player.open();
}

function replay(id) {
  stop();
  player.open();
  replaying = id;
  for (const samples of player.got.get(id) || []) if (samples.length) player.put(id, samples);
  wake();
}

// --- what is drawn -------------------------------------------------------------------------------

const drawn = new Map(); // id -> nodes

function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function exchangeNode(exchange) {
  const root = made("section", "talk-exchange");
  const question = made("div", "talk-question");
  const files = made("span", "talk-files");
  const seen = made("div", "talk-seen");
  const note = made("p", "talk-sight");
  const text = made("p", "talk-asked");
  question.append(files, seen, note, text);
  const error = made("p", "talk-error");
  error.setAttribute("role", "alert");
  const row = made("div", "talk-answers");
  const both = made("button", "talk-both", "Open A beside B in workbench");
  both.type = "button";
  root.append(question, error, row, both);
  log.append(root);
  return { root, files, seen, note, text, error, row, both };
}

// Pictures come as addresses that hold them; anything else is not shown.
function drawSeen(nodes, pictures) {
  if (nodes.seen.childElementCount === pictures.length) return;
  const shown = pictures.filter(([address]) => address.startsWith("data:image/jpeg;base64,"));
  nodes.seen.replaceChildren(
    ...shown.map(([address, told]) => Object.assign(made("img"), { src: address, alt: told, title: told })),
  );
  put(nodes.note, shown.length ? sight : "");
}

function inspect(answer, beside) {
  trigger("inspect", { answer: answer.id, beside: beside?.id, volume: volume.value / 100 });
}

function answerNode(row, answer) {
  const root = made("article", "talk-answer");
  const head = made("p", "talk-head");
  const text = made("p", "talk-text");
  const heard = made("span", "talk-heard");
  const rest = made("span", "talk-unheard");
  text.append(heard, rest);
  const note = made("p", "talk-note");
  const chips = made("ul", "talk-chips");
  const acts = made("div", "talk-acts");
  const again = made("button", "", "Play again");
  const look = made("button", "", "Open in workbench");
  for (const button of [again, look]) button.type = "button";
  again.onclick = () => replay(answer.id);
  look.onclick = () => inspect(answer);
  acts.append(again, look);
  root.append(head, text, note, chips, acts);
  row.append(root);
  return { root, head, heard, rest, note, chips, acts, again };
}

const CHIPS = {
  first_text: ["first text", "from the question to the first word on this page"],
  first_sound: ["first sound", "from the question to the first sound, as this page played it"],
  made: ["first sound made", "from its beginning to its first sound; it is played after answer A"],
  factor: ["real-time factor", "seconds of work for a second of speech; below 1 it keeps up"],
  gaps: ["gaps in the sound", "times that the player ran dry: the machine was slower than speech"],
  unspoken: ["words without speech", "words of the text to which no frame of sound belongs"],
};

function drawChips(node, values) {
  const texts = Object.entries(CHIPS).flatMap(([key, [name, title]]) => {
    const value = values[key];
    if (value === null || value === undefined || (key === "gaps" && !value)) return [];
    const told = /first|made/.test(key) ? `${value.toFixed(2)} s` : String(value);
    return [[name, told, title]];
  });
  const key = JSON.stringify(texts);
  if (node.dataset.key === key) return;
  node.dataset.key = key;
  node.replaceChildren(
    ...texts.map(([name, told, title]) => {
      const item = made("li", "", `${name} `);
      item.append(made("b", "", told));
      item.title = title;
      return item;
    }),
  );
}

function drawAnswer(nodes, answer, pair, second) {
  const mine = measures(answer.id);
  nodes.root.dataset.state = answer.state;
  put(nodes.head, pair || answer.change !== "as it is"
    ? [answer.name, answer.change].filter(Boolean).join(": ") : "");
  if (answer.text && mine.first_text === undefined)
    mine.first_text = (performance.now() - mine.start) / 1000;
  const heard = answer.heard ?? answer.text;
  put(nodes.heard, heard);
  put(nodes.rest, answer.text.slice(heard.length));
  const notes = {
    waiting: answer.place ? `Waiting: ${answer.place} before yours` : "",
    running: answer.text ? "" : "Listening and thinking",
    failed: answer.error,
    stopped: answer.heard === null || answer.heard === answer.text ? "Interrupted."
      : `Interrupted. What is struck through was not ${answer.aloud ? "heard" : "shown"}, and is not remembered.`,
    done: answer.text ? "" : "It had nothing to say.",
  };
  put(nodes.note, notes[answer.state] || "");
  nodes.note.setAttribute("role", answer.state === "failed" ? "alert" : "status");
  // the second answer is begun after the first one and played after it: its times are the model's
  const own = second && { first_text: answer.made.text, first_sound: null, made: answer.made.sound };
  drawChips(nodes.chips, { ...answer, ...mine, made: null, ...own });
  nodes.acts.hidden = !over(answer) || !answer.words;
  nodes.again.hidden = !player.got.has(answer.id);
}

function draw() {
  const value = props.value;
  if (!value || !value.version || value.version < shown.version) return;
  shown = value;
  span.high = Math.min(span.high, performance.now() / 1000 - value.clock);
  const low = log.scrollHeight - log.scrollTop - log.clientHeight < 120;
  const fresh = value.exchanges.at(-1);
  const begun = fresh && !drawn.has(fresh.id);
  const ids = new Set(value.exchanges.flatMap((e) => [e.id, ...e.answers.map((a) => a.id)]));
  for (const [id, nodes] of drawn)
    if (!ids.has(id)) {
      nodes.root.remove();
      drawn.delete(id);
    }
  take(value.sound);
  for (const exchange of value.exchanges) {
    if (!drawn.has(exchange.id)) {
      drawn.set(exchange.id, exchangeNode(exchange));
      span.low = Math.max(span.low, asked / 1000 - exchange.asked);
    }
    const nodes = drawn.get(exchange.id);
    put(nodes.files, exchange.files.join(", "));
    put(nodes.text, exchange.text);
    put(nodes.error, exchange.error);
    drawSeen(nodes, exchange.pictures);
    const pair = exchange.answers.length > 1;
    nodes.both.hidden = !pair || !exchange.answers.every((a) => over(a) && a.words);
    nodes.both.onclick = () => inspect(...exchange.answers);
    nodes.row.classList.toggle("pair", pair);
    exchange.answers.forEach((answer, index) => {
      if (!drawn.has(answer.id)) drawn.set(answer.id, answerNode(nodes.row, answer));
      drawAnswer(drawn.get(answer.id), answer, pair, index > 0);
    });
  }
  if (low || begun) log.scrollTop = log.scrollHeight;
  wake();
}

// --- the bar -------------------------------------------------------------------------------------

let timer = 0;

function wake() {
  if (!timer) timer = setInterval(tick, 80);
  tick();
}

function tick() {
  const live = answers().find((a) => !over(a) && !player.silenced.has(a.id));
  const sounding = player.next > player.now() && player.rows.length > 0;
  const stock = sounding ? Math.max(0, player.next - player.now()) : 0;
  meter.style.width = `${Math.min(100, 50 * stock)}%`;
  put(ahead, sounding ? `${stock.toFixed(1)} s ready` : "");
  put(state, sounding ? (replaying ? "Playing again" : "Speaking")
    : live ? (live.state === "waiting" && live.place ? `${live.place} before you` : "Thinking") : "");
  halt.disabled = !sounding && !live;
  for (const answer of answers()) {
    const mine = measures(answer.id);
    if (over(answer) && !mine.told && !playing(answer.id)) {
      mine.told = true;
      tell(answer.id, "heard", player.heard(answer.id));
    }
  }
  if (!sounding && !live) {
    replaying = "";
    clearInterval(timer);
    timer = 0;
  }
}

halt.onclick = stop;
volume.oninput = () => player.loud();
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !halt.disabled) stop();
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  if (!event.target.closest("#box") || !event.target.value?.trim()) return;
  entered = performance.now();
  stop();
}, true);
watch("value", draw);
window.omniTalk = { begin, stop, player };
draw();
