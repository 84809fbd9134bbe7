// What an answer rests on (data: attribution.py): signed shares of pieces of what was given, on the
// time axis of what was heard, on a picture, or on words; of all targets or of one; and how the
// shares add up from "nothing was given" to "everything was".
import {
  BOLD,
  SMALL,
  axisX,
  axisY,
  clamp,
  clock,
  colorKey,
  h,
  hatch,
  hex,
  label,
  line,
  linear,
  ramp,
  raster,
  rgb,
  stage,
  tokenLabel,
} from "./runtime.js";
import { Player, samplesOf } from "./player.js";

const EDGE = 0.02; // seconds played before and after a piece
const PIN = 5; // pixels: half the width of a moment

// --- pure ---------------------------------------------------------------------------------------

// "+1.20", "−0.31", "0": the sign is always said.
export function signed(v, digits = 2) {
  const text = Math.abs(v).toFixed(digits);
  return +text === 0 ? "0" : (v < 0 ? "\u2212" : "+") + text;
}

// The place of a share on a colour table of `n` steps whose middle is zero.
export const tint = (v, most, n = 256) =>
  Math.round(clamp(0.5 + v / (2 * (most || 1)), 0, 1) * (n - 1));

// Which piece lies at a time: the one that holds it, or a moment not further away than `reach`.
export function pieceAt(t0, t1, t, reach) {
  let best = -1;
  let near = reach;
  for (let i = 0; i < t0.length; i++) {
    if (t0[i] <= t && t < t1[i]) return i;
    if (t1[i] <= t0[i] && Math.abs(t0[i] - t) <= near) {
      near = Math.abs(t0[i] - t);
      best = i;
    }
  }
  return best;
}

// Shares laid end to end: those for the target up from `empty`, then those against it down again.
// -> [piece, from, to, row], the largest first.
export function adding(values, empty) {
  const order = [...values.keys()].sort((a, b) => Math.abs(values[b]) - Math.abs(values[a]));
  const out = [];
  let at = empty;
  for (const row of [0, 1])
    for (const i of order)
      if (row ? values[i] < 0 : values[i] > 0) {
        out.push([i, at, at + values[i], row]);
        at += values[i];
      }
  return out;
}

// --- the view -----------------------------------------------------------------------------------

