// Which experts every token went to (data: routing.py). Facets as small multiples; the chosen one
// large, with how evenly each layer is used beside it; the tokens with their margins below, those of
// sound on its waveform, where they can be heard; then the tokens of the chosen cell and the pairs of
// experts of the chosen layer. With a second run B the
// same layout shows B minus A (or either); tokens whose experts differ in B are marked.
import {
  SMALL,
  axisX,
  clamp,
  clock,
  colorKey,
  diverging,
  h,
  hatch,
  label,
  line,
  linear,
  loudest,
  percent,
  ramp,
  rgb,
  stage,
  tokenLabel,
  wave,
} from "./runtime.js";
import { Player, samplesOf } from "./player.js";

const MISSING = 65535;
const PAD = 0.06; // seconds played before and after a token

// --- pure ---------------------------------------------------------------------------------------

// Experts in the order of their load, heaviest first; the identity when not sorted.
export function orderOf(load, sorted) {
  const order = [...load.keys()];
  return sorted ? order.sort((a, b) => load[b] - load[a] || a - b) : order;
}

// 0.5 -> "0.50 × fair", 0 -> "idle"
export function ratioText(ratio) {
  if (ratio === 0) return "idle";
  return ratio < 0.1
    ? `${ratio.toFixed(3)} \u00d7 fair`
    : `${ratio.toFixed(ratio < 9.95 ? 2 : 0)} \u00d7 fair`;
}

// The one of these tokens that a second falls into, by their starts in order; -1 if none does.
export function tokenAtTime(order, t0, t1, t) {
  let lo = 0;
  let hi = order.length;
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    if (t0[order[mid]] <= t) lo = mid + 1;
    else hi = mid;
  }
  const i = lo ? order[lo - 1] : -1;
  return i >= 0 && t < t1[i] ? i : -1;
}

export const signed = (v) => `${v < 0 ? "\u2212" : "+"}${Math.abs(v).toFixed(2)}`;

// Indices 0..n-1 cut into at most `most` runs of equal length.
export function runs(n, most) {
  const by = Math.max(1, Math.ceil(n / most));
  return { by, starts: Array.from({ length: Math.ceil(n / by) }, (_, i) => i * by) };
}

// --- the view -----------------------------------------------------------------------------------

