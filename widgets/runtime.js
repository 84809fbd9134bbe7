// What every view shares: DOM and canvas helpers, scales, axes, colours, the tooltip, the shared
// selection, and the small in-page model that stands in for a kernel on an offline page.
// Text is only ever put into text nodes and canvases, never parsed as HTML.
// Pure functions come first; node tests them (tests/js).

export const FONT =
  '"Inter", system-ui, -apple-system, "Segoe UI", "Helvetica Neue", "DejaVu Sans", sans-serif';
export const SMALL = `11px ${FONT}`;
export const BOLD = `600 11px ${FONT}`;

// --- numbers and text ---------------------------------------------------------------------------

export const clamp = (x, lo, hi) => Math.max(lo, Math.min(hi, x));

export function linear(d0, d1, r0, r1) {
  const k = (r1 - r0) / (d1 - d0 || 1);
  const scale = (x) => r0 + (x - d0) * k;
  scale.invert = (y) => (k ? d0 + (y - r0) / k : d0);
  scale.domain = [d0, d1];
  scale.range = [r0, r1];
  return scale;
}

// Round numbers inside [lo, hi], about `count` of them.
export function ticks(lo, hi, count = 6) {
  if (!(hi > lo)) return [lo];
  const raw = (hi - lo) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find((m) => m * power >= raw * 0.999) * power;
  const out = [];
  for (let i = Math.ceil(lo / step - 1e-9); i * step <= hi + step * 1e-9; i++)
    out.push(+(i * step).toPrecision(12));
  return out;
}

// Ticks of a time axis: round in minutes once it is longer than two of them.
export function timeTicks(lo, hi, count = 6) {
  if (hi - lo < 120) return ticks(lo, hi, count);
  const step =
    [15, 30, 60, 120, 300, 600, 900, 1800, 3600].find((s) => (hi - lo) / s <= count) ?? 7200;
  const out = [];
  for (let t = Math.ceil(lo / step) * step; t <= hi; t += step) out.push(t);
  return out;
}

// 0.25 -> "0.25", 75 -> "1:15" once the axis is longer than two minutes.
export function clock(t, span = 10) {
  if (span >= 120) {
    const whole = Math.round(t);
    return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
  }
  const text = t.toFixed(span < 0.5 ? 3 : span < 4 ? 2 : span < 20 ? 1 : 0);
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

export const percent = (x) =>
  (x >= 0.1 || x === 0 ? (100 * x).toFixed(0) : (100 * x).toFixed(1)) + "%";

export function milliseconds(ms) {
  return ms >= 9999.5
    ? `${(ms / 1000).toFixed(1)} s`
    : ms >= 99.5
      ? `${ms.toFixed(0)} ms`
      : ms >= 9.95
        ? `${ms.toFixed(1)} ms`
        : `${ms.toFixed(2)} ms`;
}

// Model text on a canvas: cut, and isolated so that right-to-left text cannot turn its surroundings.
export function label(text, limit = 24) {
  const chars = [...text];
  const cut = chars.length > limit ? chars.slice(0, limit - 1).join("") + "\u2026" : text;
  return `\u2068${cut}\u2069`;
}

// A token as a reader wants to see it: its leading space as a low bar, an empty one named.
export const tokenLabel = (text, limit = 24) =>
  label(text === "" ? "\u2205" : text.replace(/^ /, "\u2423"), limit);

// The last index with sorted[i] <= x, or -1.
export function lastAtMost(sorted, x) {
  let lo = 0;
  let hi = sorted.length;
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    if (sorted[mid] <= x) lo = mid + 1;
    else hi = mid;
  }
  return lo - 1;
}

