// Two runs in one layout (data: pair.py): the text diff with the KL of each word, both sounds on one
// axis of seconds, where their spectra and codes differ, and which tokens have other experts.
import {
  SMALL,
  axisX,
  axisY,
  clamp,
  clock,
  h,
  linear,
  loudest,
  percent,
  ramp,
  raster,
  stage,
  tokenLabel,
  under,
  wave,
} from "./runtime.js";
import { Player, samplesOf } from "./player.js";

const KINDS = ["span", "del", "ins"]; // in both, only in A, only in B
const UNKNOWN = 255;

// --- pure ---------------------------------------------------------------------------------------

// The largest value of each of `columns` equal stretches: thin spikes stay to be seen.
export function peaksOver(values, columns) {
  const out = new Float32Array(columns);
  values.forEach((v, i) => {
    const c = Math.floor((i * columns) / values.length);
    if (v > out[c]) out[c] = v;
  });
  return out;
}

// --- the view -----------------------------------------------------------------------------------

export function render({ model, el }) {
  const view = stage({ model, el });
  const { meta, data, body, panel, pointer, select, selection } = view;
  const seconds = Math.max(...meta.seconds, 0.01);
  const words = meta.words.map((text, i) => ({ text, i, kind: data.kind[i], kl: data.kl[i] }));
  const timeOf = (i, run) => [data.times[4 * i + 2 * run], data.times[4 * i + 2 * run + 1]];

  // sounds: one at a time, and the other one from the same moment
  let current = 0;
  const players = ["a", "b"].map((name, run) => {
    const sound = meta.sounds[run];
    if (!sound) return null;
    const told = name.toUpperCase();
    const samples = samplesOf(under(data, `${name}.`).sound, sound.code);
    const player = new Player(samples, sound.rate, (t, playing) => {
      button.textContent = playing ? `\u25A0 Stop ${told}` : `\u25B6 Play ${told}`;
      placeHead(t, playing);
    });
    const button = view.button(`\u25B6 Play ${told}`, `Play or stop ${told}`, () => {
      if (player.playing) player.stop();
      else play(run);
    });
    return player;
  });
  const play = (run, from, to) => {
    players[1 - run]?.stop();
    current = run;
    players[run]?.play(from, to);
  };
  const change = () => {
    const now = players[current];
    const at = now?.playing ? now.at : undefined;
    play(1 - current, at !== undefined && at < meta.seconds[1 - current] ? at : undefined);
  };
  if (players.every(Boolean))
    view.button("Switch", "Go on with the other run's sound at the same moment (x)", change);

  // text
  const said = h("p", { class: "ow-said" });
  const nodes = words.map(({ text, i, kind, kl }) => {
    const spoken = [0, 1].map((run) => timeOf(i, run)).map(([t]) => Number.isFinite(t));
    const told = [
      ["in both", "only in A", "only in B"][kind],
      Number.isFinite(kl) ? `KL ${kl.toPrecision(2)} nats` : "",
    ];
    const node = h(
      "button",
      {
        type: "button",
        dir: "auto",
        class: text.startsWith(" ") ? "ow-begins" : null,
        title: told.filter(Boolean).join(", "),
        onclick: () => chooseWord(i, kind === 2 || !spoken[0] ? 1 : 0),
      },
      h(KINDS[kind], {}, text.replace(/^ /, "") || "\u2423"),
    );
    if (Number.isFinite(kl)) {
      const high = meta.kl > 0 ? 14 * clamp(kl / meta.kl, 0, 1) : 0;
      node.append(h("i", { style: `height:${Math.max(1, high)}px` }));
    }
    return node;
  });
  said.append(...nodes);
  body.append(h("h4", {}, "What was said"), said);
  const deltas = [
    words.some(({ kind }) => kind) ? "Struck: only in A; underlined: only in B." : "The same words.",
    meta.kl === null ? "" : `Bars: KL of a word's distribution, at most ${meta.kl} nats.`,
  ];
  body.append(h("p", { class: "ow-note" }, deltas.filter(Boolean).join(" ")));
  const chooseWord = (i, run) => {
    const [t0, t1] = timeOf(i, run);
    select({
      tokens: data.position[i] >= 0 ? [data.position[i]] : [],
      time: Number.isFinite(t0) ? [t0, t1] : null,
    });
    view.say(`${meta.words[i]}: ${nodes[i].title}`);
    if (Number.isFinite(t0)) play(run, t0, t1);
  };

  // one axis of seconds
  const lanes = h("div", { class: "ow-rel", style: "margin-top:16px" });
  const head = h("div", { class: "ow-head" });
  const gutter = 78;
  const panels = [];
  const lane = (name, height, draw, alt) => {
    const host = h("div");
    lanes.append(h("div", { class: "ow-lane" }, h("span", { class: "ow-name" }, name), host));
    const own = panel(
      host,
      height,
      (ctx, w, tall, colors) => {
        const x = linear(0, seconds, 0, w);
        draw(ctx, w, tall, colors, x);
        const time = selection().time;
        if (!time) return;
        ctx.globalAlpha = 0.14;
        ctx.fillStyle = colors.text;
        ctx.fillRect(x(time[0]), 0, Math.max(1, x(time[1]) - x(time[0])), tall);
        ctx.globalAlpha = 1;
      },
      { name: alt, focus: true },
    );
    panels.push(own);
    return own;
  };
  const placeHead = (t, seen) => {
    const x = linear(0, seconds, gutter, lanes.clientWidth)(t);
    head.style.visibility = seen ? "visible" : "hidden";
    head.style.transform = `translateX(${x}px)`;
  };
  const sounding = players.some(Boolean);
  if (sounding) {
    body.append(lanes);
    const loud = loudest(...["a", "b"].map((name) => under(data, `${name}.`).peaks ?? []));
    ["a", "b"].forEach((name, run) => {
      const peaks = under(data, `${name}.`).peaks;
      if (!peaks) return;
      const told = name.toUpperCase();
      const own = lane(
        told,
        52,
        (ctx, w, tall, colors, x) => {
          ctx.fillStyle = run ? colors.image : colors.speech;
          wave(ctx, peaks, x, meta.seconds[run], w, tall, loud);
        },
        `Waveform of ${told}, ${meta.seconds[run].toFixed(2)} seconds`,
      );
      pointer(own, {
        move: (px) => {
          const t = linear(0, seconds, 0, own.width).invert(px);
          const i = words.findIndex((word) => {
            const [t0, t1] = timeOf(word.i, run);
            return t0 <= t && t < t1;
          });
          const heard = i < 0 ? "" : tokenLabel(meta.words[i], 40);
          return [[`${clock(t, 1)} s of ${told}`, heard]];
        },
        click: (px) => play(run, linear(0, seconds, 0, own.width).invert(px)),
      });
    });
    if (data.mel) {
      const most = data.mel.reduce((a, v) => Math.max(a, v), 1);
      const own = lane(
        "mel, dB apart",
        56,
        (ctx, w, tall, colors, x) => {
          const y = linear(0, most, tall - 2, 6);
          axisY(ctx, y, 0, w, colors, { count: 2, format: () => "" });
          const columns = Math.max(1, Math.floor(x(meta.mel.seconds)));
          const high = peaksOver(data.mel, Math.min(columns, data.mel.length));
          const wide = columns / high.length;
          ctx.fillStyle = colors.control;
          high.forEach((v, c) => ctx.fillRect(c * wide, y(v), wide + 0.3, y(0) - y(v)));
          ctx.fillStyle = colors.soft;
          ctx.font = SMALL;
          ctx.fillText(`max ${most.toFixed(0)} dB`, 3, 8);
        },
        "Distance of the mel spectra over time",
      );
      pointer(own, {
        move: (px) => {
          const t = linear(0, seconds, 0, own.width).invert(px);
          const v = data.mel[Math.floor((t / meta.mel.seconds) * data.mel.length)];
          return v === undefined ? null : [[`${v.toFixed(1)} dB`, `at ${clock(t, 1)} s`]];
        },
      });
    }
    if (data.codes) {
      const [books, frames] = data.codes.shape;
      let picture = null;
      let theme = "";
      const own = lane(
        "codes that differ",
        clamp(7 * books, 28, 64),
        (ctx, w, tall, colors, x) => {
          if (theme !== colors.high) {
            theme = colors.high;
            const two = ramp([colors.raise, colors.high], 2);
            picture = raster(books, frames, (r, c) => data.codes[r * frames + c], two);
          }
          ctx.imageSmoothingEnabled = false;
          ctx.drawImage(picture, 0, 0, x(frames * meta.frame_s), tall);
        },
        `Codes that differ: ${books} codebooks by ${frames} frames`,
      );
      pointer(own, {
        move: (px, py) => {
          const t = linear(0, seconds, 0, own.width).invert(px);
          const frame = Math.floor(t / meta.frame_s);
          const book = clamp(Math.floor((py / own.height) * books), 0, books - 1);
          if (frame < 0 || frame >= frames) return null;
          const same = !data.codes[book * frames + frame];
          return [[`frame ${frame}, codebook ${book}`, same ? "the same" : "differs"]];
        },
      });
    }
    const axisHost = h("div");
    lanes.append(h("div", { class: "ow-lane" }, h("span"), axisHost), head);
    panel(
      axisHost,
      38,
      (ctx, w, _, colors) =>
        axisX(ctx, linear(0, seconds, 0, w), 2, colors, { unit: "seconds of audio" }),
      { name: "Time axis" },
    );
  }

  // experts: layers by tokens
  for (const { name, L, T, stride, share, layers, tokens } of meta.stages) {
    const all = share.reduce((sum, v) => sum + (v ?? 0), 0) / Math.max(1, L);
    const host = h("div");
    const told = `Other experts in B, ${name}: ${percent(all)} of the choices`;
    body.append(h("h4", { style: "margin-top:14px" }, told), host);
    const map = data[`flips.${name}`];
    const columns = map.shape[1];
    const tall = clamp(Math.floor(90 / L), 4, 16);
    const LEFT = 78;
    const RIGHT = 96;
    const own = panel(
      host,
      L * tall + 42,
      (ctx, w, _, colors) => {
        const x = linear(0, T, LEFT, w - RIGHT);
        const three = ramp([colors.raise, colors.grid, colors.high], 3);
        const shade = (r, c) => ({ 0: 0, 1: 2, [UNKNOWN]: 1 })[map[r * columns + c]];
        ctx.imageSmoothingEnabled = false;
        ctx.drawImage(raster(L, columns, shade, three), LEFT, 0, w - RIGHT - LEFT, L * tall);
        ctx.font = SMALL;
        const every = Math.ceil(13 / tall);
        for (let l = 0; l < L; l++) {
          const y = (l + 0.5) * tall;
          if (l % every === 0) {
            ctx.fillStyle = colors.soft;
            ctx.textAlign = "right";
            ctx.fillText(`${l ? "" : "layer "}${layers[l]}`, LEFT - 7, y);
            ctx.textAlign = "left";
            ctx.fillStyle = colors.ink;
            ctx.fillText(percent(share[l] ?? 0), w - RIGHT + 56, y);
          }
          ctx.fillStyle = colors.grid;
          ctx.fillRect(w - RIGHT + 10, y - tall * 0.3, 40, Math.max(1, tall * 0.6));
          ctx.fillStyle = colors.high;
          ctx.fillRect(
            w - RIGHT + 10,
            y - tall * 0.3,
            40 * (share[l] ?? 0),
            Math.max(1, tall * 0.6),
          );
        }
        axisX(ctx, x, L * tall + 3, colors, {
          format: (v) => v.toLocaleString("en"),
          unit: "tokens of A (grey: not in B)",
        });
      },
      { name: `${told}; by layer in the data table of the routing view`, focus: true },
    );
    pointer(own, {
      move: (px, py) => {
        const c = Math.floor(((px - LEFT) / (own.width - RIGHT - LEFT)) * columns);
        const l = Math.floor(py / tall);
        if (c < 0 || c >= columns || l < 0 || l >= L) return null;
        const flip = map[l * columns + c];
        const what = flip === UNKNOWN ? "not in B" : flip ? "other experts" : "the same experts";
        return [
          [tokenLabel(tokens[c], 40), `token ${(c * stride).toLocaleString("en")}`],
          [`layer ${layers[l]}`, what],
        ];
      },
    });
  }

  // figures
  body.append(
    h("h4", { style: "margin-top:14px" }, "In figures"),
    h(
      "table",
      { class: "ow-figures" },
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          ["", "A", "B", "change", ""].map((name) => h("th", { scope: "col" }, name)),
        ),
      ),
      h(
        "tbody",
        {},
        meta.measures.map(([name, ...cells]) =>
          h(
            "tr",
            {},
            h("th", { scope: "row" }, name),
            cells.map((cell) => h("td", {}, cell)),
          ),
        ),
      ),
    ),
  );
  if (meta.notes.length) body.append(h("p", { class: "ow-note" }, meta.notes.join(" \u00b7 ")));
  view.on(body, "keydown", (event) => {
    if (event.target.tagName !== "CANVAS") return;
    const chosen = nodes.findIndex((_, i) => selection().tokens.includes(data.position[i]));
    const go = (by) => {
      const last = words.length - 1;
      const i = chosen < 0 ? (by > 0 ? 0 : last) : clamp(chosen + by, 0, last);
      if (last >= 0) chooseWord(i, words[i].kind === 2 ? 1 : 0);
    };
    const act = {
      " ": () => (players[current]?.playing ? players[current].stop() : play(current)),
      x: change,
      ArrowRight: () => go(1),
      ArrowLeft: () => go(-1),
      Escape: () => select({ tokens: [], time: null }),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
  view.keys([
    ["space", "play"],
    ["x", "the other run, same moment"],
    ["\u2190 \u2192", "word"],
    ["esc", "clear"],
  ]);
  const mark = () =>
    nodes.forEach((node, i) =>
      node.setAttribute(
        "aria-pressed",
        data.position[i] >= 0 && selection().tokens.includes(data.position[i]),
      ),
    );
  view.watch(mark);
  mark();
  view.undo.push(() => players.forEach((player) => player?.close()));
  view.start();
  return view.close;
}

export default { render };
