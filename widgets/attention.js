// Attention in seconds (data: attention.py): which heads look at timestamps or at the right moment,
// and for one head the mass of every query over time; above it what was seen and heard and the pins
// of timestamps, beside it shares.
// A linear layer has no map; it shows what its tokens keep and write. A second run B has its map of
// the same head underneath, on the same axis of seconds.
import {
  SMALL,
  axisX,
  clamp,
  clock,
  h,
  hatch,
  label,
  line,
  linear,
  loudest,
  percent,
  ramp,
  raster,
  rgb,
  stage,
  tokenLabel,
  wave,
} from "./runtime.js";

// --- pure ---------------------------------------------------------------------------------------

// Bytes hold round(255 * sqrt(share)).
export const share = (byte) => (byte / 255) ** 2;

// Heads best first: by share of attention (large is good) or by seconds off (small is good).
export function rankHeads(values, descending) {
  return [...values.keys()]
    .filter((i) => Number.isFinite(values[i]))
    .sort((a, b) => (descending ? values[b] - values[a] : values[a] - values[b]) || a - b);
}

// Which of these moments is nearest, -1 if there is none (NaN: no moment).
export function nearest(moments, t) {
  let best = -1;
  for (let i = 0; i < moments.length; i++)
    if (
      Number.isFinite(moments[i]) &&
      (best < 0 || Math.abs(moments[i] - t) < Math.abs(moments[best] - t))
    )
      best = i;
  return best;
}

// --- the view -----------------------------------------------------------------------------------

// Pictures to draw out of their bytes, u8[N, h, w, 3].
function thumbsOf(film) {
  const [count, high, wide] = film.shape;
  return Array.from({ length: count }, (_, k) => {
    const node = document.createElement("canvas");
    node.width = wide;
    node.height = high;
    const ctx = node.getContext("2d");
    const image = ctx.createImageData(wide, high);
    for (let i = 0; i < high * wide; i++) {
      image.data.set(film.subarray(3 * (k * high * wide + i), 3 * (k * high * wide + i) + 3), 4 * i);
      image.data[4 * i + 3] = 255;
    }
    ctx.putImageData(image, 0, 0);
    return node;
  });
}