export function render({ model, el }) {
  const view = stage({ model, el });
  const { meta, data, body, panel, pointer, select, selection } = view;
  const { N, J, lo, hi } = meta;
  const { t0, t1 } = data;
  const columns = data.each ? J : 0;
  const pieces = new Map();
  data.member.forEach((p, k) => pieces.set(p, data.member_of[k]));
  const members = Array.from({ length: N }, () => []);
  data.member.forEach((p, k) => members[data.member_of[k]].push(p));
  const wordOf = new Map([...data.position].map((p, w) => [p, w]));
  const wordsOf = new Int32Array(J);
  data.target.forEach((j, w) => j >= 0 && (wordsOf[j] = w));
  let target = -1; // which one is shown, -1 = all together
  let picked = new Set();
  let hovered = -1;

  const values = () =>
    target < 0 || !data.each ? data.values : data.each.subarray(target * N, (target + 1) * N);
  const sum = (array) => array.reduce((a, b) => a + b, 0);
  const full = () => (target < 0 ? sum(data.full) : data.full[target]);
  const empty = () => (target < 0 ? sum(data.empty) : data.empty[target]);
  const largest = (array) => array.reduce((a, v) => Math.max(a, Math.abs(v)), 0) || 1;
  const loudest = data.peaks ? largest(data.peaks) : 1;
  const most = () => largest(values());
  const nameOf = (j) => tokenLabel(meta.answer[wordsOf[j]], 24);
  const goal = () => (target >= 0 ? nameOf(target) : J === 1 ? nameOf(0) : `all ${J} targets`);
  const table = (colors) => ramp([colors.low, colors.mid, colors.high]);
  const whisker = (i) => (data.error && target < 0 ? data.error[i] : 0);
  const strongest = () =>
    [...values().keys()]
      .sort((a, b) => Math.abs(values()[b]) - Math.abs(values()[a]))
      .slice(0, meta.listed);
  const ink = ([r, g, b]) => (0.3 * r + 0.59 * g + 0.11 * b < 140 ? "#ffffff" : "#1c2127");

  // sound
  const head = h("div", { class: "ow-head" });
  const player =
    data.sound &&
    new Player(samplesOf(data.sound, meta.sound.code), meta.sound.rate, (t, playing) => {
      playButton.textContent = playing ? "\u25A0 Stop" : "\u25B6 Play";
      if (!main) return;
      head.style.visibility = playing ? "visible" : "hidden";
      head.style.transform = `translateX(${xOf(main.width)(t + meta.start)}px)`;
    });
  const toggleSound = () => {
    if (!player) return;
    const one = [...picked];
    if (player.playing) player.stop();
    else if (one.length === 1) playPiece(one[0]);
    else player.play(0);
  };
  const playButton =
    player && view.button("\u25B6 Play", "Play what was heard, or the piece (space)", toggleSound);
  const playPiece = (i) =>
    player &&
    t1[i] > t0[i] &&
    player.play(Math.max(0, t0[i] - meta.start - EDGE), t1[i] - meta.start + EDGE);

  // selection
  const choose = (i) => {
    const one = clamp(i, 0, N - 1);
    if (members[one].length) select({ tokens: members[one] });
    picked = new Set([one]); // after `select`, which asks what its tokens are
    paintAll();
    view.say(`${meta.labels[one]}: ${signed(values()[one])}`);
  };
  const aim = (j) => {
    target = j;
    if (j >= 0 && data.position[wordsOf[j]] >= 0) select({ tokens: [data.position[wordsOf[j]]] });
    paintAll();
    view.say(`${j < 0 ? "all targets" : nameOf(j)}: ${signed(full() - empty())}`);
  };
  const follow = () => {
    const { tokens } = selection();
    const words = tokens.map((p) => wordOf.get(p)).filter((w) => w !== undefined);
    picked = new Set(tokens.map((p) => pieces.get(p)).filter((i) => i !== undefined));
    if (words.length === 1 && columns && data.target[words[0]] >= 0) target = data.target[words[0]];
    paintAll();
  };
  const tellPiece = (i) => {
    const lines = [[label(meta.labels[i].trim() || "\u2205", 40), meta.modalities[data.kind[i]]]];
    const more = whisker(i) ? ` \u00b1 ${whisker(i).toFixed(2)}` : "";
    lines.push([
      `${signed(values()[i])}${more}`,
      `${values()[i] < 0 ? "against" : "for"} ${goal()}`,
    ]);
    return lines;
  };

  // the answer: which tokens are explained, and which of them is shown
  const answer = h("div", { class: "ow-chips", style: "margin:2px 0 12px" });
  const chips = [];
  const all = columns > 1 && h("button", { type: "button", onclick: () => aim(-1) }, "all");
  if (all) answer.append(all);
  meta.answer.forEach((word, w) => {
    const j = data.target[w];
    const text = tokenLabel(word, 24);
    if (j < 0) {
      answer.append(h("span", { style: "padding:2px 1px;opacity:.55;unicode-bidi:isolate" }, text));
      return;
    }
    const chip = h(
      "button",
      { type: "button", disabled: columns < 2, onclick: () => aim(target === j ? -1 : j) },
      text,
    );
    chips.push([j, chip]);
    answer.append(chip);
  });
  body.append(
    h("h4", {}, columns > 1 ? "The answer: choose what is explained" : "The answer"),
    answer,
  );

  const top = h("div", { class: "ow-row", style: "margin-top:0" });
  const mainTitle = h("h4");
  const mainHost = h("div", { style: "flex:2.3 1 380px" }, mainTitle);
  const listTitle = h("h4");
  const listHost = h("div", { style: "flex:1 1 230px" }, listTitle);
  top.append(mainHost, listHost);
  body.append(top);

  const paintAll = () => view.redraw();
  const frameOf = (ctx, x, y, w, tall, colors, own) => {
    if (!own) return;
    ctx.strokeStyle = colors.ink;
    ctx.lineWidth = 1.5;
    ctx.strokeRect(x + 0.5, y + 0.5, Math.max(1, w - 1), tall - 1);
  };
  const marked = (i) => picked.has(i) || i === hovered;
  const bar = (ctx, from, to, y, thick, v, colors) => {
    ctx.fillStyle = v < 0 ? colors.low : colors.high;
    ctx.fillRect(Math.min(from, to), y, Math.max(1, Math.abs(to - from)), thick);
  };
  const hover = (i, ...only) => {
    if (i === hovered) return;
    hovered = i;
    view.redraw(...only);
  };

  // pieces on the axis of what was heard
  const LEFT = 46;
  const WAVE = data.peaks ? 58 : 0;
  const BARS = 138;
  const xOf = (w) => linear(lo, hi, LEFT, w - 8);
  const boxOf = (x, i) =>
    t1[i] > t0[i] ? [x(t0[i]), x(t1[i]) - x(t0[i])] : [x(t0[i]) - PIN, 2 * PIN];
  const atTime = (px, w) => {
    const x = xOf(w);
    return pieceAt(t0, t1, x.invert(px), (2 * PIN * (hi - lo)) / (x.range[1] - LEFT || 1));
  };
  let main = null;
  let grid = null;
  const timedPanels = () => {
    const host = h("div", { class: "ow-rel" }, head);
    head.style.height = `${WAVE + BARS + 10}px`;
    head.style.bottom = "auto";
    mainHost.append(host);
    main = panel(
      host,
      WAVE + BARS + 52,
      (ctx, w, tall, colors) => {
        const x = xOf(w);
        const lut = table(colors);
        const v = values();
        for (let i = 0; i < N; i++) {
          const [left, wide] = boxOf(x, i);
          ctx.fillStyle = rgb(lut[tint(v[i], most())]);
          if (WAVE) ctx.fillRect(left, 0, Math.max(1, wide - (wide > 6 ? 1 : 0)), WAVE);
        }
        if (WAVE) {
          const count = data.peaks.shape[0];
          const long = (meta.sound ? data.sound.length / meta.sound.rate : hi - meta.start) || 1;
          ctx.fillStyle = colors.ink;
          for (let px = Math.ceil(x(meta.start)); px < x(meta.start + long); px++) {
            const from = Math.floor(((x.invert(px) - meta.start) / long) * count);
            const to = Math.max(
              from + 1,
              Math.floor(((x.invert(px + 1) - meta.start) / long) * count),
            );
            let down = 0;
            let up = 0;
            for (let k = Math.max(0, from); k < Math.min(count, to); k++) {
              down = Math.min(down, data.peaks[2 * k]);
              up = Math.max(up, data.peaks[2 * k + 1]);
            }
            const y = WAVE / 2 - (up / loudest) * (WAVE / 2 - 5);
            ctx.fillRect(px, y, 1, Math.max(1, ((up - down) / loudest) * (WAVE / 2 - 5)));
          }
        }
        const above = Math.max(0, ...v) || 0;
        const below = Math.min(0, ...v) || 0;
        const room = (above - below) * 0.08 || 1;
        const y = linear(below - (below < 0 ? room : 0), above + room, WAVE + BARS, WAVE + 10);
        axisY(ctx, y, LEFT, x.range[1] - LEFT, colors, { format: (t) => signed(t, t % 1 ? 1 : 0) });
        for (let i = 0; i < N; i++) {
          const [left, wide] = boxOf(x, i);
          const tip = y(v[i]);
          ctx.fillStyle = v[i] < 0 ? colors.low : colors.high;
          ctx.globalAlpha = marked(i) || !(picked.size || hovered >= 0) ? 1 : 0.55;
          const thin = Math.max(1, wide - (wide > 6 ? 2 : 0));
          ctx.fillRect(
            left + (wide > 6 ? 1 : 0),
            Math.min(tip, y(0)),
            thin,
            Math.max(1, Math.abs(tip - y(0))),
          );
          ctx.globalAlpha = 1;
          if (whisker(i)) {
            ctx.strokeStyle = colors.ink;
            ctx.lineWidth = 1;
            const mid = Math.round(left + wide / 2) + 0.5;
            line(ctx, mid, y(v[i] - whisker(i)), mid, y(v[i] + whisker(i)));
          }
          frameOf(ctx, left, 0, wide, WAVE + BARS, colors, picked.has(i));
        }
        ctx.strokeStyle = colors.soft;
        ctx.lineWidth = 1;
        line(ctx, LEFT, Math.round(y(0)) + 0.5, x.range[1], Math.round(y(0)) + 0.5);
        axisX(ctx, x, WAVE + BARS + 8, colors, { unit: "seconds heard" });
      },
      { name: `Shares on the axis of what was heard. ${view.spec.subtitle}`, focus: true },
    );
    pointer(main, {
      move: (px) => {
        const i = atTime(px, main.width);
        hover(i, main, list);
        return i < 0 ? null : tellPiece(i);
      },
      leave: () => hover(-1, main, list),
      click: (px) => {
        const i = atTime(px, main.width);
        if (i >= 0) (choose(i), playPiece(i));
      },
    });
    gridPanel(
      (w) => {
        const x = xOf(w);
        return (i) => boxOf(x, i);
      },
      atTime,
      0,
    );
  };

  // targets by pieces, in the columns of what stands above
  const gridPanel = (boxes, at, topRoom) => {
    if (columns < 2) return;
    mainHost.append(h("h4", { style: "margin-top:10px" }, "Each target by each piece"));
    const rowTall = clamp(Math.floor(260 / J), 3, 16);
    grid = panel(
      mainHost,
      topRoom + J * rowTall + 26,
      (ctx, w, tall, colors) => {
        const box = boxes(w);
        const right = w - 8;
        const peak = largest(data.each);
        const wide = Math.max(1, Math.round(right - LEFT));
        const under = Int32Array.from({ length: wide }, (_, px) => at(LEFT + px + 0.5, w));
        const picture = raster(
          J,
          wide,
          (j, px) => tint(under[px] < 0 ? 0 : data.each[j * N + under[px]], peak),
          table(colors),
        );
        ctx.imageSmoothingEnabled = false;
        ctx.drawImage(picture, LEFT, topRoom, wide, J * rowTall);
        for (let i = 0; i < N && topRoom; i++) {
          const [left, size] = box(i);
          ctx.fillStyle = marked(i) ? colors.ink : colors.soft;
          if (size > 22)
            ctx.fillText(label(meta.labels[i].trim(), Math.floor(size / 6)), left + 2, topRoom - 8);
        }
        const every = Math.ceil(12 / rowTall);
        for (let j = 0; j < J; j++) {
          if (j % every && j !== target) continue;
          ctx.font = j === target ? BOLD : SMALL;
          ctx.textAlign = "right";
          ctx.fillStyle = j === target ? colors.ink : colors.soft;
          const y = topRoom + (j + 0.5) * rowTall;
          ctx.fillText(tokenLabel(meta.answer[wordsOf[j]], 7), LEFT - 6, y);
        }
        ctx.textAlign = "left";
        ctx.font = SMALL;
        const foot = topRoom + J * rowTall;
        if (target >= 0)
          frameOf(ctx, LEFT, topRoom + target * rowTall, wide, rowTall, colors, true);
        for (const i of picked) {
          const [left, size] = box(i);
          frameOf(ctx, left, topRoom, size, J * rowTall, colors, true);
        }
        const key = Math.min(150, wide / 2);
        ctx.fillStyle = colors.soft;
        ctx.fillText("against \u2190 share \u2192 for", LEFT + key + 46, foot + 16);
        const lut = table(colors);
        colorKey(ctx, LEFT + 34, foot + 12, key - 34, lut, ["", "", ""], colors);
        ctx.textAlign = "right";
        ctx.fillText(signed(-peak, 1), LEFT + 30, foot + 16);
        ctx.textAlign = "left";
        ctx.fillText(signed(peak, 1), LEFT + key + 4, foot + 16);
      },
      { name: `${J} targets by ${N} pieces`, focus: true },
    );
    const cellAt = (px, py) => [Math.floor((py - topRoom) / rowTall), at(px, grid.width)];
    pointer(grid, {
      move: (px, py) => {
        const [j, i] = cellAt(px, py);
        if (j < 0 || j >= J) return null;
        const gain = signed(data.full[j] - data.empty[j]);
        if (i < 0 || px < LEFT) return [[nameOf(j), gain]];
        const share = signed(data.each[j * N + i]);
        return [
          [nameOf(j), label(meta.labels[i].trim(), 30)],
          [share, `of ${gain}`],
        ];
      },
      click: (px, py) => {
        const [j, i] = cellAt(px, py);
        if (j >= 0 && j < J) aim(j);
        if (i >= 0 && px >= LEFT) choose(i);
      },
    });
  };

  // cells on their picture
  const picturePanel = () => {
    const [rows, cols] = data.cells.shape;
    const gray = document.createElement("canvas");
    gray.width = cols;
    gray.height = rows;
    const pen = gray.getContext("2d");
    const pixels = pen.createImageData(cols, rows);
    for (let k = 0; k < rows * cols; k++) {
      for (let c = 0; c < 3; c++) pixels.data[4 * k + c] = data.image[3 * k + c];
      pixels.data[4 * k + 3] = 255;
    }
    pen.putImageData(pixels, 0, 0);
    const sizeOf = (w) => Math.min(w, (420 * cols) / rows);
    main = panel(
      mainHost,
      (w) => (sizeOf(w) * rows) / cols + 30,
      (ctx, w, tall, colors) => {
        const wide = sizeOf(w);
        const high = (wide * rows) / cols;
        const v = values();
        const peak = most();
        ctx.drawImage(gray, 0, 0, wide, high);
        const lut = table(colors);
        const shares = raster(
          rows,
          cols,
          (r, c) => tint(v[data.cells[r * cols + c]] ?? 0, peak),
          lut,
        );
        ctx.globalAlpha = 0.62;
        ctx.imageSmoothingEnabled = false;
        ctx.drawImage(shares, 0, 0, wide, high);
        ctx.globalAlpha = 1;
        // edges of marked cells, pixel by pixel of the cells
        ctx.fillStyle = colors.ink;
        const s = wide / cols;
        for (let r = 0; r < rows; r++)
          for (let c = 0; c < cols; c++) {
            const own = data.cells[r * cols + c];
            if (!marked(own)) continue;
            const is = (y, x) =>
              y >= 0 && x >= 0 && y < rows && x < cols && data.cells[y * cols + x] === own;
            if (!is(r - 1, c)) ctx.fillRect(c * s, r * s, s + 0.5, 1.5);
            if (!is(r + 1, c)) ctx.fillRect(c * s, (r + 1) * s - 1.5, s + 0.5, 1.5);
            if (!is(r, c - 1)) ctx.fillRect(c * s, r * s, 1.5, s + 0.5);
            if (!is(r, c + 1)) ctx.fillRect((c + 1) * s - 1.5, r * s, 1.5, s + 0.5);
          }
        colorKey(
          ctx,
          0,
          high + 6,
          Math.min(220, wide),
          lut,
          [signed(-peak), "0", signed(peak)],
          colors,
        );
      },
      { name: `Shares of cells of the picture. ${view.spec.subtitle}`, focus: true },
    );
    const at = (px, py) => {
      const s = sizeOf(main.width) / cols;
      const [r, c] = [Math.floor(py / s), Math.floor(px / s)];
      return r >= 0 && r < rows && c >= 0 && c < cols ? data.cells[r * cols + c] : -1;
    };
    pointer(main, {
      move: (px, py) => {
        const i = at(px, py);
        hover(i, main, list);
        return i < 0 ? null : tellPiece(i);
      },
      leave: () => hover(-1, main, list),
      click: (px, py) => at(px, py) >= 0 && choose(at(px, py)),
    });
  };

  // words in a row, each in its colour with its number below
  const words = [];
  const wordChips = () => {
    const host = h("div", { style: "display:flex;flex-wrap:wrap;gap:4px;margin-top:4px" });
    meta.labels.forEach((text, i) => {
      const node = h(
        "button",
        {
          type: "button",
          style: "padding:3px 7px;font-size:12px;unicode-bidi:isolate;line-height:1.35",
          onclick: () => choose(i),
        },
        h("bdi", {}, text.trim() || "\u2205"),
        h("br"),
        h("span", { style: "font-size:10px" }),
      );
      view.on(node, "pointermove", (event) => {
        hover(i, ...shown());
        view.hint(event, tellPiece(i));
      });
      view.on(node, "pointerleave", (event) => {
        hover(-1, ...shown());
        view.hint(event, null);
      });
      words.push(node);
      host.append(node);
    });
    mainHost.append(host);
    const step = (w) => (w - 8 - LEFT) / N;
    gridPanel(
      (w) => (i) => [LEFT + i * step(w), step(w)],
      (px, w) => {
        const i = Math.floor((px - LEFT) / step(w));
        return i >= 0 && i < N ? i : -1;
      },
      18,
    );
  };
  const paintWords = (colors) => {
    const lut = table(colors);
    words.forEach((node, i) => {
      const color = lut[tint(values()[i], most())];
      node.style.background = rgb(color);
      node.style.color = ink(color);
      node.style.borderColor = marked(i) ? colors.ink : colors.grid;
      node.style.boxShadow = marked(i) ? `0 0 0 1px ${colors.ink}` : "none";
      node.lastChild.textContent = signed(values()[i]);
    });
  };

  if (data.image) picturePanel();
  else if (meta.timed) timedPanels();
  else wordChips();

  // the strongest pieces
  const ROW = 20;
  const list = panel(
    listHost,
    meta.listed * ROW + 6,
    (ctx, w, tall, colors) => {
      // titles and words know their colours and targets only here
      mainTitle.textContent = `Shares of ${goal()}: ${signed(full() - empty())} in all`;
      listTitle.textContent = `Strongest ${meta.pieces}${N > meta.listed ? ` of ${N}` : ""}`;
      for (const [j, chip] of chips) chip.setAttribute("aria-pressed", columns > 1 && target === j);
      all && all.setAttribute("aria-pressed", target < 0);
      paintWords(colors);
      const order = strongest();
      const v = values();
      const names = Math.min(116, w * 0.42);
      const least = Math.min(0, ...order.map((i) => v[i] - (v[i] < 0 ? whisker(i) : 0)));
      const best = Math.max(0, ...order.map((i) => v[i] + (v[i] > 0 ? whisker(i) : 0)));
      const x = linear(least, best, names + (least < 0 ? 44 : 4), w - (best > 0 ? 46 : 6));
      order.forEach((i, k) => {
        const y = 3 + k * ROW + ROW / 2;
        ctx.font = marked(i) ? BOLD : SMALL;
        ctx.fillStyle = marked(i) ? colors.ink : colors.soft;
        ctx.fillText(label(meta.labels[i].trim() || "\u2205", Math.floor(names / 6)), 0, y);
        bar(ctx, x(0), x(v[i]), y - 6, 12, v[i], colors);
        if (whisker(i)) {
          ctx.strokeStyle = colors.ink;
          ctx.lineWidth = 1;
          line(ctx, x(v[i] - whisker(i)), y + 0.5, x(v[i] + whisker(i)), y + 0.5);
        }
        ctx.fillStyle = colors.ink;
        ctx.font = SMALL;
        ctx.textAlign = v[i] < 0 ? "right" : "left";
        const out = whisker(i) * Math.abs(x(1) - x(0)) + 5;
        ctx.fillText(signed(v[i]), x(v[i]) + (v[i] < 0 ? -out : out), y);
        ctx.textAlign = "left";
      });
      ctx.strokeStyle = colors.soft;
      ctx.lineWidth = 1;
      line(ctx, Math.round(x(0)) + 0.5, 0, Math.round(x(0)) + 0.5, tall);
    },
    { name: "The strongest pieces; all are in the data table", focus: true },
  );
  const listed = (py) => strongest()[Math.floor((py - 3) / ROW)] ?? -1;
  const shown = () => [list, main, !meta.timed && grid].filter(Boolean);
  pointer(list, {
    move: (_, py) => {
      const i = listed(py);
      hover(i, ...shown());
      return i < 0 ? null : tellPiece(i);
    },
    leave: () => hover(-1, ...shown()),
    click: (_, py) => {
      const i = listed(py);
      if (i >= 0) (choose(i), playPiece(i));
    },
  });

  // from nothing to everything
  const addTitle = h("h4", { style: "margin-top:16px" });
  const addHost = h("div");
  body.append(addTitle, addHost);
  const THICK = 16;
  const domain = (steps) => {
    const ends = [empty(), full(), ...steps.flatMap(([, a, b]) => [a, b])];
    return [ends.reduce((a, b) => Math.min(a, b)), ends.reduce((a, b) => Math.max(a, b))];
  };
  const addScale = (steps, w) => {
    const [least, best] = domain(steps);
    const room = (best - least) * 0.02 || 0.1;
    return linear(least - room, best + room, 10, w - 10);
  };
  const add = panel(
    addHost,
    20 + 2 * (THICK + 4) + 40,
    (ctx, w, tall, colors) => {
      addTitle.textContent = meta.adds_up
        ? "How the shares add up, from nothing given to everything"
        : "Do the shares add up? They need not: each piece was taken away from all the others";
      const steps = adding(values(), empty());
      const x = addScale(steps, w);
      for (const [i, from, to, row] of steps) {
        const y = 20 + row * (THICK + 4);
        bar(ctx, x(from), x(to), y, THICK, to - from, colors);
        ctx.fillStyle = colors.bg;
        ctx.fillRect(x(to) - 0.5, y, 1, THICK);
        const wide = Math.abs(x(to) - x(from));
        const text = label(meta.labels[i].trim() || "\u2205", 20);
        ctx.font = SMALL;
        const size = ctx.measureText(text).width;
        const left = Math.min(x(from), x(to));
        // beside the two marks, never across them
        const begin = [left, x(empty()), x(full())]
          .filter((px) => px >= left)
          .map((px) => px + 4)
          .find(
            (px) =>
              px + size < left + wide - 2 &&
              [x(empty()), x(full())].every((m) => m <= px - 3 || m >= px + size + 2),
          );
        if (begin !== undefined) {
          ctx.fillStyle = ink(hex(row ? colors.low : colors.high));
          ctx.fillText(text, begin, y + THICK / 2 + 0.5);
        }
        frameOf(ctx, Math.min(x(from), x(to)), y, wide, THICK, colors, marked(i));
      }
      const ends = steps.length ? steps.at(-1)[2] : empty();
      const bottom = 20 + 2 * (THICK + 4);
      if (Math.abs(x(ends) - x(full())) > 2) {
        const [a, b] = [x(ends), x(full())].sort((p, q) => p - q);
        hatch(ctx, a, 20 + THICK + 4, b - a, THICK, colors.soft, 5);
        ctx.strokeStyle = colors.soft;
        ctx.strokeRect(a + 0.5, 20 + THICK + 4.5, b - a, THICK - 1);
      }
      ctx.lineWidth = 1.5;
      const mark = (value, text) => {
        ctx.strokeStyle = colors.ink;
        line(ctx, x(value), 14, x(value), bottom);
        ctx.fillStyle = colors.ink;
        ctx.font = SMALL;
        const wide = ctx.measureText(text).width;
        return [x(value), wide, text];
      };
      const marks = [
        mark(empty(), `nothing ${signed(empty())}`),
        mark(full(), `everything ${signed(full())}`),
      ].sort((p, q) => p[0] - q[0]);
      let free = 0;
      marks.forEach(([px, wide, text], k) => {
        const last = k
          ? w - wide
          : Math.min(w - wide, Math.max(0, marks[1][0] - marks[1][1] / 2 - wide - 8));
        const left = clamp(px - wide / 2, free, Math.max(free, last));
        ctx.fillText(text, left, 7);
        free = left + wide + 10;
      });
      axisX(ctx, x, bottom + 2, colors, {
        format: (t) => String(+t.toPrecision(3)).replace("-", "\u2212"),
        unit: `log-probability of ${goal()}, nats`,
      });
    },
    { name: "Shares laid end to end between the two log-probabilities" },
  );
  const stepAt = (px, py) => {
    const row = Math.floor((py - 20) / (THICK + 4));
    const steps = adding(values(), empty());
    const x = addScale(steps, add.width);
    const hit = steps.find(([, a, b, r]) => {
      const [left, right] = [x(a), x(b)].sort((p, q) => p - q);
      return r === row && px >= left && px <= right;
    });
    return hit ? hit[0] : -1;
  };
  pointer(add, {
    move: (px, py) => {
      const i = stepAt(px, py);
      hover(i, add, ...shown());
      if (i >= 0) return tellPiece(i);
      const off = sum(values()) - (full() - empty());
      return py > 18 && py < 64
        ? [[signed(sum(values())), `the shares together, off by ${signed(off)}`]]
        : null;
    },
    leave: () => hover(-1, add, ...shown()),
    click: (px, py) => stepAt(px, py) >= 0 && choose(stepAt(px, py)),
  });

  view.on(body, "keydown", (event) => {
    if (event.target.tagName !== "CANVAS") return;
    const one = picked.size ? Math.min(...picked) : -1;
    const walk = (by) => {
      if (event.target !== list.node) return choose(one < 0 ? (by > 0 ? 0 : N - 1) : one + by);
      const order = strongest();
      choose(order[clamp(order.indexOf(one) + by, 0, order.length - 1)]);
    };
    const act = {
      ArrowRight: () => walk(1),
      ArrowLeft: () => walk(-1),
      ArrowDown: () =>
        columns > 1 && event.target !== list.node ? aim(Math.min(J - 1, target + 1)) : walk(1),
      ArrowUp: () =>
        columns > 1 && event.target !== list.node ? aim(Math.max(-1, target - 1)) : walk(-1),
      Enter: () => one >= 0 && playPiece(one),
      " ": toggleSound,
      Escape: () => {
        picked = new Set();
        target = -1;
        select({ tokens: [] });
      },
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
  const notes = [
    "Orange, to the right and up: the piece made the target more likely; blue: less likely.",
    `A piece that is taken away is ${meta.absent}.`,
    data.error ? "Whiskers, on all targets: standard error over the orders drawn." : "",
    ...meta.notes,
    "Shares say what taking pieces away does to a number, not how the model came to it.",
  ].filter(Boolean);
  listHost.append(h("p", { class: "ow-note", style: "margin-top:12px" }, notes.join(" ")));
  view.keys([
    ["\u2190 \u2192", "piece"],
    ...(columns > 1 ? [["\u2191 \u2193", "target"]] : []),
    ...(player ? [["space", "play"]] : []),
    ["esc", "clear"],
  ]);
  view.watch(follow);
  follow();
  view.undo.push(() => player?.close());
  view.start();
  return view.close;
}

export default { render };
