// Text and speech on one time axis (data: align.py). Lanes share x = seconds of audio:
// waveform, mel, words (emitted above, heard below, a line between the two), frames per token.
// Below: the lattice of ARIA, coverage, and how far text runs ahead. A second run B has the same
// lanes underneath, at the same scale. An edge of a heard token can be dragged: that is a local
// correction, for export only.
import {
  BOLD,
  FONT,
  SMALL,
  axisX,
  axisY,
  clamp,
  clock,
  csv,
  h,
  hatch,
  label,
  lastAtMost,
  line,
  linear,
  loudest,
  percent,
  ramp,
  raster,
  stage,
  tokenLabel,
  wave,
} from "./runtime.js";
import { Player, samplesOf } from "./player.js";

const TEXT = 0;
const SPEECH = 1;
const PAD = 0.06; // seconds played before and after a token

// --- pure ---------------------------------------------------------------------------------------

// The path through the lattice: text taken and frames spoken after each unit. The mark that ends a
// text counts as text.
export function pathOf(kind) {
  const text = new Int32Array(kind.length + 1);
  const speech = new Int32Array(kind.length + 1);
  for (let i = 0; i < kind.length; i++) {
    text[i + 1] = text[i] + (kind[i] !== SPEECH);
    speech[i + 1] = speech[i] + (kind[i] === SPEECH);
  }
  return { text, speech };
}

// The token that is heard at a time, by spans that may lack (NaN); -1 if none.
export function heardAt(t0, t1, t) {
  for (let i = 0; i < t0.length; i++) if (t0[i] <= t && t < t1[i]) return i;
  return -1;
}

// Zoom a window of time around a point, inside [0, seconds].
export function zoom([a, b], factor, around, seconds) {
  const span = clamp((b - a) * factor, 0.25, seconds);
  const from = clamp(around - ((around - a) / (b - a)) * span, 0, seconds - span);
  return [from, from + span];
}

// Counts of finite values of each list, in common bins centred on multiples of a width, widened
// until there are at most `most` of them.
export function histograms(lists, width, most = 40) {
  const known = lists.map((values) => Float64Array.from(values).filter(Number.isFinite));
  const all = known.flatMap((values) => [...values]);
  if (!all.length) return { lo: 0, hi: width, step: width, counts: lists.map(() => [0]) };
  const least = all.reduce((a, b) => Math.min(a, b));
  const largest = all.reduce((a, b) => Math.max(a, b));
  const step = width * Math.max(1, Math.ceil((largest - least) / width / most));
  const first = Math.round(least / step);
  const bins = Math.round(largest / step) - first + 1;
  const counts = known.map((values) => {
    const row = new Array(bins).fill(0);
    for (const v of values) row[Math.round(v / step) - first]++;
    return row;
  });
  return { lo: (first - 0.5) * step, hi: (first - 0.5 + bins) * step, step, counts };
}

// --- the view -----------------------------------------------------------------------------------

// One run in the view: its arrays and what follows from them.
function side({ meta, data }, name) {
  const speechAt = [];
  const path = pathOf(data.kind);
  const takenAt = new Int32Array(meta.tokens.length); // how many were taken when a token was
  data.kind.forEach((k, u) => {
    if (k === SPEECH) speechAt.push(u);
    else if (k === TEXT) takenAt[data.text[u]] = path.text[u + 1];
  });
  return {
    name,
    meta,
    data,
    speechAt,
    n: meta.tokens.length,
    path,
    takenAt,
    total: path.text.at(-1), // tokens, and the ends of texts
    bound: Math.max(0, ...meta.items.map(boundOf)),
    lead: Float32Array.from(data.t0, (t, i) => t - data.at[i]),
    method: (i) => meta.methods[meta.methods.length > 1 ? i : 0],
    wallKnown: Number.isFinite(data.wall_text[0]),
    t0: data.t0.slice(), // with corrections
    t1: data.t1.slice(),
    corrected: new Set(),
    hovered: -1,
    picked: -1, // of B; A's is the shared selection
    player: null,
  };
}

// How many text tokens are spoken, which are not, and how many frames speak a token.
function coverage({ name, meta, data, n }, choose) {
  const unspoken = [...data.spoken.keys()].filter((i) => data.unspoken[i]);
  const aligned = meta.frames - meta.free;
  const meter = (part, all, told, color, rest) =>
    h(
      "div",
      { class: "ow-meter", role: "img", "aria-label": told },
      h("i", { style: `width:${(100 * part) / Math.max(1, all)}%;background:var(--ow-${color})` }),
      h("i", { style: `flex:1;background:var(--ow-${rest})` }),
    );
  const who = name && `${name}: `;
  return h(
    "div",
    name === "B" ? { style: "margin-top:16px" } : {},
    h("div", { class: "ow-big" }, `${who}${n - unspoken.length} / ${n}`),
    h("p", {}, "text tokens are spoken"),
    meter(
      n - unspoken.length,
      n,
      `${who}${n - unspoken.length} of ${n} tokens are spoken`,
      "text",
      "bad",
    ),
    unspoken.length
      ? h(
          "div",
          { class: "ow-chips" },
          unspoken.slice(0, 24).map((i) =>
            h(
              "button",
              {
                type: "button",
                class: "ow-bad",
                title: `token ${i}: never spoken`,
                dir: "auto",
                onclick: () => choose(i),
              },
              meta.tokens[i].trim() || "\u2423",
            ),
          ),
        )
      : null,
    unspoken.length > 24 ? h("p", { class: "ow-note" }, `and ${unspoken.length - 24} more`) : null,
    h("div", { class: "ow-big", style: "margin-top:12px" }, `${aligned} / ${meta.frames}`),
    h("p", {}, "frames speak a token; the others are pauses or strays"),
    meter(
      aligned,
      meta.frames,
      `${who}${aligned} of ${meta.frames} frames speak a token`,
      "speech",
      "sink",
    ),
  );
}