export function render({ model, el }) {
  const view = stage({ model, el });
  const { meta, data, other, body, panel, pointer, select, selection } = view;
  const seconds = Math.max(meta.seconds, other?.meta.seconds ?? 0);
  const H = meta.heads.length;
  const M = data.ts_value.length;
  const LEFT = 92;
  let rankBy = "stamp";
  let noSinks = false;

  const valuesOf = ({ data }) =>
    rankBy === "miss" ? data.miss : noSinks ? data.stamp_free : data.stamp;
  const values = () => valuesOf(view);
  const best = rankHeads(data.stamp, true)[0] ?? 0;
  let current = { layer: meta.layers[Math.floor(best / H)], head: best % H };
  const follow = () => {
    const { layer, head } = selection();
    if (layer === null || layer < 0 || layer >= meta.L) return;
    const known = head === null ? -1 : meta.heads.indexOf(head);
    if (meta.layers.includes(layer))
      current = { layer, head: known >= 0 ? known : current.head < H ? current.head : 0 };
    else if (meta.linear.includes(layer)) current = { layer, head: 0 };
  };
  const isLinear = () => meta.linear.includes(current.layer);
  const index = () => meta.layers.indexOf(current.layer) * H + current.head;
  // one run: the current head's map and what is picked of it
  const side = ({ meta, data }, name) => {
    const { bins, rows } = meta;
    const G = meta.groups.length;
    const M = data.ts_value.length;
    const base = (width) => index() * rows * width;
    const rowOf = new Map([...data.position].map((p, r) => [p, r]));
    const one = { name, meta, data, G, M, SINK: G - 1, hover: -1, over: -1, span: null, dragging: -1 };
    one.share = (r, c) => share(data.shares[base(G) + r * G + c]);
    one.scale = (r) => (noSinks ? 1 / Math.max(1e-6, 1 - one.share(r, one.SINK)) : 1);
    one.cell = (r, c) => share(data.mass[base(bins) + r * bins + c]) * one.scale(r);
    one.pin = (r, m) => share(data.pins[base(M) + r * M + m]) * one.scale(r);
    one.peak = (r) => data.peak[base(1) + r]; // seconds, below 0: none
    one.chosen = () =>
      name === "B"
        ? -1
        : (selection()
            .tokens.map((p) => rowOf.get(p))
            .find((r) => r !== undefined) ?? -1);
    one.picked = () => {
      const r = one.hover >= 0 ? one.hover : one.chosen();
      return one.span ?? (r >= 0 ? [r, r + 1] : [0, rows]);
    };
    return one;
  };
  const first = side(view, other ? "A" : "");
  const sides = other ? [first, side(other, "B")] : [first];
  const nameOf = (i) => `layer ${meta.layers[Math.floor(i / H)]}, head ${meta.heads[i % H]}`;
  const chooseHead = (layer, head) => {
    select({ layer, head: meta.linear.includes(layer) ? null : meta.heads[head] });
    view.say(
      meta.linear.includes(layer)
        ? `layer ${layer}: linear, no map`
        : `layer ${layer}, head ${meta.heads[head]}: ${percent(data.stamp[meta.layers.indexOf(layer) * H + head])} on ${meta.ranked}`,
    );
  };
  const chooseRow = (r) => {
    first.span = null;
    select({ tokens: [data.position[clamp(r, 0, meta.rows - 1)]] });
    view.say(`query ${meta.queries[clamp(r, 0, meta.rows - 1)]}`);
  };

  if (meta.sinks.length)
    view.toggle(
      "Hide sinks",
      `Scale the rest to 1 without ${meta.sinks.map(([i, text]) => `token ${i} ${text}`).join(", ")}`,
      false,
      (now) => (noSinks = now),
    );
  if (meta.has_ref)
    view.choice(
      "Rank heads by",
      [
        ["stamp", `share on ${meta.ranked}`],
        ["miss", "nearness to the reference time"],
      ],
      rankBy,
      (value) => (rankBy = value),
    );

  // heads of all layers
  const top = h("div", { class: "ow-row", style: "margin-top:0" });
  body.append(top);
  const gridHost = h("div", { style: "flex:1 1 260px" }, h("h4", {}, "Layers and heads"));
  const rankTitle = h("h4");
  const rankHost = h("div", { style: "flex:1.6 1 320px" }, rankTitle);
  top.append(gridHost, rankHost);
  const tallRow = clamp(Math.floor(220 / meta.L), 7, 18);
  const heads = (w) => ({ x0: 60, cell: clamp((w - 64) / H, 4, 46) });
  const strongest = () => Math.max(1e-6, ...[...values()].filter(Number.isFinite));
  const shade = (i) => {
    const v = values()[i];
    if (!Number.isFinite(v)) return 0;
    return rankBy === "miss"
      ? clamp(1 - v / Math.max(2, seconds / 4), 0, 1)
      : Math.sqrt(v / strongest());
  };
  const grid = panel(
    gridHost,
    () => meta.L * tallRow + 24,
    (ctx, w, tall, colors) => {
      const { x0, cell: wide } = heads(w);
      const lut = ramp([colors.seq0, colors.seq1, colors.seq2]);
      const every = Math.ceil(12 / tallRow);
      for (let l = 0; l < meta.L; l++) {
        const y = l * tallRow;
        const at = meta.layers.indexOf(l);
        ctx.font = SMALL;
        if (l % every === 0 || l === current.layer) {
          ctx.textAlign = "right";
          ctx.fillStyle = l === current.layer ? colors.ink : colors.soft;
          ctx.fillText(`${l === 0 ? "layer " : ""}${l}`, x0 - 8, y + tallRow / 2);
          ctx.textAlign = "left";
        }
        if (at < 0) {
          hatch(ctx, x0, y + 1, wide * H, tallRow - 2, colors.grid, 5);
          if (tallRow >= 11) {
            const text = meta.kinds[l]
              ? data.keep || data.write
                ? "linear: decay, write"
                : "linear: no map"
              : "not recorded";
            const size = ctx.measureText(text).width;
            if (size < wide * H - 8) {
              ctx.fillStyle = colors.bg;
              ctx.fillRect(x0 + 4, y + 2, size + 4, tallRow - 4);
              ctx.fillStyle = colors.soft;
              ctx.fillText(text, x0 + 6, y + tallRow / 2 + 0.5);
            }
          }
        } else
          for (let b = 0; b < H; b++) {
            ctx.fillStyle = rgb(lut[Math.round(255 * shade(at * H + b))]);
            ctx.fillRect(x0 + b * wide, y + 1, wide - (wide > 6 ? 1 : 0), tallRow - 2);
          }
        if (l === current.layer) {
          ctx.strokeStyle = colors.ink;
          ctx.lineWidth = 1.5;
          if (at < 0) ctx.strokeRect(x0 - 0.5, y + 0.5, wide * H + 1, tallRow - 1);
          else ctx.strokeRect(x0 + current.head * wide - 0.5, y + 0.5, wide, tallRow - 1);
        }
      }
      ctx.fillStyle = colors.soft;
      ctx.textBaseline = "top";
      const skip = Math.ceil(18 / wide);
      meta.heads.forEach(
        (head, b) =>
          b % skip === 0 &&
          ctx.fillText(
            `${b === 0 ? "head " : ""}${head}`,
            x0 + b * wide + (b ? wide / 2 - 3 : 0),
            meta.L * tallRow + 6,
          ),
      );
      ctx.textBaseline = "middle";
    },
    { name: `Grid of ${meta.L} layers by ${H} heads`, focus: true },
  );
  const headAt = (px, py) => {
    const { x0, cell: wide } = heads(grid.width);
    const layer = Math.floor(py / tallRow);
    const head = Math.floor((px - x0) / wide);
    return layer < 0 || layer >= meta.L || px < x0 || head >= H ? null : { layer, head };
  };
  const tellHead = (i) => {
    const lines = [
      [
        nameOf(i),
        `${percent(data.stamp[i])} on ${meta.ranked}${noSinks ? `, ${percent(data.stamp_free[i])} without sinks` : ""}`,
      ],
    ];
    if (Number.isFinite(data.miss[i]))
      lines.push(["off", `${data.miss[i].toFixed(2)} s from the reference time (median)`]);
    if (other) lines.push(["B", `${percent(other.data.stamp[i])} on ${other.meta.ranked}`]);
    return lines;
  };
  pointer(grid, {
    move: (px, py) => {
      const hit = headAt(px, py);
      if (!hit) return null;
      const at = meta.layers.indexOf(hit.layer);
      if (at >= 0) return tellHead(at * H + hit.head);
      return meta.kinds[hit.layer]
        ? [[`layer ${hit.layer}`, "linear attention: a memory, no map over tokens"]]
        : [[`layer ${hit.layer}`, "softmax, not recorded in this run"]];
    },
    click: (px, py) => {
      const hit = headAt(px, py);
      if (
        hit &&
        (meta.layers.includes(hit.layer) ||
          (meta.linear.includes(hit.layer) && (data.keep || data.write)))
      )
        chooseHead(hit.layer, hit.head);
    },
  });

  const listed = 10;
  const ranked = () => rankHeads(values(), rankBy !== "miss").slice(0, listed);
  const list = panel(
    rankHost,
    Math.min(listed, data.stamp.length) * 20 + 4,
    (ctx, w, tall, colors) => {
      rankTitle.textContent =
        rankBy === "miss"
          ? "Clock heads: seconds between the most attended moment and the reference"
          : `${M ? "Clock heads" : "Heads"}: share of attention on ${meta.ranked}${noSinks ? ", without sinks" : ""}${other ? "; outlined, after \u2192: B" : ""}`;
      const order = ranked();
      const theirs = other && valuesOf(other);
      const most = Math.max(
        1e-6,
        ...order.flatMap((i) => [values()[i], theirs?.[i] || 0]),
      );
      const x = linear(0, most, 116, w - (other ? 104 : 64));
      order.forEach((i, k) => {
        const y = 10 + k * 20;
        const own = !isLinear() && i === index();
        ctx.fillStyle = own ? colors.ink : colors.soft;
        ctx.font = own ? `600 ${SMALL}` : SMALL;
        ctx.fillText(nameOf(i), 0, y);
        ctx.font = SMALL;
        ctx.fillStyle = rankBy === "miss" ? colors.control : colors[meta.rank_color];
        ctx.fillRect(116, y - 6, Math.max(1.5, x(values()[i]) - 116), 12);
        ctx.fillStyle = colors.ink;
        const told = (v) => (rankBy === "miss" ? `${v.toFixed(2)} s` : percent(v));
        if (theirs && Number.isFinite(theirs[i])) {
          ctx.strokeStyle = colors.ink;
          ctx.lineWidth = 1.5;
          ctx.strokeRect(116, y - 6, Math.max(1.5, x(theirs[i]) - 116), 12);
          const end = Math.max(x(values()[i]), x(theirs[i]));
          ctx.fillText(`${told(values()[i])} \u2192 ${told(theirs[i])}`, end + 6, y);
          return;
        }
        ctx.fillText(told(values()[i]), x(values()[i]) + 6, y);
      });
    },
    { name: "Ranking of heads; all are in the data table" },
  );
  pointer(list, {
    move: (_, py) => {
      const i = ranked()[Math.floor(py / 20)];
      return i === undefined ? null : tellHead(i);
    },
    click: (_, py) => {
      const i = ranked()[Math.floor(py / 20)];
      if (i !== undefined) chooseHead(meta.layers[Math.floor(i / H)], i % H);
    },
  });

  // one head: queries by seconds
  const title = h("h4", { style: "margin-top:16px" });
  body.append(title);
  const SIDE = (w) => (w < 560 ? 74 : 132);
  const mapOf = (one) => {
    const { meta, data, name, G, M, SINK, share: shareOf, cell, pin } = one;
    const { bins, rows } = meta;
    const mapHost = h("div");
    if (name) body.append(h("div", { class: "ow-run" }, h("b", {}, name), meta.told ?? ""));
    body.append(mapHost);
    const FILM = data.film ? 46 : 0;
    const WAVE = data.peaks ? 34 : 0;
    const loud = data.peaks ? loudest(data.peaks) : 0;
    const PINS = M ? 34 : 6;
    const TOP = FILM + WAVE + PINS;
    const thumbs = data.film ? thumbsOf(data.film) : [];
    const rowTall = clamp(Math.floor(380 / rows), 1, 15);
    const frame = (w) => ({
      x: linear(0, seconds, LEFT, w - SIDE(w) - 18),
      y0: TOP,
      side: w - SIDE(w),
      y1: TOP + rows * rowTall,
    });
    let cached = { key: "", picture: null, most: 1 };
    const map = panel(
      mapHost,
      () => (isLinear() ? linearHeight() : TOP + rows * rowTall + 92),
      (ctx, w, tall, colors) => {
        if (isLinear()) {
          drawLinear(ctx, w, tall, colors);
          return;
        }
        const { x, y0, side, y1 } = frame(w);
        title.textContent = `Layer ${current.layer}, head ${meta.heads[current.head]}: where each query looks, in seconds${noSinks ? " (sinks hidden)" : ""}`;
        const key = [index(), noSinks, colors.seq0].join();
        const until = x(meta.seconds); // B may last longer, or A
        if (cached.key !== key) {
          const all = new Float32Array(rows * bins);
          for (let r = 0; r < rows; r++)
            for (let c = 0; c < bins; c++) all[r * bins + c] = Math.sqrt(cell(r, c));
          const ordered = Float32Array.from(all).sort();
          const most = ordered[Math.floor(ordered.length * 0.998)] || ordered.at(-1) || 1;
          cached = {
            key,
            most,
            picture: raster(
              rows,
              bins,
              (r, c) => Math.round(255 * clamp(all[r * bins + c] / most, 0, 1)),
              ramp([colors.seq0, colors.seq1, colors.seq2]),
            ),
          };
        }
        if (data.peaks) {
          ctx.fillStyle = colors.faint;
          ctx.save();
          ctx.translate(0, FILM);
          wave(ctx, data.peaks, x, meta.heard, x.range[1], WAVE, loud, Math.floor(x.range[0]));
          ctx.restore();
        }
        drawFilm(ctx, x, colors);
        // pins: how high is how much of the picked queries' attention lies on that timestamp
        const [from, to] = one.picked();
        let heaviest = 1e-6;
        const weights = Array.from({ length: M }, (_, m) => {
          let sum = 0;
          for (let r = from; r < to; r++) sum += pin(r, m) / (to - from);
          heaviest = Math.max(heaviest, sum);
          return sum;
        });
        for (let m = 0; m < M; m++) {
          const px = x(data.ts_value[m]);
          const tip = TOP - 3;
          const high = 3 + 20 * (weights[m] / heaviest);
          ctx.fillStyle = colors.timestamp;
          const wide = clamp((x.range[1] - x.range[0]) / M - 1, 1, 3);
          ctx.fillRect(px - wide / 2, tip - high, wide, high);
        }
        if (M) {
          ctx.fillStyle = colors.timestamp;
          ctx.textAlign = "right";
          ctx.fillText("timestamps", LEFT - 8, TOP - 9);
          ctx.textAlign = "left";
          ctx.fillText(`\u2264 ${percent(heaviest)} a pin`, side, FILM + WAVE + 6);
        }
        ctx.imageSmoothingEnabled = false;
        ctx.drawImage(cached.picture, x.range[0], y0, until - x.range[0], y1 - y0);
        for (let m = 0; m < M && M <= 60; m++) {
          ctx.fillStyle = colors.timestamp;
          ctx.globalAlpha = 0.35;
          ctx.fillRect(x(data.ts_value[m]) - 0.5, y0, 1, y1 - y0);
          ctx.globalAlpha = 1;
        }
        // the time a query is about, where it is known
        ctx.fillStyle = colors.speech;
        for (let r = 0; r < rows; r++)
          if (Number.isFinite(data.ref[r])) {
            ctx.beginPath();
            ctx.arc(
              x(data.ref[r]),
              y0 + (r + 0.5) * rowTall,
              clamp(rowTall / 4, 1, 2.5),
              0,
              2 * Math.PI,
            );
            ctx.fill();
          }
        // the moment that the picked queries look at most, through the sound and the map
        if (to - from < rows) {
          ctx.strokeStyle = colors.ink;
          ctx.lineWidth = 1;
          ctx.setLineDash([2, 2]);
          for (let r = from; r < Math.min(to, from + 20); r++) {
            if (one.peak(r) < 0) continue;
            const px = Math.round(x(one.peak(r))) + 0.5;
            line(ctx, px, 0, px, y0 + (r + 0.5) * rowTall);
          }
          ctx.setLineDash([]);
        }
        // query labels
        const every = Math.ceil(12 / rowTall);
        ctx.textAlign = "right";
        ctx.font = SMALL;
        for (let r = 0; r < rows; r += every) {
          const own = r >= from && r < to && to - from < rows;
          ctx.fillStyle = own ? colors.ink : colors.soft;
          ctx.fillText(tokenLabel(meta.queries[r], 12), LEFT - 8, y0 + (r + 0.5) * rowTall);
        }
        ctx.textAlign = "left";
        // shares of kinds of tokens, a stacked bar a query
        const wide = SIDE(w) - 2;
        for (let r = 0; r < rows; r++) {
          let low = 0;
          const total = noSinks ? 1 - shareOf(r, SINK) : 1;
          for (let c = 0; c < G; c++) {
            if (noSinks && c === SINK) continue;
            const part = (shareOf(r, c) / Math.max(1e-6, total)) * wide;
            ctx.fillStyle = colors[meta.colors[c]];
            ctx.fillRect(side + low, y0 + r * rowTall, part, rowTall > 3 ? rowTall - 1 : rowTall);
            low += part;
          }
        }
        if (to - from < rows) {
          ctx.strokeStyle = colors.ink;
          ctx.lineWidth = 1;
          ctx.strokeRect(
            x.range[0] - 0.5,
            y0 + from * rowTall - 0.5,
            x.range[1] - x.range[0] + 1,
            (to - from) * rowTall + 1,
          );
        }
        // mean over the picked queries
        const mean = new Float32Array(bins);
        for (let r = from; r < to; r++)
          for (let c = 0; c < bins; c++) mean[c] += cell(r, c) / (to - from);
        const peak = mean.reduce((m, v) => Math.max(m, v), 1e-6);
        const base = y1 + 44;
        ctx.beginPath();
        ctx.moveTo(x.range[0], base);
        for (let c = 0; c < bins; c++) {
          const up = base - 36 * (mean[c] / peak);
          ctx.lineTo(x((c * meta.seconds) / bins), up);
          ctx.lineTo(x(((c + 1) * meta.seconds) / bins), up);
        }
        ctx.lineTo(until, base);
        ctx.fillStyle = meta.axis === "heard" ? colors.audio : colors.speech;
        ctx.globalAlpha = 0.5;
        ctx.fill();
        ctx.globalAlpha = 1;
        ctx.fillStyle = colors.soft;
        ctx.textAlign = "right";
        const count = to - from;
        ctx.fillText(
          count === rows ? "mean of all" : count === 1 ? "this query" : `mean of ${count}`,
          LEFT - 8,
          base - 24,
        );
        ctx.fillText(`max ${percent(peak)}`, LEFT - 8, base - 10);
        ctx.textAlign = "left";
        axisX(ctx, x, base, colors, {
          unit: meta.axis === "heard" ? "seconds of what was heard or seen" : "seconds of the answer",
        });
        // legend beside the map
        let ly = y1 + 10;
        meta.groups.forEach((name, c) => {
          if (noSinks && c === SINK) return;
          ctx.fillStyle = colors[meta.colors[c]];
          ctx.fillRect(side, ly - 4, 8, 8);
          ctx.fillStyle = colors.soft;
          ctx.fillText(name, side + 12, ly);
          ly += 14;
        });
      },
      {
        name: `Attention of each query over seconds${name && `, run ${name}`}. ${view.spec.subtitle}`,
        focus: true,
      },
    );

    // what was seen: a thumbnail where there is room, the one that is looked at on top of the others
    const high = FILM - 10;
    const drawFilm = (ctx, x, colors) => {
      if (!FILM) return;
      const [from, to] = one.picked();
      const look = one.over >= 0 ? one.over : to - from === 1 ? one.peak(from) : -1;
      const front = look >= 0 ? nearest(data.film_at, look) : -1;
      const wide = (high * data.film.shape[2]) / data.film.shape[1];
      let free = x.range[0];
      let still = 0;
      const put = (k, left) => ctx.drawImage(thumbs[k], left, 0, wide, high);
      const leftOf = (k) =>
        clamp(x(data.film_at[k]) - wide / 2, x.range[0], Math.max(x.range[0], x.range[1] - wide));
      ctx.imageSmoothingEnabled = true;
      thumbs.forEach((_, k) => {
        if (!Number.isFinite(data.film_at[k])) {
          if (still + wide <= LEFT - 8) put(k, still);
          still += wide + 3;
          return;
        }
        ctx.fillStyle = k === front ? colors.ink : colors.video;
        ctx.fillRect(x(data.film_at[k]) - (k === front ? 1.5 : 0.5), high + 1, k === front ? 3 : 1, 5);
        if (leftOf(k) < free) return;
        put(k, leftOf(k));
        free = leftOf(k) + wide + 3;
      });
      if (front < 0) return;
      put(front, leftOf(front));
      ctx.strokeStyle = colors.ink;
      ctx.lineWidth = 2;
      ctx.strokeRect(leftOf(front), 1, wide, high - 1);
    };

    // a linear layer: two strips of heads by tokens
    const D = meta.linear_heads;
    const stripTall = clamp(Math.floor(110 / Math.max(1, D)), 4, 16) * D;
    const linearHeight = () => 2 * (stripTall + 34) + 44;
    const drawLinear = (ctx, w, tall, colors) => {
      title.textContent = `Layer ${current.layer} is linear: no map over tokens, but a memory that every token lets fade and writes to`;
      const n = meta.linear.indexOf(current.layer);
      const cols = data.kind.length;
      const lut = ramp([colors.seq0, colors.seq1, colors.seq2]);
      const x = linear(0, meta.T, LEFT, w - 10);
      [
        ["keep", "share of the memory that is kept (decay)"],
        ["write", "strength of writing (beta)"],
      ].forEach(([name, told], k) => {
        const y = k * (stripTall + 34) + 20;
        const array = data[name];
        ctx.fillStyle = colors.soft;
        ctx.fillText(array ? told : `${told}: not recorded`, LEFT, y - 11);
        if (!array) return;
        const columns = array.shape[1];
        const picture = raster(D, columns, (r, c) => array[(n * D + r) * columns + c], lut);
        ctx.imageSmoothingEnabled = false;
        ctx.drawImage(picture, LEFT, y, x.range[1] - LEFT, stripTall);
        ctx.textAlign = "right";
        for (let d = 0; d < D; d += Math.ceil((12 * D) / stripTall))
          ctx.fillText(`${d ? "" : "head "}${d}`, LEFT - 8, y + ((d + 0.5) * stripTall) / D);
        ctx.textAlign = "left";
      });
      const y = 2 * (stripTall + 34) - 6;
      for (let c = 0; c < cols; c++) {
        ctx.fillStyle = colors[meta.modalities[data.kind[c]]] || colors.control;
        ctx.fillRect(x(c * meta.step), y, x(meta.step) - x(0) + 0.5, 4);
      }
      axisX(ctx, x, y + 7, colors, {
        format: (v) => v.toLocaleString("en"),
        unit: "tokens (colour: modality); light 0, dark 1",
      });
    };

    const rowAt = (py) => {
      const { y0, y1 } = frame(map.width);
      return py < y0 || py >= y1 ? -1 : Math.floor((py - y0) / rowTall);
    };
    pointer(map, {
      move: (px, py, event) => {
        if (isLinear()) {
          const n = meta.linear.indexOf(current.layer);
          const k = Math.floor(py / (stripTall + 34));
          const array = [data.keep, data.write][k];
          const d = Math.floor(((py - k * (stripTall + 34) - 20) / stripTall) * D);
          if (!array || d < 0 || d >= D || px < LEFT) return null;
          const c = clamp(
            Math.floor(((px - LEFT) / (map.width - 10 - LEFT)) * array.shape[1]),
            0,
            array.shape[1] - 1,
          );
          return [
            [
              `tokens from ${(c * meta.step).toLocaleString("en")}`,
              `head ${d}: ${k ? "writes" : "keeps"} ${(array[(n * D + d) * array.shape[1] + c] / 255).toFixed(2)}`,
            ],
          ];
        }
        const { x, side } = frame(map.width);
        const r = rowAt(py);
        const over = px >= x.range[0] && px < x.range[1] ? x.invert(px) : -1;
        if (FILM && over !== one.over) {
          one.over = over;
          view.redraw(map);
        }
        if (one.dragging >= 0 && event.buttons && r >= 0 && r !== one.dragging)
          one.span = [Math.min(r, one.dragging), Math.max(r, one.dragging) + 1];
        if (r !== one.hover) {
          one.hover = r;
          view.redraw(map);
        }
        if (r < 0) {
          const k = py < FILM && over >= 0 ? nearest(data.film_at, over) : -1;
          return k < 0 ? null : [[`${clock(data.film_at[k], 1)} s`, "what was seen"]];
        }
        const lines = [
          [
            tokenLabel(meta.queries[r], 40),
            `query ${(r * meta.by).toLocaleString("en")}${meta.by > 1 ? `, mean of ${meta.by}` : ""}`,
          ],
        ];
        if (px >= x.range[0] && x.invert(px) < meta.seconds) {
          const c = clamp(Math.floor((x.invert(px) / meta.seconds) * bins), 0, bins - 1);
          const [t0, t1] = [c, c + 1].map((k) => clock((k * meta.seconds) / bins, 1));
          lines.push([percent(cell(r, c)), `at ${t0}\u2013${t1} s`]);
          if (one.peak(r) >= 0) lines.push(["looks most at", `${one.peak(r).toFixed(2)} s`]);
          if (Number.isFinite(data.ref[r])) lines.push(["about", `${data.ref[r].toFixed(2)} s`]);
          const near = [...data.ts_value].findIndex((t) => Math.abs(x(t) - px) < 5);
          if (near >= 0)
            lines.push([`timestamp ${label(meta.stamps[near], 20)}`, percent(pin(r, near))]);
        } else if (px >= side)
          meta.groups.forEach((name, c) =>
            lines.push([name, percent(shareOf(r, c))]),
          );
        return lines;
      },
      leave: () => {
        one.hover = -1;
        one.over = -1;
        one.dragging = -1;
        view.redraw(map);
      },
      click: (_, py) => {
        if (isLinear() || rowAt(py) < 0) return;
        if (one.span && one.dragging >= 0 && rowAt(py) !== one.dragging) {
          if (one === first) select({ tokens: [...data.position].slice(...one.span) });
          one.dragging = -1;
          return;
        }
        if (one === first) chooseRow(rowAt(py));
        else one.span = [rowAt(py), rowAt(py) + 1];
        view.redraw(map);
      },
    });
    view.on(map.node, "pointerdown", (event) => {
      one.span = null;
      one.dragging = rowAt(event.clientY - map.node.getBoundingClientRect().top);
    });
  };
  sides.forEach(mapOf);
  view.on(body, "keydown", (event) => {
    if (event.target.tagName !== "CANVAS") return;
    const nextHead = (by) => {
      const order = rankHeads(values(), rankBy !== "miss");
      const at = clamp(order.indexOf(index()) + by, 0, order.length - 1);
      chooseHead(meta.layers[Math.floor(order[at] / H)], order[at] % H);
    };
    const onGrid = event.target === grid.node;
    const walk = (by) => {
      const row = first.chosen();
      if (!onGrid) return chooseRow((row < 0 ? (by > 0 ? -1 : meta.rows) : row) + by);
      let layer = current.layer + by;
      while (
        layer >= 0 &&
        layer < meta.L &&
        !meta.layers.includes(layer) &&
        !(meta.linear.includes(layer) && meta.linear_heads)
      )
        layer += by;
      if (layer >= 0 && layer < meta.L) chooseHead(layer, Math.min(current.head, H - 1));
    };
    const act = {
      ArrowDown: () => walk(1),
      ArrowUp: () => walk(-1),
      ArrowRight: () =>
        onGrid && !isLinear()
          ? chooseHead(current.layer, clamp(current.head + 1, 0, H - 1))
          : nextHead(1),
      ArrowLeft: () =>
        onGrid && !isLinear()
          ? chooseHead(current.layer, clamp(current.head - 1, 0, H - 1))
          : nextHead(-1),
      Escape: () => {
        for (const one of sides) one.span = null;
        select({ tokens: [] });
      },
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
  const notes = [
    meta.has_ref ? "Orange dots: the time a query is about." : "",
    meta.sinks.length
      ? `Sinks, never in the map: ${meta.sinks
          .map(([i, text]) => `token ${i} ${text}`)
          .slice(0, 6)
          .join(", ")}.`
      : "No sinks found.",
    ...meta.notes,
    "Dashed, for picked queries: the moment looked at most.",
    "Attention is where a head looked, not why the answer is what it is.",
  ].filter(Boolean);
  body.append(h("p", { class: "ow-note", style: "margin-top:8px" }, notes.join(" ")));
  view.keys([
    ["\u2191 \u2193", "query (map), layer (grid)"],
    ["\u2190 \u2192", "next head by rank"],
    ["drag", "span of queries"],
    ["esc", "clear"],
  ]);
  view.watch(follow);
  follow();
  view.start();
  return view.close;
}

export default { render };