export function hex(color) {
  const value = parseInt(color.trim().slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

// A colour table: `n` steps through the given colours, as [r, g, b] each.
export function ramp(colors, n = 256) {
  const stops = colors.map(hex);
  return Array.from({ length: n }, (_, i) => {
    const at = (i / Math.max(1, n - 1)) * (stops.length - 1);
    const k = Math.min(stops.length - 2, Math.floor(at));
    return stops[k].map((a, c) => Math.round(a + (stops[k + 1][c] - a) * (at - k)));
  });
}

export const rgb = ([r, g, b]) => `rgb(${r},${g},${b})`;

// The place of a ratio to its fair share on a diverging scale: 1/8 -> 0, 1 -> 0.5, 8 -> 1.
export const diverging = (ratio, octaves = 3) =>
  ratio <= 0 ? 0 : clamp(0.5 + Math.log2(ratio) / (2 * octaves), 0, 1);

const ARRAYS = {
  u1: Uint8Array,
  i1: Int8Array,
  u2: Uint16Array,
  i2: Int16Array,
  u4: Uint32Array,
  i4: Int32Array,
  f4: Float32Array,
  f8: Float64Array,
};

// Named typed arrays out of one block of bytes; each knows its shape.
export function decode(index, bytes) {
  const view =
    bytes instanceof DataView
      ? bytes
      : new DataView(bytes.buffer ?? bytes, bytes.byteOffset ?? 0, bytes.byteLength);
  const out = {};
  for (const { name, type, shape, at } of index) {
    const Type = ARRAYS[type];
    const length = shape.reduce((a, b) => a * b, 1);
    const from = view.byteOffset + at;
    const array =
      from % Type.BYTES_PER_ELEMENT
        ? new Type(view.buffer.slice(from, from + length * Type.BYTES_PER_ELEMENT))
        : new Type(view.buffer, from, length);
    array.shape = shape;
    out[name] = array;
  }
  return out;
}

// The arrays whose names begin with a prefix, without it.
export const under = (arrays, prefix) =>
  Object.fromEntries(
    Object.entries(arrays)
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, array]) => [name.slice(prefix.length), array]),
  );

export function csv(rows) {
  const quote = (cell) => {
    const text = cell === null || cell === undefined ? "" : String(cell);
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return rows.map((row) => row.map(quote).join(",")).join("\n") + "\n";
}

// --- the page -----------------------------------------------------------------------------------

export function h(tag, props = {}, ...kids) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "style") node.style.cssText = value;
    else if (value !== null && value !== undefined && value !== false)
      node.setAttribute(name, value === true ? "" : value);
  }
  for (const kid of kids.flat()) if (kid !== null && kid !== undefined) node.append(kid);
  return node;
}