export function render({ model, el }) {
  const view = stage({ model, el });
  const { meta, data, body, panel, pointer, select, selection } = view;
  const { T, L, E, K, stride } = meta;
  const LEFT = 56;
  const places = new Map([...data.position].map((p, i) => [p, i]));
  let facet = meta.whole[0];
  let sorted = false;
  let weighed = false;
  let at = null; // [layer, expert] under the pointer
  let timer = 0;

  const { other } = view;
  let shownRun = other ? "delta" : "A"; // or "B"
  const read = (one, g, l, e) => {
    const raw = (weighed ? one.data.load_out : one.data.load)[(g * L + l) * E + e];
    return raw === MISSING || raw === undefined ? NaN : raw / meta.scale;
  };
  const loadA = (g, l, e) => read(view, g, l, e);
  const loadB = (g, l, e) => (meta.match[g] < 0 ? NaN : read(other, meta.match[g], l, e));
  const loadOf = (g, l, e) =>
    shownRun === "A"
      ? loadA(g, l, e)
      : shownRun === "B"
        ? loadB(g, l, e)
        : loadB(g, l, e) - loadA(g, l, e);
  const shade = (v) =>
    shownRun === "delta" ? clamp(0.5 + v / (2 * meta.span), 0, 1) : diverging(v);
  const told = (v) =>
    shownRun === "delta" ? `B \u2212 A: ${signed(v)} fair shares` : ratioText(v);
  const statOf = (one, g, l, k) =>
    g < 0 ? NaN : one.data.stats[(g * L + l) * 5 + k];
  const stats = (l, k) =>
    shownRun === "B" ? statOf(other, meta.match[facet], l, k) : statOf(view, facet, l, k);
  const rowOf = (g, l) => Float32Array.from({ length: E }, (_, e) => loadOf(g, l, e));
  const whole = () =>
    meta.whole.findIndex((g) => meta.facets[g].stage === meta.facets[facet].stage);
  const token = () => {
    const i = selection()
      .tokens.map((p) => places.get(p))
      .find((i) => i !== undefined);
    return i === undefined ? -1 : i;
  };
  const cell = () => {
    const { layer, expert } = selection();
    const l = meta.layers.indexOf(layer);
    return l < 0 ? null : [l, expert];
  };
  const inspected = (i) => (i >= 0 && i % stride === 0 ? i / stride : -1);
  const colorOf = (colors, m) => colors[meta.modalities[m]] || colors.control;
  const table = (colors) => ramp([colors.low, colors.mid, colors.high]);

  view.choice(
    "Facet",
    meta.facets.map((f, g) => [`${g}`, `${f.name} (${f.tokens.toLocaleString("en")})`]),
    `${facet}`,
    (value) => showFacet(Number(value)),
  );
  const facetPick = view.tools.querySelector("select");
  const showFacet = (g) => {
    facet = g;
    facetPick.value = `${g}`;
    fillCell();
    view.redraw();
  };
  if (other)
    view.choice(
      "Show",
      [
        ["delta", "B \u2212 A"],
        ["A", "A"],
        ["B", "B"],
      ],
      shownRun,
      (value) => (shownRun = value),
    );
  view.toggle(
    "Sort by load",
    "Order the experts of each layer by their load in this facet",
    false,
    (now) => (sorted = now),
  );
  if (data.load_out && (!other || other.data.load_out))
    view.toggle(
      "Weight \u00d7 output",
      "Weigh by the length of what the experts returned",
      false,
      (now) => (weighed = now),
    );
  let due = 0; // tokens of the replay, at 1x seven a second
  const replay = view.replay("Step through the tokens (space)", (seconds) => {
    due += 7 * seconds;
    for (; due >= 1; due--) {
      if (token() + stride >= T) return false;
      step(1);
    }
    return true;
  });
  const step = (by) => {
    const now = token();
    const next =
      now < 0
        ? by > 0
          ? 0
          : Math.floor((T - 1) / stride) * stride
        : clamp(Math.round(now / stride + by) * stride, 0, Math.floor((T - 1) / stride) * stride);
    chooseToken(next);
  };
  const chooseToken = (i) => {
    const known = Number.isFinite(data.t0[i]) && meta.modalities[data.modality[i]] === "speech";
    select({
      tokens: [data.position[i]],
      time: known ? [data.t0[i], data.t1[i]] : selection().time,
    });
    if (meta.facets[facet].stage !== data.stage[i])
      showFacet(meta.whole.find((g) => meta.facets[g].stage === data.stage[i]));
    view.say(`token ${i}: ${meta.tokens[i]}, ${meta.modalities[data.modality[i]]}`);
  };
  const chooseCell = (l, e) => {
    select({ layer: meta.layers[l], expert: e });
    view.say(`layer ${meta.layers[l]}, expert ${e}: ${told(loadOf(facet, l, e))}`);
  };

  // small multiples
  const pictures = new Map(); // of facets, as long as nothing about them changes
  const heat = (ctx, g, x0, y0, w, tall, colors, lut) => {
    const key = [g, sorted, weighed, shownRun, colors.mid].join();
    if (!pictures.has(key)) {
      const small = document.createElement("canvas");
      small.width = E;
      small.height = L;
      const own = small.getContext("2d");
      const image = own.createImageData(E, L);
      for (let l = 0; l < L; l++) {
        const row = rowOf(g, l);
        orderOf(row, sorted).forEach((e, k) => {
          if (Number.isNaN(row[e])) return;
          image.data.set(lut[Math.round(shade(row[e]) * 255)], 4 * (l * E + k));
          image.data[4 * (l * E + k) + 3] = 255;
        });
      }
      own.putImageData(image, 0, 0);
      pictures.set(key, small);
    }
    ctx.imageSmoothingEnabled = false;
    ctx.drawImage(pictures.get(key), x0, y0, w, tall);
  };
  const grid = (w) => {
    const columns = clamp(Math.floor((w + 18) / 168), 2, Math.max(2, meta.facets.length));
    const wide = Math.min(210, (w - 18 * (columns - 1)) / columns);
    return { columns, wide, tall: clamp(L * 5, 36, 72), pitch: clamp(L * 5, 36, 72) + 42 };
  };
  const facetHost = h("div");
  body.append(facetHost);
  const facets = panel(
    facetHost,
    (w) => Math.ceil(meta.facets.length / grid(w).columns) * grid(w).pitch,
    (ctx, w, _, colors) => {
      const lut = table(colors);
      const { columns, wide, tall, pitch } = grid(w);
      meta.facets.forEach((f, g) => {
        const x = (g % columns) * (wide + 18);
        const y = Math.floor(g / columns) * pitch;
        const [first, ...rest] = f.name.split(", ");
        ctx.font = SMALL;
        ctx.fillStyle = g === facet ? colors.ink : colors.soft;
        ctx.fillText(label([first, ...rest].join(" \u00b7 "), 30), x, y + 8);
        ctx.fillStyle = colors.soft;
        ctx.fillText(
          `${f.tokens.toLocaleString("en")} token${f.tokens === 1 ? "" : "s"}`,
          x,
          y + 21,
        );
        heat(ctx, g, x, y + 29, wide, tall, colors, lut);
        if (f.modality !== null) {
          ctx.fillStyle = colorOf(colors, f.modality);
          ctx.fillRect(x, y + 29 + tall + 2, wide, 2);
        }
        if (g === facet) {
          ctx.strokeStyle = colors.ink;
          ctx.lineWidth = 1.5;
          ctx.strokeRect(x - 1.25, y + 27.75, wide + 2.5, tall + 2.5);
        }
      });
    },
    { name: `Load of ${L} layers by ${E} experts in ${meta.facets.length} facets` },
  );
  const facetAt = (px, py) => {
    const { columns, wide, pitch } = grid(facets.width);
    const c = Math.floor(px / (wide + 18));
    const g = Math.floor(py / pitch) * columns + c;
    return c < columns && px - c * (wide + 18) <= wide && g < meta.facets.length ? g : -1;
  };
  pointer(facets, {
    move: (px, py) => {
      const g = facetAt(px, py);
      return g < 0
        ? null
        : [
            [meta.facets[g].name, `${meta.facets[g].tokens.toLocaleString("en")} tokens`],
            "click to enlarge",
          ];
    },
    click: (px, py) => {
      const g = facetAt(px, py);
      if (g >= 0) showFacet(g);
    },
  });

  // the chosen facet, with statistics of each layer beside it
  const mainTitle = h("h4", { style: "margin-top:14px" });
  const mainHost = h("div");
  body.append(mainTitle, mainHost);
  const cellHeight = clamp(Math.floor(300 / L), 4, 22);
  const columnsOf = (w) => (w < 620 ? ["even", "max"] : ["even", "max", "idle"]);
  const shape = (w) => ({
    x0: LEFT,
    x1: w - columnsOf(w).length * 62 - 14,
    y0: 22,
    y1: 22 + L * cellHeight,
  });
  const main = panel(
    mainHost,
    () => 22 + L * cellHeight + 72,
    (ctx, w, tall, colors) => {
      const lut = table(colors);
      const { x0, x1, y0, y1 } = shape(w);
      const f = meta.facets[facet];
      const run = other ? (shownRun === "delta" ? ", B minus A" : `, run ${shownRun}`) : "";
      mainTitle.textContent = `${f.name}: share of routed weight over the fair share${weighed ? ", weighed by output" : ""}${run}`;
      heat(ctx, facet, x0, y0, x1 - x0, y1 - y0, colors, lut);
      const cw = (x1 - x0) / E;
      ctx.font = SMALL;
      const every = Math.ceil(13 / cellHeight);
      for (let l = 0; l < L; l++) {
        const y = y0 + (l + 0.5) * cellHeight;
        if (Number.isNaN(loadOf(facet, l, 0))) {
          hatch(ctx, x0, y0 + l * cellHeight, x1 - x0, cellHeight, colors.grid);
          continue;
        }
        if (l % every === 0) {
          ctx.textAlign = "right";
          ctx.fillStyle = colors.soft;
          ctx.fillText(`${l === 0 ? "layer " : ""}${meta.layers[l]}`, x0 - 7, y);
        }
      }
      ctx.textAlign = "left";
      if (sorted) {
        ctx.fillStyle = colors.soft;
        ctx.fillText("heaviest first in each layer", x0, y1 + 12);
      } else
        axisX(ctx, linear(-0.5, E - 0.5, x0, x1), y1 + 2, colors, {
          format: (v) => (Number.isInteger(v) ? String(v) : ""),
          count: Math.min(E, Math.floor((x1 - x0) / 60)),
        });
      ctx.fillStyle = colors.soft;
      ctx.textAlign = "right";
      ctx.fillText("expert", x1, y1 + 30);
      ctx.textAlign = "left";
      const ends =
        shownRun === "delta"
          ? [signed(-meta.span), "no change", signed(meta.span)]
          : ["idle, \u2264 1/8", "fair", "\u2265 8 \u00d7"];
      colorKey(ctx, x0, y1 + 40, 190, lut, ends, colors);
      // statistics: a bar each, aligned with the rows
      columnsOf(w).forEach((name, c) => {
        const x = x1 + 16 + c * 62;
        const [k, most, title, format] = {
          even: [0, 1, "evenness", (v) => v.toFixed(2)],
          max: [
            1,
            Math.max(
              2,
              ...Array.from({ length: L }, (_, l) => stats(l, 1)).filter(Number.isFinite),
            ),
            "max / fair",
            (v) => v.toFixed(1),
          ],
          idle: [3, E, "idle", (v) => String(v)],
        }[name];
        ctx.fillStyle = colors.soft;
        ctx.fillText(title, x, 10);
        for (let l = 0; l < L; l++) {
          const v = stats(l, k);
          if (!Number.isFinite(v)) continue;
          const then = shownRun === "delta" ? statOf(other, meta.match[facet], l, k) : NaN;
          const y = y0 + l * cellHeight;
          ctx.fillStyle = colors.grid;
          ctx.fillRect(x, y + cellHeight * 0.2, 30, Math.max(1, cellHeight * 0.6));
          ctx.fillStyle = colors.control;
          ctx.fillRect(
            x,
            y + cellHeight * 0.2,
            30 * clamp(v / most, 0, 1),
            Math.max(1, cellHeight * 0.6),
          );
          if (Number.isFinite(then)) {
            ctx.fillStyle = colors.high;
            ctx.fillRect(x + 30 * clamp(then / most, 0, 1) - 1, y + 1, 2, cellHeight - 2);
          }
          if (l % every === 0) {
            ctx.fillStyle = Number.isFinite(then) ? colors.high : colors.ink;
            ctx.fillText(format(Number.isFinite(then) ? then : v), x + 34, y + cellHeight / 2);
          }
        }
      });
      const orderRow = new Map();
      const xOf = (l, e) => {
        if (!orderRow.has(l)) orderRow.set(l, orderOf(rowOf(facet, l), sorted));
        return x0 + (orderRow.get(l).indexOf(e) + 0.5) * cw;
      };
      // the path of the chosen token: a ring a chosen expert, as wide as its weight
      const i = token();
      const row = inspected(i);
      if (row >= 0 && data.stage[i] === f.stage) {
        ctx.lineWidth = 1.25;
        for (let l = 0; l < L; l++)
          for (let k = 0; k < K; k++) {
            const e = data.ids[(row * L + l) * K + k];
            if (e < 0) continue;
            const r = clamp(
              Math.sqrt(data.w[(row * L + l) * K + k] / 255) *
                Math.min(cellHeight, Math.max(cw, 8)) *
                0.62,
              1.6,
              9,
            );
            ctx.beginPath();
            ctx.arc(xOf(l, e), y0 + (l + 0.5) * cellHeight, r, 0, 2 * Math.PI);
            ctx.fillStyle = colors.ink;
            ctx.fill();
            ctx.strokeStyle = colors.bg;
            ctx.stroke();
          }
      }
      const chosen = cell();
      for (const [box, color, size] of [
        [at, colors.soft, 1],
        [chosen, colors.ink, 2],
      ]) {
        if (!box || box[1] === null || box[1] >= E) continue;
        ctx.strokeStyle = color;
        ctx.lineWidth = size;
        ctx.strokeRect(
          xOf(...box) - cw / 2 - 0.5,
          y0 + box[0] * cellHeight - 0.5,
          Math.max(4, cw + 1),
          cellHeight + 1,
        );
      }
    },
    { name: `Load by layer and expert. ${view.spec.subtitle}`, focus: true },
  );
  const cellAt = (px, py) => {
    const { x0, x1, y0, y1 } = shape(main.width);
    if (px < x0 || px >= x1 || py < y0 || py >= y1) return null;
    const l = Math.floor((py - y0) / cellHeight);
    if (Number.isNaN(loadOf(facet, l, 0))) return null;
    return [l, orderOf(rowOf(facet, l), sorted)[Math.floor(((px - x0) / (x1 - x0)) * E)]];
  };
  pointer(main, {
    move: (px, py) => {
      const now = cellAt(px, py);
      if (now?.join() !== at?.join()) {
        at = now;
        view.redraw(main);
      }
      if (!now) return null;
      const [l, e] = now;
      const ratio = loadOf(facet, l, e);
      return [
        [`layer ${meta.layers[l]}, expert ${e}`, meta.facets[facet].name],
        shownRun === "delta"
          ? [told(ratio), `A ${ratioText(loadA(facet, l, e))}, B ${ratioText(loadB(facet, l, e))}`]
          : [ratioText(ratio), `${percent(ratio / E)} of the routed weight`],
        "click: its tokens",
      ];
    },
    leave: () => {
      at = null;
      view.redraw(main);
    },
    click: (px, py) => {
      const now = cellAt(px, py);
      if (now) chooseCell(...now);
    },
  });

  // tokens: what they are, and how sure the router was
  const stripHost = h("div");
  body.append(
    h(
      "h4",
      { style: "margin-top:12px" },
      meta.by_logits
        ? "How close a call: the smallest margin of a token over its layers"
        : "How far the first choice of a token lies above its last",
    ),
    stripHost,
  );
  const known = [...data.least].filter(Number.isFinite).sort((a, b) => a - b);
  const most = known.length ? known[Math.floor(known.length * 0.98)] || 1 : 1;
  const strip = panel(
    stripHost,
    other ? 116 : 108,
    (ctx, w, tall, colors) => {
      const x = linear(0, T, LEFT, w - 8);
      const lower = other ? 8 : 0; // room for the row of flips
      const y = linear(0, most, 62, 6);
      const { by, starts } = runs(T, Math.floor(w - LEFT - 8));
      const wide = Math.max(1, Math.round(x(by) - x(0)));
      ctx.strokeStyle = colors.grid;
      ctx.lineWidth = 1;
      line(ctx, LEFT, 62.5, w - 8, 62.5);
      for (const i of starts) {
        let low = Infinity;
        let tie = 0;
        for (let j = i; j < Math.min(T, i + by); j++) {
          if (data.least[j] < low) low = data.least[j];
          tie = Math.max(tie, data.ties ? data.ties[j] : 0);
        }
        if (low < Infinity) {
          ctx.fillStyle = tie ? colors.high : colors.control;
          const top = y(Math.min(most, low));
          ctx.fillRect(
            Math.round(x(i)),
            Math.min(60, top),
            wide > 3 ? wide - 1 : wide,
            Math.max(2, 62 - top),
          );
        }
        ctx.fillStyle = colorOf(colors, data.modality[i]);
        ctx.fillRect(Math.round(x(i)), 65, wide + 1, 5);
        if (!other) continue;
        let flips = 0;
        for (let j = i; j < Math.min(T, i + by); j++)
          if (data.flips[j] < 255) flips = Math.max(flips, data.flips[j]);
        ctx.fillStyle = data.flips[i] === 255 ? colors.grid : colors.bad;
        ctx.globalAlpha = data.flips[i] === 255 ? 1 : flips / L;
        ctx.fillRect(Math.round(x(i)), 72, wide + 1, 5);
        ctx.globalAlpha = 1;
      }
      // stages and modalities by name, where they are long enough
      let from = 0;
      ctx.font = SMALL;
      for (let i = 1; i <= T; i++) {
        if (i < T && data.modality[i] === data.modality[from] && data.stage[i] === data.stage[from])
          continue;
        const text = `${meta.stages.length > 1 && (from === 0 || data.stage[from] !== data.stage[from - 1]) ? `${meta.stages[data.stage[from]]}: ` : ""}${meta.modalities[data.modality[from]]}`;
        if (ctx.measureText(text).width < x(i) - x(from) - 2) {
          ctx.fillStyle = colors.soft;
          ctx.fillText(text, x(from), 78 + lower);
        }
        from = i;
      }
      const i = token();
      if (i >= 0) {
        ctx.fillStyle = colors.ink;
        ctx.fillRect(x(i), 2, Math.max(1.5, x(1) - x(0)), 70);
      }
      const time = selection().time;
      if (time) {
        ctx.fillStyle = colors.text;
        ctx.globalAlpha = 0.2;
        for (const j of starts)
          if (
            meta.modalities[data.modality[j]] === "speech" &&
            data.t0[j] < time[1] &&
            data.t1[j] > time[0]
          )
            ctx.fillRect(x(j), 2, wide, 70);
        ctx.globalAlpha = 1;
      }
      ctx.fillStyle = colors.soft;
      ctx.textAlign = "right";
      ctx.fillText(most.toFixed(2), LEFT - 6, 8);
      ctx.fillText(meta.by_logits ? "logits" : "weight", LEFT - 6, 22);
      ctx.fillText("0", LEFT - 6, 60);
      if (other) ctx.fillText("flips", LEFT - 6, 75);
      ctx.textAlign = "left";
      axisX(ctx, x, 86 + lower, colors, { format: (v) => v.toLocaleString("en"), unit: "tok" });
      if (by > 1) {
        ctx.textAlign = "right";
        ctx.fillText(`a bar: the closest of ${by} tokens`, w - 8, 10);
        ctx.textAlign = "left";
      }
    },
    { name: "Tokens in order: margin of the router, modality below", focus: true },
  );
  const tokenAt = (px) =>
    clamp(Math.floor(linear(0, T, LEFT, strip.width - 8).invert(px)), 0, T - 1);
  const tellToken = (i) => {
    const lines = [
      [
        tokenLabel(meta.tokens[i], 40),
        `token ${i.toLocaleString("en")}, ${meta.stages[data.stage[i]]}, ${meta.phases[data.phase[i]]}, ${meta.modalities[data.modality[i]]}`,
      ],
    ];
    if (Number.isFinite(data.t0[i]))
      lines.push(["at", `${clock(data.t0[i], 1)}\u2013${clock(data.t1[i], 1)} s`]);
    if (Number.isFinite(data.least[i]))
      lines.push([
        "margin",
        `${data.least[i].toFixed(3)}${data.ties?.[i] ? `; near-tie in ${data.ties[i]} layers` : ""}`,
      ]);
    if (other)
      lines.push(
        data.flips[i] === 255
          ? ["B", "has no such token"]
          : ["B", `has other experts in ${data.flips[i]} of ${L} layers`],
      );
    const row = inspected(i);
    const chosen = cell();
    if (row >= 0 && chosen) {
      const l = chosen[0];
      const path = Array.from(
        { length: K },
        (_, k) =>
          data.ids[(row * L + l) * K + k] < 0
            ? ""
            : `${data.ids[(row * L + l) * K + k]} (${percent(data.w[(row * L + l) * K + k] / 255)})`,
      ).filter(Boolean);
      lines.push([
        `layer ${meta.layers[l]}`,
        `experts ${path.join(", ")}${data.next ? `; next best ${data.next[row * L + l]}` : ""}${data.shared ? `; shared gate ${percent(data.shared[row * L + l] / 255)}` : ""}`,
      ]);
    }
    return lines;
  };
  pointer(strip, {
    move: (px) => (px < LEFT ? null : tellToken(tokenAt(px))),
    click: (px) => px >= LEFT && chooseToken(Math.round(tokenAt(px) / stride) * stride),
  });
  // sounds: their tokens where they are in the waveform, as sure as the router was
  const lanes = meta.sounds.map((lane) => ({ ...lane, playing: -1, orders: new Map() }));
  const stageOf = (lane) => {
    const own = meta.facets[facet].stage;
    const stages = [...data.stage.keys()]
      .filter((i) => data.modality[i] === lane.modality)
      .map((i) => data.stage[i]);
    return stages.includes(own) ? own : stages[0];
  };
  // tokens of this sound in the stage that is looked at, by their starts
  const orderIn = (lane) => {
    const own = meta.facets[facet].stage;
    if (!lane.orders.has(own)) {
      const stage = stageOf(lane);
      const order = [...data.stage.keys()].filter(
        (i) =>
          data.stage[i] === stage &&
          data.modality[i] === lane.modality &&
          Number.isFinite(data.t0[i]),
      );
      lane.orders.set(own, { stage, order: order.sort((a, b) => data.t0[a] - data.t0[b] || a - b) });
    }
    return lane.orders.get(own);
  };
  const weightIn = (i, [l, e]) => {
    const row = inspected(i);
    for (let k = 0; row >= 0 && k < K; k++)
      if (data.ids[(row * L + l) * K + k] === e) return data.w[(row * L + l) * K + k] / 255;
    return 0;
  };
  const laneOf = (i) => lanes.find(({ modality }) => modality === data.modality[i]);
  const canHear = (i) => Boolean(laneOf(i)?.sound) && Number.isFinite(data.t0[i]);
  const listen = (i) => {
    const lane = laneOf(i);
    if (!lane?.player || !canHear(i)) return;
    for (const other of lanes) other.player?.stop();
    const [from, to] = [Math.max(0, data.t0[i] - PAD), Math.min(lane.known, data.t1[i] + PAD)];
    lane.player.play(from, to);
  };
  if (lanes.length)
    body.append(
      h("h4", { style: "margin-top:12px" }, "Where they lie in the sound: the stronger, the closer the call"),
    );
  for (const lane of lanes) {
    const host = h("div");
    body.append(host);
    const peaks = data[`peaks_${lane.name}`];
    const loud = loudest(peaks);
    const tall = 84;
    const own = panel(
      host,
      tall,
      (ctx, w, _, colors) => {
        const x = linear(0, lane.seconds, LEFT, w - 8);
        const { stage, order } = orderIn(lane);
        const chosen = cell();
        const mine = chosen && chosen[1] !== null && stage === meta.facets[facet].stage;
        const lut = ramp([colors.high, colors.faint]);
        // the wave, pixel by pixel in the colour of the token that it belongs to
        for (let px = LEFT; px < x(lane.known); ) {
          const i = tokenAtTime(order, data.t0, data.t1, x.invert(px + 0.5));
          const end = i < 0 ? px + 1 : clamp(Math.round(x(data.t1[i])), px + 1, w - 8);
          ctx.save();
          ctx.beginPath();
          ctx.rect(px, 0, end - px, 42);
          ctx.clip();
          const least = i < 0 ? NaN : data.least[i];
          ctx.fillStyle = Number.isFinite(least)
            ? rgb(lut[Math.round(255 * Math.sqrt(clamp(least / most, 0, 1)))])
            : colors.grid;
          wave(ctx, peaks, x, lane.known, end, 42, loud, px);
          ctx.restore();
          px = end;
        }
        // below it the tokens; how much of each went to the chosen expert
        let last = -1;
        for (const i of order) {
          const left = Math.round(x(data.t0[i]));
          if (left === last) continue;
          last = left;
          const wide = Math.max(1, Math.round(x(data.t1[i])) - left - (x(data.t1[i]) - left > 4));
          ctx.fillStyle = colorOf(colors, lane.modality);
          ctx.globalAlpha = mine ? 0.2 : 0.55;
          ctx.fillRect(left, 46, wide, 9);
          ctx.globalAlpha = 1;
          const weight = mine ? weightIn(i, chosen) : 0;
          ctx.fillRect(left, 55 - 9 * weight, wide, 9 * weight);
          if (!other || data.flips[i] === 255 || !data.flips[i]) continue;
          ctx.fillStyle = colors.bad;
          ctx.globalAlpha = data.flips[i] / L;
          ctx.fillRect(left, 42, wide, 3);
          ctx.globalAlpha = 1;
        }
        const time = meta.modalities[lane.modality] === "speech" && selection().time;
        if (time) {
          ctx.fillStyle = colors.text;
          ctx.globalAlpha = 0.16;
          ctx.fillRect(x(time[0]), 0, Math.max(1, x(time[1]) - x(time[0])), 56);
          ctx.globalAlpha = 1;
        }
        const i = token();
        if (i >= 0 && data.modality[i] === lane.modality && Number.isFinite(data.t0[i])) {
          ctx.strokeStyle = colors.ink;
          ctx.lineWidth = 1.5;
          const left = Math.round(x(data.t0[i]));
          ctx.strokeRect(left - 0.75, 0.75, Math.max(3, x(data.t1[i]) - left), 55.5);
        }
        if (lane.playing >= 0) {
          ctx.fillStyle = colors.ink;
          ctx.fillRect(x(lane.playing), 0, 1.5, 56);
        }
        ctx.textAlign = "right";
        ctx.fillStyle = colors.soft;
        ctx.fillText(lane.name, LEFT - 6, 14);
        ctx.fillText(meta.stages[stage], LEFT - 6, 28);
        if (mine) ctx.fillText(`expert ${chosen[1]}`, LEFT - 6, 51);
        ctx.textAlign = "left";
        axisX(ctx, x, 58, colors, { unit: "s" });
      },
      { name: `Waveform of ${lane.name} with its tokens, as sure as the router was`, focus: true },
    );
    if (lane.sound)
      lane.player = new Player(
        samplesOf(data[`sound_${lane.name}`], lane.sound.code),
        lane.sound.rate,
        (t, playing) => {
          lane.playing = playing ? t : -1;
          view.redraw(own);
        },
      );
    const at = (px) => {
      const { order } = orderIn(lane);
      const t = linear(0, lane.seconds, LEFT, own.width - 8).invert(px);
      return px < LEFT ? -1 : tokenAtTime(order, data.t0, data.t1, t);
    };
    pointer(own, {
      move: (px) => {
        const i = at(px);
        if (i < 0) return null;
        const lines = tellToken(i);
        return lane.player ? [...lines, "click: hear it"] : lines;
      },
      click: (px) => {
        const i = at(px);
        if (i < 0) return;
        chooseToken(Math.round(i / stride) * stride);
        listen(i);
      },
    });
    lane.node = own.node;
    lane.step = (by) => {
      const { order } = orderIn(lane);
      const now = order.indexOf(token());
      const next = now < 0 ? (by > 0 ? 0 : order.length - 1) : clamp(now + by, 0, order.length - 1);
      chooseToken(Math.round(order[next] / stride) * stride);
    };
  }
  view.undo.push(() => lanes.forEach(({ player }) => player?.close()));
  view.on(body, "keydown", (event) => {
    if (event.target.tagName !== "CANVAS") return;
    const lane = lanes.find(({ node }) => node === event.target);
    const chosen = cell() ?? [0, 0];
    const onMain = event.target === main.node;
    const order = onMain ? orderOf(rowOf(facet, chosen[0]), sorted) : [];
    const walk = (dl, de) => {
      const l = clamp(chosen[0] + dl, 0, L - 1);
      const e = de ? order[clamp(order.indexOf(chosen[1]) + de, 0, E - 1)] : chosen[1];
      chooseCell(l, e);
    };
    const act = {
      " ": replay,
      Escape: () => select({ tokens: [], layer: null, expert: null, time: null }),
      Enter: () => token() >= 0 && listen(token()),
      ArrowRight: () => (onMain ? walk(0, 1) : (lane?.step ?? step)(1)),
      ArrowLeft: () => (onMain ? walk(0, -1) : (lane?.step ?? step)(-1)),
      ArrowDown: () => onMain && walk(1, 0),
      ArrowUp: () => onMain && walk(-1, 0),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  // below: the tokens of the chosen cell, the pairs of its layer
  const row = h("div", { class: "ow-row" });
  body.append(row);
  const cellBox = h("div");
  row.append(cellBox);
  const layer = () => (cell() ? cell()[0] : 0);
  const pairsTitle = h("h4");
  const pairsHost = h(
    "div",
    {},
    pairsTitle,
    h(
      "p",
      { class: "ow-note" },
      "lift: how often together, over chance (1 = independent); n: tokens",
    ),
  );
  if (K > 1) row.append(pairsHost);
  // what the chosen token's layer would do without its first choice: a preview, nothing is run
  const nextBest = (l) => {
    const i = token();
    const row = inspected(i);
    if (row < 0 || !data.next || data.next[row * L + l] < 0) return [];
    const first = data.ids[(row * L + l) * K];
    const stageName = meta.stages[data.stage[i]];
    const place = i - data.stage.indexOf(data.stage[i]);
    return [
      h(
        "p",
        { class: "ow-note", style: "margin-top:8px" },
        `Token ${i}: without expert ${first}, its first choice here (${percent(data.w[(row * L + l) * K] / 255)}), expert ${data.next[row * L + l]} would come in, ${data.margin[row * L + l].toFixed(3)} below its last. `,
        stageName === "thinker"
          ? h("code", {}, `wb.next_best(${place}, ${meta.layers[l]})`)
          : null,
      ),
    ];
  };
  const fillCell = () => {
    const chosen = cell();
    if (!chosen || chosen[1] === null) {
      cellBox.replaceChildren(
        h("h4", {}, "Tokens of an expert"),
        h(
          "p",
          {},
          "Click a cell above: the tokens that gave this expert the most weight are listed here.",
        ),
      );
      return;
    }
    const [l, e] = chosen;
    const w = whole();
    const best = [
      ...data.top.subarray(
        ((w * L + l) * E + e) * data.top.shape[3],
        ((w * L + l) * E + e + 1) * data.top.shape[3],
      ),
    ].filter((i) => i >= 0);
    const stageName = meta.stages[meta.facets[facet].stage];
    const facts = ["entropy", "max / fair", "Gini", "idle", "z-loss"]
      .map((name, k) => [name, stats(l, k)])
      .filter(([, v]) => Number.isFinite(v));
    cellBox.replaceChildren(
      h("h4", {}, `Layer ${meta.layers[l]}, expert ${e} of the ${stageName}`),
      h(
        "p",
        {},
        best.length ? "Tokens that gave it the most weight:" : "No token was routed here.",
      ),
      h(
        "div",
        { class: "ow-chips" },
        best.map((i) =>
          h(
            "button",
            {
              type: "button",
              dir: "auto",
              title: `token ${i}`,
              style: `border-color:var(--ow-${meta.modalities[data.modality[i]]}, var(--ow-grid))`,
              onclick: () => {
                chooseToken(Math.round(i / stride) * stride);
                listen(i);
              },
            },
            `${canHear(i) ? "\u25B6 " : ""}${meta.tokens[i].trim() || "\u2205"}${Number.isFinite(data.t0[i]) ? ` ${clock(data.t0[i], 1)} s` : ""}`,
          ),
        ),
      ),
      h(
        "p",
        { class: "ow-note", style: "margin-top:8px" },
        `This layer: ${facts.map(([k, v]) => `${k} ${Number(v.toFixed(3))}`).join(" \u00b7 ")}`,
      ),
      ...nextBest(l),
      h(
        "p",
        { class: "ow-note" },
        "Try: ",
        h("code", {}, `wb.ban_expert(${meta.layers[l]}, ${e}, "${stageName}")`),
      ),
      h("p", { class: "ow-note" }, "Where tokens went says little about what an expert encodes."),
    );
  };
  const named = () => meta.pairs[String(whole())]?.[layer()] ?? [];
  if (K > 1) {
    const most = 10;
    const squareOf = (w, tall) => (data.lift && w > 420 ? Math.min(tall - 8, w * 0.42) : 0);
    const list = panel(
      pairsHost,
      most * 18 + 8,
      (ctx, w, tall, colors) => {
        pairsTitle.textContent = `Experts chosen together \u00b7 layer ${meta.layers[layer()]}, ${meta.stages[meta.facets[facet].stage]}`;
        const square = squareOf(w, tall);
        if (square) {
          const lut = table(colors);
          const size = square / E;
          const from = (whole() * L + layer()) * E * E;
          for (let i = 0; i < E; i++)
            for (let j = 0; j < E; j++) {
              const raw = data.lift[from + i * E + j];
              if (raw === MISSING) continue;
              ctx.fillStyle = rgb(lut[Math.round(diverging(raw / meta.scale, 2) * 255)]);
              ctx.fillRect(j * size, 4 + i * size, size + 0.3, size + 0.3);
            }
        }
        const x0 = square ? square + 22 : 0;
        const scale = linear(-2, 2, x0 + 62, w - 104);
        ctx.strokeStyle = colors.faint;
        ctx.lineWidth = 1;
        line(ctx, scale(0), 2, scale(0), tall);
        named()
          .slice(0, most)
          .forEach(([i, j, lift, n], k) => {
            const y = 12 + k * 18;
            const value = clamp(Math.log2(Math.max(lift, 0.25)), -2, 2);
            ctx.fillStyle = value >= 0 ? colors.high : colors.low;
            ctx.fillRect(
              Math.min(scale(0), scale(value)),
              y - 5,
              Math.max(1, Math.abs(scale(value) - scale(0))),
              10,
            );
            ctx.fillStyle = colors.ink;
            ctx.textAlign = "left";
            ctx.fillText(`${i} + ${j}`, x0, y);
            ctx.fillStyle = colors.soft;
            ctx.fillText(`${lift.toFixed(2)}  n ${n.toLocaleString("en")}`, w - 92, y);
          });
        if (!named().length) {
          ctx.fillStyle = colors.soft;
          ctx.fillText("no pair occurs often enough", x0, 12);
        }
        ctx.textAlign = "left";
      },
      { name: "Pairs of experts and their lift" },
    );
    pointer(list, {
      move: (px, py) => {
        const square = squareOf(list.width, list.height);
        if (px < square && py > 4 && py < square + 4) {
          const i = Math.floor(((py - 4) / square) * E);
          const j = Math.floor((px / square) * E);
          const raw = data.lift[((whole() * L + layer()) * E + i) * E + j];
          return raw === MISSING || raw === undefined
            ? null
            : [[`experts ${i} + ${j}`, `lift ${(raw / meta.scale).toFixed(2)}`]];
        }
        const pair = named()[Math.floor((py - 3) / 18)];
        return pair
          ? [
              [
                `experts ${pair[0]} + ${pair[1]}`,
                `lift ${pair[2].toFixed(2)}, ${pair[3]} tokens chose both`,
              ],
            ]
          : null;
      },
    });
  }
  const notes = [
    meta.by_logits
      ? `Orange: a near-tie (margin below ${meta.near_tie}), which rounding may flip.`
      : "",
    other
      ? "Tokens, pairs and margins are of A; a red mark: B chose other experts (grey: B lacks the token)."
      : "",
    "Experts of different layers are unrelated; nothing is added over layers.",
    ...meta.notes,
  ].filter(Boolean);
  body.append(h("p", { class: "ow-note", style: "margin-top:10px" }, notes.join(" \u00b7 ")));
  view.keys([
    ["\u2190 \u2192 \u2191 \u2193", "cell (on the map), token (on the strip)"],
    ...(lanes.some(({ sound }) => sound) ? [["enter", "hear the token"]] : []),
    ["space", "replay"],
    ["esc", "clear"],
  ]);
  view.watch(fillCell);
  fillCell();
  view.start();
  return view.close;
}

export default { render };