const boundOf = (item) => item.m / Math.max(1, item.n);

export function render({ model, el }) {
  const view = stage({ model, el });
  const { body, panel, pointer, select, selection } = view;
  const a = side(view, view.other ? "A" : "");
  const sides = view.other ? [a, side(view.other, "B")] : [a];
  const seconds = Math.max(...sides.map(({ meta }) => meta.seconds)) || 1;
  const { meta, n } = a;
  const tokenOf = new Map([...a.data.position].map((p, i) => [p, i]));
  const wallKnown = sides.every((one) => one.wallKnown);
  const loud = loudest(...sides.flatMap(({ data }) => (data.peaks ? [data.peaks] : [])));
  let windowed = [0, seconds];
  let byWall = false;
  let current = a; // the side of the last sound

  const chosen = (one = a) => {
    if (one !== a) return one.picked;
    const first = selection()
      .tokens.map((p) => tokenOf.get(p))
      .find((i) => i !== undefined);
    return first === undefined ? -1 : first;
  };

  // sound: of one run at a time, on the same time axis
  for (const one of sides) {
    if (!one.data.sound) continue;
    const told = one.name && ` ${one.name}`;
    const samples = samplesOf(one.data.sound, one.meta.sound.code);
    one.player = new Player(samples, one.meta.sound.rate, (t, playing) => {
      button.textContent = playing ? `\u25A0 Stop${told}` : `\u25B6 Play${told}`;
      if (playing && (t > windowed[1] || t < windowed[0])) {
        const span = windowed[1] - windowed[0];
        const from = clamp(t - span * 0.1, 0, seconds - span);
        windowed = [from, from + span];
        view.redraw();
      }
      placeHead(t, playing);
    });
    const button = view.button(`\u25B6 Play${told}`, `Play or stop${told} (space)`, () => {
      current = one;
      toggleSound();
    });
  }
  const listen = (one, from, to) => {
    for (const other of sides) if (other !== one) other.player?.stop();
    current = one;
    one.player?.play(from, to);
  };
  const toggleSound = () => {
    const time = selection().time;
    const playing = sides.find(({ player }) => player?.playing);
    if (playing) playing.player.stop();
    if (playing !== current && current.player) listen(current, ...(time ?? []));
  };
  const playToken = (i, one = a) =>
    Number.isFinite(one.t0[i]) &&
    listen(one, Math.max(0, one.t0[i] - PAD), Math.min(one.meta.seconds, one.t1[i] + PAD));
  if (wallKnown)
    view.toggle(
      "Emitted: wall time",
      "Place emitted tokens by the wall clock instead of the audio that was out by then",
      false,
      (now) => (byWall = now),
    );
  view.button("\u2212", "Zoom out (-)", () => zoomBy(2));
  view.button("+", "Zoom in (+)", () => zoomBy(0.5));
  view.button("All", "Show the whole answer (0)", () => zoomBy(Infinity));

  // lanes
  const lanes = h("div", { class: "ow-rel" });
  const head = h("div", { class: "ow-head" });
  body.append(lanes);
  const narrow = () => lanes.clientWidth < 560;
  const gutter = () => (narrow() ? 62 : 78);
  const lane = (one, name, height, draw, alt) => {
    const host = h("div");
    const fold = h(
      "button",
      {
        type: "button",
        "aria-expanded": "true",
        title: `Fold or unfold: ${name}${one.name && ` of ${one.name}`}`,
        onclick: () => {
          const open = fold.getAttribute("aria-expanded") !== "true";
          fold.setAttribute("aria-expanded", open);
          host.style.display = open ? "" : "none";
          view.redraw();
        },
      },
      name,
    );
    lanes.append(h("div", { class: "ow-lane" }, fold, host));
    return panel(
      host,
      height,
      (ctx, w, tall, colors) => draw(ctx, w, tall, colors, linear(...windowed, 0, w)),
      { name: `${alt ?? name}${one.name && `, run ${one.name}`}`, focus: true },
    );
  };
  const selectedTime = (ctx, x, tall, colors) => {
    const time = selection().time;
    if (!time) return;
    ctx.globalAlpha = 0.14;
    ctx.fillStyle = colors.text;
    ctx.fillRect(x(time[0]), 0, Math.max(1, x(time[1]) - x(time[0])), tall);
    ctx.globalAlpha = 1;
  };

  const lanesOf = (one) => {
    const { meta, data, n, speechAt, t0, t1, bound } = one;
    const { at, spoken } = data;
    const panels = [];
    if (one.name)
      lanes.append(
        h(
          "div",
          { class: "ow-run" },
          h("b", {}, one.name),
          ` ${n} tokens, ${meta.frames} frames, ${meta.seconds.toFixed(2)} s`,
        ),
      );
    if (data.peaks)
      panels.push(
        lane(
          one,
          "wave",
          54,
          (ctx, w, tall, colors, x) => {
            ctx.fillStyle = colors.soft;
            wave(ctx, data.peaks, x, meta.seconds, w, tall, loud);
            selectedTime(ctx, x, tall, colors);
          },
          "Waveform",
        ),
      );
    let strip = null;
    let stripTheme = "";
    if (data.mel)
      panels.push(
        lane(
          one,
          "mel",
          68,
          (ctx, w, tall, colors, x) => {
            const [rows, cols] = data.mel.shape;
            if (stripTheme !== colors.seq0) {
              stripTheme = colors.seq0;
              strip = raster(
                rows,
                cols,
                (r, c) => data.mel[r * cols + c],
                ramp([colors.seq0, colors.seq1, colors.seq2]),
                true,
              );
            }
            const a = clamp((windowed[0] / meta.mel.seconds) * cols, 0, cols);
            const b = clamp((windowed[1] / meta.mel.seconds) * cols, 0, cols);
            ctx.imageSmoothingEnabled = b - a > w;
            ctx.drawImage(
              strip,
              a,
              0,
              Math.max(0.01, b - a),
              rows,
              x(windowed[0]),
              0,
              x((b / cols) * meta.mel.seconds) - x(windowed[0]),
              tall,
            );
            selectedTime(ctx, x, tall, colors);
          },
          `Mel spectrogram, ${meta.mel.bands} bands, low at the bottom`,
        ),
      );

    if (data.entropy) {
      const [books, frames] = data.entropy.shape;
      let picture = null;
      let theme = "";
      panels.push(
        lane(
          one,
          "doubt by codebook",
          clamp(6 * books, 24, 54),
          (ctx, w, tall, colors, x) => {
            if (theme !== colors.seq0) {
              theme = colors.seq0;
              const table = ramp([colors.seq0, colors.seq1, colors.seq2]);
              picture = raster(books, frames, (r, c) => data.entropy[r * frames + c], table);
            }
            ctx.imageSmoothingEnabled = false;
            ctx.drawImage(picture, x(0), 0, x(frames * meta.frame_s) - x(0), tall);
            selectedTime(ctx, x, tall, colors);
          },
          `Entropy of ${books} codebooks, the first at the top, up to ${meta.entropy.most} nats`,
        ),
      );
    }

    one.emittedAt = (i) => (byWall ? data.wall_text[i] : at[i]);
    const { emittedAt } = one;
    const [EMIT, FRAMES, HEARD, WORDS] = [18, 34, 84, 110]; // rows of the lane of words
    panels.push(
      lane(
        one,
        meta.methods.every((m) => m === "emission" || !m)
          ? "emitted \u2193 heard"
          : `emitted \u2193 heard, by ${[...new Set(meta.methods)].join(", ")}`,
        WORDS + 4,
        (ctx, w, tall, colors, x) => {
          selectedTime(ctx, x, tall, colors);
          const mark = chosen(one);
          const visible = [];
          for (let i = 0; i < n; i++) {
            const from = Math.min(emittedAt(i), Number.isFinite(t0[i]) ? t0[i] : Infinity);
            const to = Math.max(emittedAt(i), Number.isFinite(t1[i]) ? t1[i] : -Infinity);
            if (to >= windowed[0] && from <= windowed[1]) visible.push(i);
          }
          const sparse = visible.length < w / 7;
          // frames: one tick each, grey where they speak no token
          const step = meta.frame_s * (w / (windowed[1] - windowed[0]));
          const [f0, f1] = byWall
            ? [0, speechAt.length]
            : [
                Math.max(0, Math.floor(windowed[0] / meta.frame_s)),
                Math.min(speechAt.length, Math.ceil(windowed[1] / meta.frame_s)),
              ];
          const every = step < 1 ? Math.ceil(1 / step) : 1;
          for (let f = f0; f < f1; f += every) {
            const u = speechAt[f];
            ctx.fillStyle = data.text[u] < 0 ? colors.sink : colors.speech;
            const px = x(byWall ? data.wall[u] : f * meta.frame_s);
            ctx.fillRect(step > 4 ? px : Math.round(px), FRAMES, step > 4 ? 1.5 : 1, 8);
          }
          // from the place of emission to the place in the sound
          ctx.lineWidth = 1;
          for (const i of visible) {
            const own = i === mark || i === one.hovered;
            if (!Number.isFinite(t0[i]) || (!sparse && !own)) continue;
            ctx.strokeStyle = own ? colors.ink : colors.text;
            ctx.globalAlpha = own ? 1 : 0.35;
            ctx.beginPath();
            ctx.moveTo(x(emittedAt(i)), FRAMES + 10);
            ctx.bezierCurveTo(
              x(emittedAt(i)),
              FRAMES + 28,
              x((t0[i] + t1[i]) / 2),
              HEARD - 22,
              x((t0[i] + t1[i]) / 2),
              HEARD - 2,
            );
            ctx.stroke();
          }
          ctx.globalAlpha = 1;
          // where there are many tokens, one of each pixel is drawn
          let free = -Infinity;
          let drawn = -Infinity;
          for (const i of visible) {
            const px = x(emittedAt(i));
            const own = i === mark || i === one.hovered;
            if (!own && !sparse && spoken[i] && px - drawn < 1) continue;
            drawn = px;
            ctx.fillStyle = data.unspoken[i] ? colors.bad : colors.text;
            ctx.fillRect(px, EMIT - 4, own ? 2.5 : 1.5, 16);
            if (px > -2 && (px > free || own)) {
              const text = tokenLabel(meta.tokens[i], 16);
              ctx.font = own ? BOLD : SMALL;
              const size = ctx.measureText(text).width;
              if (own && px <= free) {
                ctx.fillStyle = colors.bg;
                ctx.fillRect(px + 3, EMIT - 15, size + 4, 13);
              }
              ctx.fillStyle = own ? colors.ink : ctx.fillStyle;
              ctx.fillText(text, clamp(px + 1, 0, Math.max(0, w - size)), EMIT - 10);
              free = Math.max(free, px + size + 5);
            }
          }
          drawn = -Infinity;
          for (const i of visible) {
            const own = i === mark || i === one.hovered;
            if (!Number.isFinite(t0[i])) {
              const px = x(emittedAt(i));
              if (!own && !sparse && px - drawn < 1) continue;
              drawn = px;
              ctx.strokeStyle = colors.bad;
              ctx.lineWidth = 1.5;
              line(ctx, px - 4, FRAMES + 13, px + 4, FRAMES + 21);
              line(ctx, px + 4, FRAMES + 13, px - 4, FRAMES + 21);
              continue;
            }
            const left = x(t0[i]);
            if (
              !own &&
              !sparse &&
              x(t1[i]) - left < 1 &&
              Math.floor(left) === Math.floor(x(t0[i - 1]))
            )
              continue;
            const wide = Math.max(1, x(t1[i]) - left - 1);
            ctx.fillStyle = own ? colors.text : colors.raise;
            ctx.fillRect(left, HEARD, wide, WORDS - HEARD);
            if (one.corrected.has(i)) {
              ctx.strokeStyle = colors.high;
              ctx.setLineDash([3, 2]);
              ctx.strokeRect(left + 0.5, HEARD + 0.5, wide - 1, WORDS - HEARD - 1);
              ctx.setLineDash([]);
            }
            ctx.fillStyle = colors.text;
            if (data.confidence[i] < 0.5)
              hatch(ctx, left, HEARD, wide, WORDS - HEARD, colors.grid, 4);
            ctx.fillRect(left, WORDS - 2, wide, 2);
            if (wide < 4) continue;
            const text = label(meta.tokens[i].trim() || "\u2423", 20);
            ctx.font = `10px ${FONT}`;
            const size = ctx.measureText(text).width;
            if (size < wide) {
              ctx.fillStyle = own ? colors.bg : colors.ink;
              ctx.fillText(text, left + (wide - size) / 2, (HEARD + WORDS) / 2);
            }
          }
          ctx.font = SMALL;
        },
        "Text tokens where they were emitted (above) and where they are heard (below)",
      ),
    );
    const words = panels.at(-1);

    panels.push(
      lane(
        one,
        "frames per token",
        62,
        (ctx, w, tall, colors, x) => {
          const top = Math.max(1, bound * 1.6);
          const y = linear(0, top, tall - 4, 4);
          const ratioAt = (u) => data.n_speech[u] / Math.max(1, data.n_text[u]);
          selectedTime(ctx, x, tall, colors);
          for (const item of meta.items) {
            const [from, to] = [x(item.m0 * meta.frame_s), x((item.m0 + item.m) * meta.frame_s)];
            ctx.fillStyle = colors.bad;
            ctx.globalAlpha = 0.07;
            ctx.fillRect(from, 0, to - from, y(boundOf(item)));
            ctx.globalAlpha = 1;
            ctx.strokeStyle = colors.ink;
            ctx.lineWidth = 1;
            ctx.setLineDash([4, 3]);
            line(ctx, from, y(boundOf(item)), to, y(boundOf(item)));
            ctx.setLineDash([]);
          }
          ctx.strokeStyle = colors.speech;
          ctx.lineWidth = 1.5;
          ctx.beginPath();
          let last = -1;
          for (let f = 0; f < speechAt.length; f++) {
            const px = x((f + 1) * meta.frame_s);
            if (px < -20 || px > w + 20 || px - last < 0.5) continue;
            last = px;
            const u = speechAt[f];
            ctx.lineTo(px, y(Math.min(top, ratioAt(u))));
          }
          ctx.stroke();
          ctx.fillStyle = colors.bad;
          for (const u of data.broken) {
            const px = x(one.path.speech[u + 1] * meta.frame_s);
            if (px >= 0 && px <= w) ctx.fillRect(px - 1, y(Math.min(top, ratioAt(u))) - 2.5, 3, 5);
          }
          ctx.textBaseline = "middle";
          ctx.fillStyle = colors.ink;
          const text = meta.items.length > 1 ? "bound of each sentence" : `bound ${bound.toFixed(2)}`;
          ctx.fillText(text, 4, 9);
          ctx.fillStyle = colors.bad;
          ctx.fillText("not admissible", 4 + ctx.measureText(text).width + 10, 9);
        },
        "Frames per text token so far, with the bound of ARIA",
      ),
    );
    Object.assign(one, { panels, words, FRAMES, HEARD, WORDS });
  };
  sides.forEach(lanesOf);
  const wordLanes = sides.map(({ words }) => words);

  const axisHost = h("div");
  lanes.append(h("div", { class: "ow-lane" }, h("span"), axisHost));
  panel(
    axisHost,
    38,
    (ctx, w, _, colors) =>
      axisX(ctx, linear(...windowed, 0, w), 2, colors, {
        unit: byWall
          ? "seconds: of audio; emitted tokens and frames by the wall clock"
          : "seconds of audio",
      }),
    { name: "Time axis" },
  );
  lanes.append(head);

  const placeHead = (t, seen) => {
    const x = linear(...windowed, gutter(), lanes.clientWidth)(t);
    head.style.visibility = seen && x >= gutter() && x <= lanes.clientWidth ? "visible" : "hidden";
    head.style.transform = `translateX(${x}px)`;
  };

  // pointing: what is under the pointer, click plays, shift-drag selects seconds
  const near = (one, px, py, own) => {
    const x = linear(...windowed, 0, own.width);
    const t = x.invert(px);
    if (own === one.words && py < one.FRAMES + 22) {
      let best = -1;
      for (let i = 0; i < one.n; i++)
        if (best < 0 || Math.abs(one.emittedAt(i) - t) < Math.abs(one.emittedAt(best) - t))
          best = i;
      return best >= 0 && Math.abs(x(one.emittedAt(best)) - px) < 14 ? best : -1;
    }
    return heardAt(one.t0, one.t1, t);
  };
  // the edge of a heard token under the pointer: [token, "t0" or "t1"]
  const edgeAt = (one, px, py, own) => {
    if (own !== one.words || py < one.HEARD - 2 || py > one.WORDS + 2) return null;
    const x = linear(...windowed, 0, own.width);
    for (let i = 0; i < one.n; i++)
      for (const edge of ["t1", "t0"])
        if (Math.abs(x(one[edge][i]) - px) < 4 && x(one.t1[i]) - x(one.t0[i]) > 10)
          return [i, edge];
    return null;
  };
  const correct = (one, [i, edge], t) => {
    const other = edge === "t0" ? one.t1[i] - 0.01 : one.t0[i] + 0.01;
    one[edge][i] = edge === "t0" ? clamp(t, 0, other) : clamp(t, other, one.meta.seconds);
    if (sides.every(({ corrected }) => !corrected.size)) offerCorrections();
    one.corrected.add(i);
    note();
  };
  const tell = (one, i, t) => {
    const { meta, data, t0, t1 } = one;
    const frame = Math.floor(t / meta.frame_s);
    const doubt = [];
    if (data.entropy && frame >= 0 && frame < meta.frames) {
      const [books] = data.entropy.shape;
      const nats = Array.from({ length: books }, (_, b) =>
        ((data.entropy[b * meta.frames + frame] / 255) * meta.entropy.most).toFixed(1),
      );
      doubt.push(["entropy", `${nats.join(" ")} nats by codebook`]);
    }
    if (i < 0)
      return [
        [`${clock(t, 1)} s`, `frame ${clamp(frame, 0, Math.max(0, meta.frames - 1))}, no token`],
        ...doubt,
      ];
    const lines = [[label(meta.tokens[i], 60), `token ${i}${one.name && ` of ${one.name}`}`]];
    if (Number.isFinite(t0[i]))
      lines.push([
        one.corrected.has(i) ? "corrected by hand" : "heard",
        `${t0[i].toFixed(2)}\u2013${t1[i].toFixed(2)} s, ${data.spoken[i]} frames (${one.method(i)})`,
      ]);
    else lines.push(["not spoken", "no frame speaks this token"]);
    lines.push([
      "emitted",
      `after ${Math.round(data.at[i] / meta.frame_s)} frames (${data.at[i].toFixed(2)} s of audio)${one.wallKnown ? `, wall ${data.wall_text[i].toFixed(3)} s` : ""}`,
    ]);
    if (Number.isFinite(one.lead[i])) lines.push(["ahead", `${one.lead[i].toFixed(2)} s`]);
    if (Number.isFinite(data.confidence[i]))
      lines.push(["confidence", percent(data.confidence[i])]);
    if (!/[\p{L}\p{N}]/u.test(meta.tokens[i]))
      lines.push(["punctuation", "what it takes is a pause, if anything"]);
    lines.push(...doubt);
    return lines;
  };
  const choose = (i, one = a) => {
    if (i < 0 || i >= one.n) return;
    const { t0, t1, meta } = one;
    const time = Number.isFinite(t0[i]) ? [t0[i], t1[i]] : null;
    for (const other of sides) other.picked = other === one ? i : -1;
    select({ tokens: one === a ? [a.data.position[i]] : [], time });
    view.say(
      `token ${i}${one.name && ` of ${one.name}`}: ${meta.tokens[i]}, ${time ? `${t0[i].toFixed(2)} to ${t1[i].toFixed(2)} seconds` : "not spoken"}`,
    );
    if (time && (t1[i] < windowed[0] || t0[i] > windowed[1])) {
      const span = windowed[1] - windowed[0];
      const from = clamp(t0[i] - span / 2, 0, seconds - span);
      windowed = [from, from + span];
    }
  };
  let drag = null;
  for (const one of sides)
    for (const own of one.panels) {
      pointer(own, {
        move: (px, py, event) => {
          const x = linear(...windowed, 0, own.width);
          if (drag?.edge && event.buttons) {
            drag.moved = true;
            correct(one, drag.edge, x.invert(px));
            view.redraw(own);
            return tell(one, drag.edge[0], x.invert(px));
          }
          if (drag && event.buttons) {
            if (drag.brush) {
              const pair = [drag.t, x.invert(px)]
                .sort((p, q) => p - q)
                .map((t) => clamp(t, 0, seconds));
              const inside = [...a.data.position].filter(
                (_, i) => a.t0[i] < pair[1] && a.t1[i] > pair[0],
              );
              select({ time: pair, tokens: inside });
              return [
                [`${clock(pair[0], 1)}\u2013${clock(pair[1], 1)} s`, `${inside.length} tokens`],
              ];
            }
            drag.moved ||= Math.abs(px - drag.px) > 3;
            const span = drag.window[1] - drag.window[0];
            const from = clamp(
              drag.window[0] - ((px - drag.px) / own.width) * span,
              0,
              seconds - span,
            );
            windowed = [from, from + span];
            view.redraw();
            return null;
          }
          own.node.style.cursor = edgeAt(one, px, py, own) ? "ew-resize" : "";
          const i = near(one, px, py, own);
          if (i !== one.hovered) {
            one.hovered = i;
            view.redraw(one.words, lattice);
          }
          return tell(one, i, x.invert(px));
        },
        leave: () => {
          if (one.hovered < 0) return;
          one.hovered = -1;
          view.redraw(one.words, lattice);
        },
        click: (px, py) => {
          if (drag?.moved || drag?.brush) return;
          const i = near(one, px, py, own);
          if (i < 0) {
            listen(one, linear(...windowed, 0, own.width).invert(px));
            return;
          }
          choose(i, one);
          playToken(i, one);
        },
      });
      view.on(own.node, "pointerdown", (event) => {
        const box = own.node.getBoundingClientRect();
        const [px, py] = [event.clientX - box.left, event.clientY - box.top];
        drag = {
          px,
          t: linear(...windowed, 0, own.width).invert(px),
          brush: event.shiftKey,
          window: windowed,
          moved: false,
          edge: edgeAt(one, px, py, own),
        };
        own.node.setPointerCapture(event.pointerId);
      });
      view.on(
        own.node,
        "wheel",
        (event) => {
          if (!event.ctrlKey && !event.metaKey) return;
          event.preventDefault();
          const px = event.clientX - own.node.getBoundingClientRect().left;
          windowed = zoom(
            windowed,
            event.deltaY > 0 ? 1.25 : 0.8,
            linear(...windowed, 0, own.width).invert(px),
            seconds,
          );
          view.redraw();
        },
        { passive: false },
      );
    }
  // corrections are offered as a file, and never used otherwise
  const offerCorrections = () =>
    view.download(
      "Corrections",
      "Save the edges that were dragged as CSV",
      "corrections.csv",
      "text/csv",
      () =>
        csv([
          ["run", "token", "text", "from_s", "to_s", "corrected_from_s", "corrected_to_s"],
          ...sides.flatMap(({ name, meta, data, t0, t1, corrected }) =>
            [...corrected].map((i) => [
              name,
              i,
              meta.tokens[i],
              ...[data.t0[i], data.t1[i], t0[i], t1[i]].map((t) => t.toFixed(3)),
            ]),
          ),
        ]),
    );
  const zoomBy = (factor) => {
    const i = chosen();
    const around =
      i >= 0 && Number.isFinite(a.t0[i])
        ? (a.t0[i] + a.t1[i]) / 2
        : (windowed[0] + windowed[1]) / 2;
    windowed =
      factor === Infinity
        ? [0, seconds]
        : zoom(windowed, factor, clamp(around, ...windowed), seconds);
    view.redraw();
  };
  view.on(body, "keydown", (event) => {
    if (event.target.tagName !== "CANVAS") return;
    const one = sides.find(({ panels }) => panels.some(({ node }) => node === event.target)) ?? a;
    const i = chosen(one);
    const act = {
      " ": () => ((current = one), toggleSound()),
      ArrowRight: () => choose(i + 1, one),
      ArrowLeft: () => choose(i < 0 ? one.n - 1 : i - 1, one),
      Enter: () => playToken(i, one),
      "+": () => zoomBy(0.5),
      "=": () => zoomBy(0.5),
      "-": () => zoomBy(2),
      0: () => zoomBy(Infinity),
      Escape: () => {
        for (const other of sides) other.picked = -1;
        select({ tokens: [], time: null });
      },
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  // below: lattice, coverage, lead
  const row = h("div", { class: "ow-row" });
  body.append(row);
  const latticeHost = h("div", {}, h("h4", {}, "The path that was taken"));
  row.append(latticeHost);
  const most = [Math.max(...sides.map((o) => o.total)), Math.max(...sides.map((o) => o.meta.frames))];
  const box = (w, tall) => [
    linear(0, Math.max(1, most[0]), 40, w - 12),
    linear(0, Math.max(1, most[1]), tall - 40, 6),
  ];
  const lattice = panel(
    latticeHost,
    230,
    (ctx, w, tall, colors) => {
      const [x, y] = box(w, tall);
      axisY(ctx, y, x(0), x(most[0]) - x(0), colors);
      for (const { n: wide, m: high, n0, m0 } of meta.items) {
        ctx.fillStyle = colors.text;
        ctx.globalAlpha = 0.1;
        ctx.beginPath();
        ctx.moveTo(x(n0), y(0));
        ctx.lineTo(x(n0), y(m0));
        ctx.lineTo(x(n0 + wide), y(m0 + high));
        ctx.lineTo(x(n0 + wide), y(0));
        ctx.fill();
        ctx.globalAlpha = 1;
        ctx.strokeStyle = colors.ink;
        ctx.lineWidth = 1;
        ctx.setLineDash([4, 3]);
        line(ctx, x(n0), y(m0), x(n0 + wide), y(m0 + high));
        ctx.setLineDash([]);
      }
      for (const one of [...sides].reverse()) {
        const { path, data } = one;
        const color = one === a ? colors.speech : colors.image;
        ctx.strokeStyle = color;
        ctx.lineWidth = one === a ? 2 : 1.5;
        ctx.lineJoin = "round";
        ctx.beginPath();
        const skip = Math.max(1, Math.floor(path.text.length / 4000));
        for (let u = 0; u < path.text.length; u += skip)
          ctx.lineTo(x(path.text[u]), y(path.speech[u]));
        ctx.lineTo(x(path.text.at(-1)), y(path.speech.at(-1)));
        ctx.stroke();
        ctx.fillStyle = colors.bad;
        for (const u of data.broken)
          ctx.fillRect(x(path.text[u + 1]) - 2, y(path.speech[u + 1]) - 2, 4, 4);
        if (!one.name) continue;
        ctx.fillStyle = color;
        ctx.font = BOLD;
        ctx.fillText(one.name, 50 + 20 * (one !== a), 12);
        ctx.font = SMALL;
      }
      const mark = a.hovered >= 0 ? a.hovered : chosen();
      if (mark >= 0) {
        ctx.strokeStyle = colors.text;
        ctx.lineWidth = 1;
        line(ctx, x(a.takenAt[mark]), y(0), x(a.takenAt[mark]), y(most[1]));
      }
      ctx.fillStyle = colors.soft;
      ctx.textAlign = "right";
      ctx.fillText(sides.length > 1 ? "admissible for A" : "admissible", x(a.total) - 6, y(0) - 12);
      if (meta.items.length === 1) {
        ctx.save();
        ctx.translate(x(a.total * 0.3), y(meta.frames * 0.3));
        ctx.rotate(Math.atan2(y(meta.frames) - y(0), x(a.total) - x(0)));
        ctx.textAlign = "left";
        ctx.fillStyle = colors.ink;
        ctx.fillText(`${a.bound.toFixed(2)} frames per token`, 0, -9);
        ctx.restore();
      }
      axisX(ctx, x, y(0), colors, { format: String, unit: "text tokens taken, with the end", count: 4 });
      ctx.fillStyle = colors.soft;
      ctx.fillText("frames spoken", x(0) + 4, y(most[1]) + (sides.length > 1 ? 22 : 6));
    },
    {
      name: `Lattice: ${a.total} text tokens by ${meta.frames} frames; ${a.data.broken.length} units break the law`,
    },
  );
  const allowed = (taken) => {
    const item = meta.items.findLast(({ n0 }) => n0 < taken);
    return item ? item.m0 + Math.floor(((taken - item.n0) * item.m) / Math.max(1, item.n)) : 0;
  };
  pointer(lattice, {
    move: (px, py) => {
      const [x, y] = box(lattice.width, lattice.height);
      const taken = Math.floor(x.invert(px));
      if (taken < 0 || px < x(0) - 4 || px > x(most[0]) + 6 || py < y(most[1]) - 8) return null;
      return [
        ...sides.map(({ name, path, meta, total }) => {
          const u = lastAtMost(path.text, taken);
          return [
            `${name && `${name}: `}${path.text[u]} of ${total} tokens`,
            `${path.speech[u]} of ${meta.frames} frames out when the next was taken`,
          ];
        }),
        ["allowed", `${allowed(Math.min(a.total, taken))} frames`],
      ];
    },
    click: (px) => {
      const taken = box(lattice.width, lattice.height)[0].invert(px);
      const off = [...a.takenAt].map((count) => Math.abs(count - taken));
      choose(off.indexOf(Math.min(...off)));
    },
  });

  row.append(
    h(
      "div",
      {},
      h("h4", {}, "Coverage"),
      sides.map((one) => coverage(one, (i) => choose(i, one))),
    ),
  );

  const leadHost = h("div", {}, h("h4", {}, "How far text runs ahead of its sound"));
  row.append(leadHost);
  const bars = histograms(
    sides.map(({ lead }) => lead),
    meta.frame_s,
  );
  panel(
    leadHost,
    230,
    (ctx, w, tall, colors) => {
      const most = Math.max(1, ...bars.counts.flat());
      const x = linear(bars.lo, bars.hi, 34, w - 8);
      const y = linear(0, most, tall - 40, 20);
      axisY(ctx, y, 34, w - 42, colors, {
        format: (v) => (Number.isInteger(v) ? String(v) : ""),
        count: 4,
      });
      const wide = (w - 42) / bars.counts[0].length;
      sides.forEach((one, k) => {
        const color = k ? colors.image : colors.text;
        ctx.fillStyle = ctx.strokeStyle = color;
        ctx.lineWidth = 1.5;
        bars.counts[k].forEach((count, i) => {
          if (!count) return;
          const bar = [34 + i * wide + 0.5, y(count), Math.max(1, wide - 1), y(0) - y(count)];
          if (k) ctx.strokeRect(...bar);
          else ctx.fillRect(...bar);
        });
        const known = [...one.lead].filter(Number.isFinite).sort((p, q) => p - q);
        if (!known.length) return;
        const middle = known[known.length >> 1];
        ctx.strokeStyle = one.name ? color : colors.ink;
        ctx.lineWidth = 1;
        line(ctx, x(middle), 14, x(middle), y(0));
        ctx.fillStyle = one.name ? color : colors.ink;
        ctx.textAlign = x(middle) > w * 0.6 ? "right" : "left";
        const told = one.name ? `${one.name} ${middle.toFixed(2)} s` : `median ${middle.toFixed(2)} s`;
        ctx.fillText(` ${told} `, x(middle), 8 + 11 * k);
      });
      axisX(ctx, x, y(0), colors, { unit: `seconds (bins of ${clock(bars.step, 1)} s)`, count: 4 });
      ctx.fillStyle = colors.soft;
      ctx.textAlign = "left";
      ctx.fillText("tokens", 2, 8);
    },
    { name: "Histogram of seconds between the emission of a token and its sound" },
  );

  const methods = new Set(sides.flatMap(({ meta }) => meta.methods));
  const estimate = [...methods].some((m) => m !== "emission")
    ? `Spans: ${[...methods].join(", ")}; estimates, not ground truth`
    : "Spans: by emission order";
  const notes = h("p", { class: "ow-note", style: "margin-top:10px" });
  const note = () => {
    const moved = sides.reduce((sum, { corrected }) => sum + corrected.size, 0);
    const told = moved ? [`${moved} span${moved > 1 ? "s" : ""} corrected by hand, here only`] : [];
    const unsure = sides.some(({ data }) => [...data.confidence].some((c) => c < 0.5))
      ? ["hatched: confidence below one half"]
      : [];
    notes.textContent = [estimate, ...unsure, ...told, ...meta.notes].join(" \u00b7 ");
  };
  note();
  body.append(notes);
  view.keys([
    ["space", "play"],
    ["\u2190 \u2192", "token"],
    ["enter", "hear it"],
    ["+ \u2212 0", "zoom"],
    ["shift-drag", "select seconds"],
    ["drag an edge", "correct a span"],
    ["esc", "clear"],
  ]);
  view.watch(() => {});
  view.undo.push(() => sides.forEach(({ player }) => player?.close()));
  const fit = () => lanes.style.setProperty("--ow-gutter", `${gutter()}px`);
  const sizes = new ResizeObserver(fit);
  sizes.observe(lanes);
  view.undo.push(() => sizes.disconnect());
  view.start();
  fit();
  return view.close;
}

export default { render };