// The frame of a view: heading, tools, panels that redraw on resize and theme, tooltip, table twin.
export function stage({ model, el }) {
  const spec = model.get("spec");
  const data = decode(spec.arrays, model.get("blob"));
  const other = spec.meta.beside && { meta: spec.meta.beside, data: under(data, "b.") };
  const tools = h("div", { class: "ow-tools" });
  const tip = h("div", { class: "ow-tip", role: "tooltip" });
  const live = h("div", { class: "ow-live", "aria-live": "polite" });
  const body = h("div");
  const root = h(
    "section",
    { class: "ow", "aria-label": spec.title },
    h(
      "header",
      {},
      h("div", {}, h("h3", {}, spec.title), h("p", { class: "ow-sub" }, spec.subtitle)),
      tools,
    ),
    body,
    tableTwin(spec.table),
    tip,
    live,
  );
  const panels = [];
  const undo = [];
  let queued = 0;
  let colors = {};

  let waiting = new Set();

  const paint = () => {
    queued = 0;
    const now = waiting;
    waiting = new Set();
    if (!root.isConnected) return;
    for (const panel of panels) if (now.has(panel)) panel.paint(colors);
  };
  // Draw again before the next frame: these panels, or all.
  const redraw = (...only) => {
    for (const panel of only.length ? only : panels) waiting.add(panel);
    if (!queued) queued = requestAnimationFrame(paint);
  };
  const retheme = () => {
    const body = document.body;
    const told =
      window.owDark ??
      (body.dataset.jpThemeLight
        ? body.dataset.jpThemeLight === "false"
        : /(^| )(dark|vscode-dark)( |$)/.test(body.className)
          ? true
          : /(^| )vscode-light( |$)/.test(body.className)
            ? false
            : null);
    const dark = told ?? matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "dark" : "light";
    if (body.classList.contains("ow-page")) body.dataset.theme = root.dataset.theme;
    const style = getComputedStyle(root);
    colors = new Proxy(
      {},
      {
        get: (_, name) =>
          style.getPropertyValue(`--ow-${String(name).replace(/([0-9])/, "-$1")}`).trim(),
      },
    );
    redraw();
  };

  // A canvas of a height in pixels (or a function of its width) that `draw(ctx, w, h, colors)` fills.
  const panel = (host, height, draw, { name = "", focus = false } = {}) => {
    const node = h("canvas", {
      role: "img",
      "aria-label": name || spec.alt,
      tabindex: focus ? 0 : null,
    });
    const ctx = node.getContext("2d");
    const own = { node, width: 0, height: 0, draw };
    own.paint = (colors) => {
      if (!node.offsetParent && getComputedStyle(node).display === "none") return;
      const width = node.parentNode.clientWidth;
      const tall = typeof height === "function" ? height(width) : height;
      if (width < 8) return;
      const scale = Math.min(3, window.devicePixelRatio || 1);
      if (node.width !== Math.round(width * scale) || node.height !== Math.round(tall * scale)) {
        node.width = Math.round(width * scale);
        node.height = Math.round(tall * scale);
        node.style.height = `${tall}px`;
      }
      Object.assign(own, { width, height: tall });
      ctx.setTransform(scale, 0, 0, scale, 0, 0);
      ctx.clearRect(0, 0, width, tall);
      ctx.font = SMALL;
      ctx.textBaseline = "middle";
      ctx.textAlign = "left";
      own.draw(ctx, width, tall, colors);
    };
    host.append(node);
    panels.push(own);
    return own;
  };

  // lines: strings, or [bold, soft] pairs
  const hint = (event, lines) => {
    if (!lines || !lines.length) {
      tip.style.visibility = "hidden";
      return;
    }
    tip.replaceChildren(
      ...lines.map((line) =>
        Array.isArray(line)
          ? h("div", {}, h("b", {}, line[0]), " ", h("span", {}, line[1] ?? ""))
          : h("div", {}, line),
      ),
    );
    const box = root.getBoundingClientRect();
    const size = tip.getBoundingClientRect();
    const x = event.clientX - box.left;
    const y = event.clientY - box.top;
    tip.style.left = `${clamp(x + 14 + size.width > box.width ? x - size.width - 12 : x + 14, 4, Math.max(4, box.width - size.width - 4))}px`;
    tip.style.top = `${clamp(y + 16 + size.height > box.height ? y - size.height - 10 : y + 16, 4, Math.max(4, box.height - size.height - 4))}px`;
    tip.style.visibility = "visible";
  };

  const on = (target, event, handler, options) => {
    target.addEventListener(event, handler, options);
    undo.push(() => target.removeEventListener(event, handler, options));
  };
  // Pointer on a panel: move(x, y, event) says what is there, click(x, y, event) selects.
  const pointer = (panel, { move, click, leave }) => {
    const at = (event) => {
      const box = panel.node.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top, event];
    };
    if (move) on(panel.node, "pointermove", (event) => hint(event, move(...at(event))));
    on(panel.node, "pointerleave", (event) => {
      hint(event, null);
      leave?.();
    });
    if (click) on(panel.node, "click", (event) => click(...at(event)));
  };

  // The selection is one JSON value; a patch changes some of it. At most 20 messages a second.
  let asked = null; // not saved yet: some hosts give back what was set only when it is saved
  const selection = () => ({
    tokens: [],
    time: null,
    layer: null,
    head: null,
    expert: null,
    ...(asked ?? model.get("selection")),
  });
  let pending = 0;
  const select = (patch) => {
    asked = { ...selection(), ...patch };
    model.set("selection", asked);
    redraw();
    if (!pending)
      pending = setTimeout(() => {
        pending = 0;
        asked = null;
        model.save_changes();
      }, 50);
  };
  const watch = (handler) => {
    const changed = () => {
      asked = null;
      handler(selection());
      redraw();
    };
    model.on("change:selection", changed);
    undo.push(() => model.off("change:selection", changed));
  };

  const button = (text, title, press) => {
    const node = h("button", { type: "button", title, onclick: () => press(node) }, text);
    tools.append(node);
    return node;
  };
  const toggle = (text, title, state, press) => {
    const node = button(text, title, () => {
      const now = node.getAttribute("aria-pressed") !== "true";
      node.setAttribute("aria-pressed", now);
      press(now);
      redraw();
    });
    node.setAttribute("aria-pressed", state);
    return node;
  };
  const choice = (text, options, state, pick) => {
    const node = h(
      "select",
      { onchange: () => (pick(node.value), redraw()) },
      options.map(([value, name]) =>
        h("option", { value, selected: String(value) === String(state) }, name),
      ),
    );
    tools.append(h("label", {}, text, node));
    return node;
  };
  // Play something again at 0.25 to 4 times its speed: `tick` is given the seconds that went by and
  // says whether there is more. The function returned starts or pauses.
  const replay = (title, tick) => {
    let raf = 0;
    let speed = 1;
    const toggle = () => {
      cancelAnimationFrame(raf);
      let last = 0;
      const step = (now) => {
        const more = tick(last ? (speed * (now - last)) / 1000 : 0);
        last = now;
        if (more) raf = requestAnimationFrame(step);
        else toggle();
      };
      raf = raf ? 0 : requestAnimationFrame(step);
      node.textContent = raf ? "\u275A\u275A Pause" : "\u25B6 Replay";
    };
    const node = button("\u25B6 Replay", title, toggle);
    const rates = ["0.25", "0.5", "1", "2", "4"];
    choice("", rates.map((rate) => [rate, `${rate}\u00d7`]), "1", (rate) => (speed = +rate));
    tools.lastChild.lastChild.setAttribute("aria-label", "Speed of the replay");
    undo.push(() => cancelAnimationFrame(raf));
    return toggle;
  };
  // A file out of the page; a sandboxed frame may not offer one, so there the button is absent.
  const download = (text, title, name, type, make) => {
    if (location.protocol === "about:") return;
    button(text, title, () => {
      const address = URL.createObjectURL(new Blob([make()], { type }));
      h("a", { href: address, download: name }).click();
      setTimeout(() => URL.revokeObjectURL(address), 1000);
    });
  };
  const keys = (pairs) =>
    root.insertBefore(
      h(
        "p",
        { class: "ow-keys" },
        pairs.flatMap(([key, what], i) => [i ? " \u00b7 " : "", h("kbd", {}, key), ` ${what}`]),
      ),
      tip.previousSibling,
    );
  const say = (text) => {
    live.textContent = text;
  };

  const sizes = new ResizeObserver(() => redraw());
  const host = new MutationObserver(retheme);
  const start = () => {
    el.append(root);
    sizes.observe(root);
    host.observe(document.body, {
      attributes: true,
      attributeFilter: ["class", "data-jp-theme-light"],
    });
    on(matchMedia("(prefers-color-scheme: dark)"), "change", retheme);
    on(document, "ow-theme", retheme);
    retheme();
    waiting = new Set(panels);
    paint();
  };
  const close = () => {
    cancelAnimationFrame(queued);
    clearTimeout(pending);
    sizes.disconnect();
    host.disconnect();
    for (const back of undo) back();
    root.remove();
  };
  return {
    spec,
    meta: spec.meta,
    data,
    other, // a second run beside this one: { meta, data }, or undefined
    root,
    body,
    tools,
    panel,
    pointer,
    hint,
    select,
    selection,
    watch,
    button,
    toggle,
    choice,
    replay,
    download,
    keys,
    say,
    on,
    redraw,
    start,
    close,
    undo,
  };
}

export function tableTwin(table) {
  const box = h("div", { class: "ow-scroll" });
  const node = h("details", {}, h("summary", {}, "Data table"), box);
  node.addEventListener("toggle", () => {
    if (!node.open || box.firstChild) return;
    box.append(
      h(
        "table",
        {},
        h("caption", {}, table.caption),
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            table.head.map((name) => h("th", { scope: "col" }, name)),
          ),
        ),
        h(
          "tbody",
          {},
          table.rows.map((row) =>
            h(
              "tr",
              {},
              row.map((cell) => h("td", { dir: "auto" }, cell)),
            ),
          ),
        ),
      ),
    );
  });
  return node;
}

// --- canvas -------------------------------------------------------------------------------------

// Ticks below y: a short unit goes with the last label, a longer one into a line of its own
// (24 pixels without, 38 with such a line).
export function axisX(ctx, scale, y, colors, { format = clock, unit = "", count, grid = 0 } = {}) {
  const [x0, x1] = scale.range;
  const [lo, hi] = scale.domain;
  const span = hi - lo;
  ctx.font = SMALL;
  ctx.textAlign = "left";
  ctx.textBaseline = "top";
  ctx.lineWidth = 1;
  const short = unit.length < 4;
  const long = format === clock && span >= 120;
  const places = (format === clock ? timeTicks : ticks)(
    lo,
    hi,
    count ?? Math.max(2, Math.floor((x1 - x0) / 80)),
  );
  places.forEach((t, i) => {
    const x = Math.round(scale(t)) + 0.5;
    if (grid) {
      ctx.strokeStyle = colors.grid;
      line(ctx, x, y - grid, x, y);
    }
    ctx.strokeStyle = colors.faint;
    line(ctx, x, y, x, y + 4);
    const text =
      format(t, span) + (short && unit && i === places.length - 1 && !long ? ` ${unit}` : "");
    const wide = ctx.measureText(text).width;
    ctx.fillStyle = colors.soft;
    ctx.fillText(
      text,
      clamp(x - wide / 2, Math.max(0, x0 - 20), Math.max(x0, x1 + 1 - wide)),
      y + 7,
    );
  });
  ctx.strokeStyle = colors.faint;
  line(ctx, x0, y + 0.5, x1, y + 0.5);
  if (!short || long) {
    ctx.textAlign = "right";
    ctx.fillStyle = colors.soft;
    ctx.fillText(short ? "min:s" : unit, x1, y + 22);
  }
  ctx.textAlign = "left";
  ctx.textBaseline = "middle";
}

export function axisY(ctx, scale, x, width, colors, { format = String, count = 4 } = {}) {
  ctx.font = SMALL;
  ctx.textAlign = "right";
  ctx.textBaseline = "middle";
  ctx.lineWidth = 1;
  for (const t of ticks(Math.min(...scale.domain), Math.max(...scale.domain), count)) {
    const y = Math.round(scale(t)) + 0.5;
    ctx.strokeStyle = colors.grid;
    line(ctx, x, y, x + width, y);
    ctx.fillStyle = colors.soft;
    ctx.fillText(format(t), x - 6, y);
  }
  ctx.textAlign = "left";
}

export function line(ctx, x0, y0, x1, y1) {
  ctx.beginPath();
  ctx.moveTo(x0, y0);
  ctx.lineTo(x1, y1);
  ctx.stroke();
}

// The largest of peaks, of several sounds that are to be compared; silence is not made loud.
export const loudest = (...sounds) =>
  Math.max(8, ...sounds.map((peaks) => peaks.reduce((m, v) => Math.max(m, Math.abs(v)), 0)));

// A waveform from pairs of lowest and highest sample, i8[P, 2], over `seconds` of a scale of time,
// from one pixel to another; the value `loud` takes all of the height.
export function wave(ctx, peaks, x, seconds, w, tall, loud = 127, start = 0) {
  const count = peaks.shape[0];
  for (let px = start; px < w; px++) {
    const from = Math.floor((x.invert(px) / seconds) * count);
    const to = Math.max(from + 1, Math.floor((x.invert(px + 1) / seconds) * count));
    if (from >= count) break;
    let lo = 0;
    let hi = 0;
    for (let k = Math.max(0, from); k < Math.min(count, to); k++) {
      lo = Math.min(lo, peaks[2 * k]);
      hi = Math.max(hi, peaks[2 * k + 1]);
    }
    const top = tall / 2 - (hi / loud) * (tall / 2 - 2);
    ctx.fillRect(px, top, 1, Math.max(1, ((hi - lo) / loud) * (tall / 2 - 2)));
  }
}

export function hatch(ctx, x, y, w, height, color, step = 5) {
  ctx.save();
  ctx.beginPath();
  ctx.rect(x, y, w, height);
  ctx.clip();
  ctx.strokeStyle = color;
  ctx.lineWidth = 1;
  ctx.beginPath();
  for (let k = -height; k < w; k += step) {
    ctx.moveTo(x + k, y + height);
    ctx.lineTo(x + k + height, y);
  }
  ctx.stroke();
  ctx.restore();
}

// A small picture of rows x cols values in 0..255 through a colour table; drawn scaled, not smoothed.
export function raster(rows, cols, value, table, flip = false) {
  const node = document.createElement("canvas");
  node.width = cols;
  node.height = rows;
  const ctx = node.getContext("2d");
  const image = ctx.createImageData(cols, rows);
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < cols; c++) {
      const [red, green, blue] = table[value(r, c)];
      const at = 4 * ((flip ? rows - 1 - r : r) * cols + c);
      image.data[at] = red;
      image.data[at + 1] = green;
      image.data[at + 2] = blue;
      image.data[at + 3] = 255;
    }
  ctx.putImageData(image, 0, 0);
  return node;
}

export function colorKey(ctx, x, y, width, table, [low, mid, high], colors) {
  for (let i = 0; i < width; i++) {
    ctx.fillStyle = rgb(table[Math.floor((i / width) * table.length)]);
    ctx.fillRect(x + i, y, 1.5, 8);
  }
  ctx.fillStyle = colors.soft;
  ctx.textBaseline = "top";
  ctx.textAlign = "left";
  ctx.fillText(low, x, y + 12);
  ctx.textAlign = "center";
  ctx.fillText(mid, x + width / 2, y + 12);
  ctx.textAlign = "right";
  ctx.fillText(high, x + width, y + 12);
  ctx.textAlign = "left";
  ctx.textBaseline = "middle";
}

// --- an offline page ----------------------------------------------------------------------------

// What anywidget's model is to a kernel, this is to a page: the same five methods, nothing behind.
export function pageModel(values, channel) {
  const handlers = new Map();
  const call = (name) => (handlers.get(name) ?? []).forEach((handler) => handler());
  return {
    get: (name) => values[name],
    set(name, value) {
      values[name] = value;
      call(`change:${name}`);
    },
    save_changes: () => channel?.(values.selection),
    on: (name, handler) => handlers.set(name, [...(handlers.get(name) ?? []), handler]),
    off: (name, handler) =>
      handlers.set(
        name,
        (handlers.get(name) ?? []).filter((one) => one !== handler),
      ),
  };
}

async function inflate(text) {
  const raw = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  const stream = new Blob([raw]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new DataView(await new Response(stream).arrayBuffer());
}

// Show view number i of this page, tell a hosting page its height, share the selection by link.
async function mount(render, i) {
  const read = (name) => JSON.parse(document.getElementById(`ow-${name}-${i}`).textContent);
  const spec = read("spec");
  const blob = await inflate(read("blob"));
  const share = (value) => {
    if (!spec.link) return;
    document.dispatchEvent(
      new CustomEvent("ow-selection", { detail: { link: spec.link, from: i, value } }),
    );
    if (parent !== window) parent.postMessage({ ow: "selection", value }, "*");
  };
  const model = pageModel({ spec, blob, selection: spec.selection }, share);
  document.addEventListener("ow-selection", ({ detail }) => {
    if (detail.from !== i && detail.link === spec.link) model.set("selection", detail.value);
  });
  addEventListener("message", ({ source, data }) => {
    if (source !== parent || !data) return;
    if (data.ow === "selection") model.set("selection", data.value);
    if (data.ow === "theme") {
      window.owDark = data.dark;
      document.dispatchEvent(new Event("ow-theme"));
    }
  });
  render({ model, el: document.getElementById(`ow-${i}`) });
  if (parent !== window)
    new ResizeObserver(() =>
      parent.postMessage({ ow: "height", height: document.body.scrollHeight }, "*"),
    ).observe(document.body);
  document.body.dataset.ready = i;
}
