// Where the milliseconds go (data: latency.py): the waterfall of one request, a bar per frame
// against its deadline, the sound in hand, and percentiles and curves over all requests. A second run
// B has its waterfall underneath, on the same clock, and its frames as lines over A's.
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
  milliseconds,
  stage,
} from "./runtime.js";

// --- pure ---------------------------------------------------------------------------------------

// Rows for intervals so that none overlaps another of its row; earliest first.
export function stack(start, end) {
  const free = [];
  return [...start.keys()]
    .sort((a, b) => start[a] - start[b])
    .reduce((rows, i) => {
      let row = free.findIndex((t) => t <= start[i] + 1e-6);
      if (row < 0) row = free.length;
      free[row] = end[i];
      rows[i] = row;
      return rows;
    }, []);
}

// Linear interpolation between order statistics, as NumPy does; NaN are left out.
export function quantile(values, q) {
  const sorted = Float64Array.from(values).filter(Number.isFinite).sort();
  if (!sorted.length) return NaN;
  const at = (sorted.length - 1) * q;
  const i = Math.floor(at);
  return sorted[i] + (at - i) * ((sorted[i + 1] ?? sorted[i]) - sorted[i]);
}

// Frames into at most `most` bars: the slowest frame of each stretch stands for it.
export function worst(totals, most) {
  const by = Math.max(1, Math.ceil(totals.length / most));
  const out = [];
  for (let i = 0; i < totals.length; i += by) {
    let k = i;
    for (let j = i; j < Math.min(totals.length, i + by); j++) if (totals[j] > totals[k]) k = j;
    out.push(k);
  }
  return { by, picks: out };
}

// The spans of a run that the page has.
export const spansOf = ({ meta, data }) =>
  [...data.s_req.keys()].map((i) => ({
    req: meta.requests[data.s_req[i]],
    stage: data.s_stage[i],
    name: meta.names[data.s_name[i]],
    t0: data.s_t0[i],
    t1: data.s_t1[i],
    chunk: data.s_chunk[i],
    n_in: data.s_n_in[i],
    n_out: data.s_n_out[i],
  }));

// All spans of one run, or of both with a column that says whose, as rows with a head.
export function spanRows(sides) {
  const head = ["request", "stage", "name", "t0_ms", "t1_ms", "chunk", "n_in", "n_out"];
  const rows = sides.flatMap((one) =>
    spansOf(one).map(({ req, stage, name, t0, t1, chunk, n_in, n_out }) => [
      ...(sides.length > 1 ? [one.name] : []),
      ...[req, one.meta.stages[stage], name, t0, t1, chunk, n_in, n_out],
    ]),
  );
  return [sides.length > 1 ? ["run", ...head] : head, ...rows];
}

// The Trace Event format of Chrome and Perfetto; times in microseconds. A process is a request,
// those of B come after those of A.
export function chromeTrace(sides) {
  let first = 0;
  const events = sides.flatMap((one) => {
    const { stages } = one.meta;
    const spans = spansOf(one);
    const own = (req) => first + req;
    const out = spans.map(({ name, stage, t0, t1, req, chunk, n_in, n_out }) => ({
      name,
      cat: stages[stage],
      ph: "X",
      ts: t0 * 1000,
      dur: (t1 - t0) * 1000,
      pid: own(req),
      tid: stage,
      args: { chunk, n_in, n_out },
    }));
    const requests = [...new Set(spans.map((s) => s.req))];
    const named = requests.flatMap((req) => [
      {
        name: "process_name",
        ph: "M",
        pid: own(req),
        args: { name: `${one.name && `${one.name}, `}request ${req}` },
      },
      ...stages.map((name, tid) => ({
        name: "thread_name",
        ph: "M",
        pid: own(req),
        tid,
        args: { name },
      })),
    ]);
    first += 1 + Math.max(0, ...requests);
    return [...out, ...named];
  });
  return { traceEvents: events, displayTimeUnit: "ms" };
}

// The stages of every shipped request that have spans, and its end.
export function layoutsOf({ meta, data }) {
  return meta.requests.map((_, r) => {
    const all = [...data.s_req.keys()].filter((i) => data.s_req[i] === r);
    const lanes = meta.stages
      .map((name, s) => ({ name, s, own: all.filter((i) => data.s_stage[i] === s) }))
      .filter((lane) => lane.own.length);
    return { lanes, end: all.reduce((most, i) => Math.max(most, data.s_t1[i]), 0) };
  });
}

// --- the view -----------------------------------------------------------------------------------

export function render({ model, el }) {
  const view = stage({ model, el });
  const { meta, data, other, body, panel, pointer, select, selection } = view;
  const a = { name: other ? "A" : "", meta, data, layouts: layoutsOf(view) };
  const b = other && { name: "B", ...other, layouts: layoutsOf(other) };
  const sides = b ? [a, b] : [a];
  const LEFT = 104;
  let cursor = NaN; // ms of the replay
  let shownReq = meta.picks.typical;
  let whole = false;
  let ghosts = Boolean(meta.reported);
  let withCold = false;
  let drag = null;
  let frameAt = -1;

  const markOf = (one, row, k) => one.data.marks[row * one.meta.marks.length + k];
  const requestOf = (one) => (one === a ? shownReq : one.meta.picks.typical);
  const finalOf = (one, r) => {
    const k = one.meta.marks.indexOf(one.meta.final);
    const t = k < 0 ? NaN : markOf(one, one.meta.rows[r], k);
    return Number.isFinite(t) ? t : one.layouts[r].end;
  };
  const extent = () => {
    const sum = ghosts ? meta.reported.spans.reduce((sum, [, ms]) => sum + ms, 0) : 0;
    const ends = sides.map((one) =>
      whole ? one.layouts[requestOf(one)].end : finalOf(one, requestOf(one)),
    );
    return Math.max(1.04 * Math.max(...ends), sum * 1.04, 1);
  };

  const told = {
    typical: "typical (median)",
    fastest: "fastest",
    slowest: "slowest",
    cold: "cold (first)",
  };
  if (meta.requests.length > 1)
    view.choice(
      "Request",
      Object.entries(meta.picks)
        .map(([name, i]) => [`${i}`, `${told[name]} \u00b7 #${meta.requests[i]}`])
        .filter(([i], at, all) => all.findIndex(([other]) => other === i) === at),
      String(shownReq),
      (value) => {
        shownReq = Number(value);
        frameAt = -1;
      },
    );
  view.toggle(
    "Whole request",
    "Show all of the request, not only what led to the first sound",
    false,
    (now) => (whole = now),
  );
  if (meta.reported)
    view.toggle("Reported", `Ghost bars: ${meta.reported.source}`, true, (now) => (ghosts = now));
  if (meta.cold)
    view.toggle(
      "With cold",
      "Count cold requests in percentiles and curves",
      false,
      (now) => (withCold = now),
    );
  view.replay("Let the request run again, 1\u00d7 is real time (space)", (seconds) => {
    cursor = (Number.isFinite(cursor) ? cursor : 0) + 1000 * seconds;
    const more = cursor < extent();
    if (!more) cursor = NaN;
    view.redraw();
    return more;
  });
  view.download(
    "Trace",
    "Save the shown requests as a Chrome trace (opens in Perfetto)",
    "latency-trace.json",
    "application/json",
    () => JSON.stringify(chromeTrace(sides)),
  );
  view.download("CSV", "Save the shown requests as CSV", "latency.csv", "text/csv", () =>
    csv(spanRows(sides)),
  );

  // waterfall
  const ROW = 20;
  const plan = () => {
    const until = extent();
    let y = 40;
    const lanes = sides.flatMap((one) => {
      if (one === b) y += 44;
      one.top = y - 40;
      const own = one.layouts[requestOf(one)].lanes
        .map((lane) => {
          const own = lane.own.filter((i) => one.data.s_t0[i] < until);
          const rows = stack(
            own.map((i) => one.data.s_t0[i]),
            own.map((i) => one.data.s_t1[i]),
          );
          const many = Math.min(4, Math.max(1, ...rows.map((r) => r + 1)));
          const out = { ...lane, one, own, rows, y, many };
          y += own.length ? many * ROW + 6 : 0;
          return out;
        })
        .filter((lane) => lane.own.length);
      one.bottom = y;
      return own;
    });
    return { lanes, ghost: y + 4, height: y + (ghosts ? ROW + 26 : 4) + 40, until };
  };
  const fallHost = h("div");
  body.append(fallHost);
  const fall = panel(
    fallHost,
    () => plan().height,
    (ctx, w, tall, colors) => {
      const { lanes, ghost, until } = plan();
      const x = linear(0, until, LEFT, w - 8);
      axisX(ctx, x, tall - 40, colors, {
        unit: "ms since the request began",
        format: (t) => String(t),
        grid: tall - 76,
      });
      // flags of milestones, in two or three rows so that none covers another
      for (const one of sides) {
        const ends = [];
        one.meta.marks
          .map((name, k) => [name, markOf(one, one.meta.rows[requestOf(one)], k)])
          .filter(([, t]) => Number.isFinite(t) && t <= until)
          .sort((p, q) => p[1] - q[1])
          .forEach(([name, t]) => {
            const last = name === one.meta.final;
            ctx.font = last ? BOLD : SMALL;
            const text = `${label(name, 12)} ${milliseconds(t)}`;
            const size = ctx.measureText(text).width;
            const at = Math.round(x(t)) + 0.5;
            const left = clamp(at - size - 4, 0, w - size - 4);
            let row = ends.findIndex((end) => end < left - 6);
            if (row < 0) row = ends.length;
            ends[row] = left + size;
            const top = one.top + row * 12;
            ctx.strokeStyle = last ? colors.ink : colors.faint;
            ctx.lineWidth = last ? 1.5 : 1;
            line(ctx, at, top + 2, at, one.bottom + 2);
            ctx.fillStyle = colors.bg;
            ctx.fillRect(left, top + 1, size + 2, 11);
            ctx.fillStyle = last ? colors.ink : colors.soft;
            ctx.fillText(text, left, top + 7);
          });
        if (!one.name) continue;
        ctx.font = `600 13px ${FONT}`;
        ctx.fillStyle = colors.ink;
        ctx.fillText(one.name, 0, one.top + 24);
      }
      ctx.font = SMALL;
      for (const { one, name, s, own, rows, y, many } of lanes) {
        const { meta, data } = one;
        ctx.fillStyle = colors.ink;
        ctx.textAlign = "right";
        ctx.font = SMALL;
        ctx.fillText(label(name, 15), LEFT - 8, y + (many * ROW) / 2 - 1);
        ctx.textAlign = "left";
        const color = colors[meta.colors[s]];
        own.forEach((i, k) => {
          const top = y + Math.min(rows[k], 3) * ROW;
          const left = x(data.s_t0[i]);
          const wide = Math.max(1.5, x(data.s_t1[i]) - left - 1);
          ctx.fillStyle = color;
          ctx.globalAlpha = data.s_t0[i] > cursor ? 0.15 : 0.9; // not yet, in a replay
          ctx.fillRect(left, top, wide, ROW - 4);
          ctx.globalAlpha = 1;
          const text = label(meta.names[data.s_name[i]], 28);
          const size = ctx.measureText(text).width;
          const room =
            own.reduce(
              (next, j, other) =>
                rows[other] === rows[k] && data.s_t0[j] >= data.s_t1[i] - 1e-3 && j !== i
                  ? Math.min(next, x(data.s_t0[j]))
                  : next,
              w - 8,
            ) -
            (left + wide);
          if (size < wide - 8) {
            ctx.fillStyle = colors.bg;
            ctx.fillText(text, left + 5, top + (ROW - 4) / 2 + 0.5);
          } else if (size < room - 8 && own.length < 60) {
            ctx.fillStyle = colors.soft;
            ctx.fillText(text, left + wide + 4, top + (ROW - 4) / 2 + 0.5);
          }
        });
      }
      if (ghosts) {
        let t = 0;
        ctx.strokeStyle = colors.soft;
        ctx.lineWidth = 1;
        for (const [stageName, ms] of meta.reported.spans) {
          const left = x(t);
          const wide = x(t + ms) - left;
          hatch(ctx, left, ghost + 16, wide, ROW - 4, colors.faint, 5);
          ctx.setLineDash([3, 2]);
          ctx.strokeStyle = colors.soft;
          ctx.strokeRect(left + 0.5, ghost + 16.5, wide - 1, ROW - 5);
          ctx.setLineDash([]);
          const text = `${stageName} ${ms}`;
          const size = ctx.measureText(text).width;
          if (size < wide - 8) {
            ctx.fillStyle = colors.bg;
            ctx.fillRect(left + 4, ghost + 18, size + 4, ROW - 8);
            ctx.fillStyle = colors.soft;
            ctx.fillText(text, left + 6, ghost + 16 + (ROW - 4) / 2 + 0.5);
          }
          t += ms;
        }
        ctx.fillStyle = colors.soft;
        ctx.fillText(`${meta.reported.label}: ${t} ms`, LEFT, ghost + 6);
        ctx.textAlign = "right";
        ctx.fillText("reported", LEFT - 8, ghost + 16 + (ROW - 4) / 2);
        ctx.textAlign = "left";
      }
      if (Number.isFinite(cursor)) {
        ctx.strokeStyle = colors.ink;
        ctx.lineWidth = 1.5;
        line(ctx, x(cursor), 0, x(cursor), tall - 40);
      }
      if (drag?.to !== undefined) {
        const [from, to] = [drag.from, drag.to].sort((p, q) => p - q);
        ctx.fillStyle = colors.text;
        ctx.globalAlpha = 0.16;
        ctx.fillRect(x(from), 0, x(to) - x(from), tall - 40);
        ctx.globalAlpha = 1;
        ctx.font = BOLD;
        ctx.fillStyle = colors.ink;
        ctx.textAlign = "center";
        const middle = clamp((x(from) + x(to)) / 2, LEFT + 20, w - 30);
        ctx.fillText(milliseconds(to - from), middle, tall - 50);
        ctx.textAlign = "left";
      }
    },
    { name: `Waterfall of one request. ${view.spec.subtitle}`, focus: true },
  );
  const spanAt = (px, py) => {
    const { lanes, until } = plan();
    const t = linear(0, until, LEFT, fall.width - 8).invert(px);
    const slack = (until / (fall.width - LEFT) || 0) * 2;
    for (const { one, s, own, rows, y, many } of lanes) {
      const { data } = one;
      if (py < y - 2 || py > y + many * ROW) continue;
      const k = own.findIndex(
        (i, at) =>
          Math.min(rows[at], 3) === clamp(Math.floor((py - y) / ROW), 0, many - 1) &&
          data.s_t0[i] - slack <= t &&
          t <= data.s_t1[i] + slack,
      );
      if (k >= 0) return { one, i: own[k], s };
    }
    return null;
  };
  pointer(fall, {
    move: (px, py, event) => {
      const t = linear(0, extent(), LEFT, fall.width - 8).invert(px);
      if (drag && event.buttons) {
        drag.to = Math.max(0, t);
        view.redraw(fall);
        return null;
      }
      const hit = spanAt(px, py);
      if (!hit)
        return px > LEFT ? [[milliseconds(Math.max(0, t)), "since the request began"]] : null;
      const { one, i, s } = hit;
      const { meta, data } = one;
      const lines = [
        [label(meta.names[data.s_name[i]], 60), `${meta.stages[s]}${one.name && ` of ${one.name}`}`],
        [
          milliseconds(data.s_t1[i] - data.s_t0[i]),
          `${data.s_t0[i].toFixed(1)} to ${data.s_t1[i].toFixed(1)} ms`,
        ],
      ];
      for (const [name, count] of [
        ["in", data.s_n_in[i]],
        ["out", data.s_n_out[i]],
      ])
        if (count >= 0) lines.push([name, count.toLocaleString("en")]);
      if (data.s_chunk[i] >= 0) lines.push(["chunk", `${data.s_chunk[i]}`]);
      return lines;
    },
    leave: () => {},
    click: (px, py) => {
      const hit = spanAt(px, py);
      if (hit?.one === a && data.s_chunk[hit.i] >= 0 && framesOf().length)
        pickFrame(clamp(data.s_chunk[hit.i], 0, framesOf().length - 1));
    },
  });
  view.on(fall.node, "pointerdown", (event) => {
    const px = event.clientX - fall.node.getBoundingClientRect().left;
    drag = { from: Math.max(0, linear(0, extent(), LEFT, fall.width - 8).invert(px)) };
    fall.node.setPointerCapture(event.pointerId);
    view.redraw();
  });

  // steady state: a bar per frame, and the sound in hand when it came
  const frameCache = new Map();
  const framesOf = () => {
    if (!data.f_req) return [];
    if (!frameCache.has(shownReq))
      frameCache.set(
        shownReq,
        [...data.f_req.keys()].filter((i) => data.f_req[i] === shownReq),
      );
    return frameCache.get(shownReq);
  };
  const framesB = b?.data.f_req
    ? [...b.data.f_req.keys()].filter((i) => b.data.f_req[i] === b.meta.picks.typical)
    : [];
  const totalB = (i) => {
    const count = b.meta.frame_stages.length;
    return b.data.f_ms.subarray(i * count, (i + 1) * count).reduce((sum, ms) => sum + ms, 0);
  };
  const longest = () => Math.max(1, framesOf().length, framesB.length);
  // B's frames as steps over A's
  const steps = (ctx, x, y, value, colors) => {
    ctx.strokeStyle = colors.ink;
    ctx.lineWidth = 1.5;
    ctx.beginPath();
    framesB.forEach((i, k) => {
      ctx.lineTo(x(k), y(value(i)));
      ctx.lineTo(x(k + 1), y(value(i)));
    });
    ctx.stroke();
  };
  const stagesOfFrame = meta.frame_stages.length;
  const totalOf = (i) => {
    let sum = 0;
    for (let c = 0; c < stagesOfFrame; c++) sum += data.f_ms[i * stagesOfFrame + c];
    return sum;
  };
  const startOf = (k) =>
    framesOf()
      .slice(0, k)
      .reduce((sum, i) => sum + data.f_dur[i], 0);
  const pickFrame = (k) => {
    const own = framesOf();
    if (!own.length) return;
    frameAt = clamp(k, 0, own.length - 1);
    const from = startOf(frameAt);
    select({ time: [from, from + data.f_dur[own[frameAt]]] });
    view.say(`frame ${frameAt}: ${totalOf(own[frameAt]).toFixed(1)} ms`);
  };
  if (meta.has_frames) {
    const tellFrame = (k) => {
      const i = framesOf()[k];
      const theirs = framesB[k];
      const also = theirs !== undefined && ["B", `${totalB(theirs).toFixed(1)} ms`];
      if (i === undefined) return also ? [[`frame ${k}`, "A has none"], also] : null;
      const deadline = data.f_dur[i] * 1000;
      const lines = [
        [
          `frame ${k}`,
          `${totalOf(i).toFixed(1)} ms of ${deadline.toFixed(0)} ms${totalOf(i) > deadline ? ": late" : ""}`,
        ],
      ];
      meta.frame_stages.forEach((name, c) =>
        lines.push([name, `${data.f_ms[i * stagesOfFrame + c].toFixed(1)} ms`]),
      );
      lines.push(
        ["ready", `${data.f_ready[i].toFixed(3)} s, heard ${data.f_played[i].toFixed(3)} s`],
        ["in hand", `${milliseconds(1000 * data.f_buffer[i])} of sound`],
      );
      if (data.f_gap[i] > 0)
        lines.push(["underrun", `${milliseconds(1000 * data.f_gap[i])} of silence before it`]);
      if (also) lines.push(also);
      return lines;
    };
    const row = h("div", { style: "margin-top:18px" });
    const legend = h("h4", {}, "Each frame against real time");
    row.append(legend);
    body.append(row);
    const marked = () => {
      if (Number.isFinite(cursor)) {
        const own = framesOf();
        return own.findLastIndex((i) => 1000 * data.f_ready[i] <= cursor);
      }
      const time = selection().time;
      if (!time) return frameAt;
      const mid = (time[0] + time[1]) / 2;
      let t = 0;
      const own = framesOf();
      for (let k = 0; k < own.length; k++) {
        t += data.f_dur[own[k]];
        if (mid < t) return k;
      }
      return -1;
    };
    const markBar = (ctx, x, step, tall, colors) => {
      const k = marked();
      if (k < 0) return;
      ctx.fillStyle = colors.text;
      ctx.globalAlpha = 0.18;
      ctx.fillRect(x(k) - 1, 0, Math.max(3, step + 2), tall);
      ctx.globalAlpha = 1;
    };
    const bars = panel(
      row,
      128,
      (ctx, w, tall, colors) => {
        const own = framesOf();
        const totals = own.map(totalOf);
        const every = [...totals, ...framesB.map(totalB)];
        const deadline = own.length ? data.f_dur[own[0]] * 1000 : 80;
        const top = Math.max(
          deadline * 1.25,
          Math.min(quantile(every, 0.995) * 1.15, deadline * 6),
        );
        const x = linear(0, longest(), LEFT, w - 8);
        const y = linear(0, top, tall - 6, 20);
        axisY(ctx, y, LEFT, w - LEFT - 8, colors, { count: 3 });
        const { by, picks } = worst(totals, Math.floor(w - LEFT));
        const step = Math.max(1, x(by) - x(0));
        for (const k of picks) {
          let low = 0;
          const i = own[k];
          const place = step > 3 ? x(k) : Math.round(x(Math.floor(k / by) * by));
          for (let c = 0; c < stagesOfFrame; c++) {
            const ms = data.f_ms[i * stagesOfFrame + c];
            ctx.fillStyle = colors[meta.frame_colors[c]];
            ctx.fillRect(
              place,
              y(Math.min(top, low + ms)),
              step > 3 ? step - 1 : Math.ceil(step),
              y(Math.min(top, low)) - y(Math.min(top, low + ms)),
            );
            low += ms;
          }
          if (low > top) {
            ctx.fillStyle = colors.bad;
            ctx.fillRect(place, 17, Math.max(1.5, step - 1), 3);
          }
        }
        markBar(ctx, x, step, tall, colors);
        steps(ctx, x, y, (i) => Math.min(top, totalB(i)), colors);
        ctx.strokeStyle = colors.ink;
        ctx.lineWidth = 1;
        ctx.setLineDash([4, 3]);
        line(ctx, LEFT, y(deadline), w - 8, y(deadline));
        ctx.setLineDash([]);
        const late = totals.filter((t) => t > deadline + 1e-6).length;
        const rtf =
          totals.reduce((a, b) => a + b, 0) / own.reduce((a, i) => a + data.f_dur[i] * 1000, 0);
        ctx.textAlign = "right";
        ctx.fillStyle = colors.ink;
        const said = `deadline ${deadline.toFixed(0)} ms`;
        ctx.fillStyle = colors.bg;
        ctx.globalAlpha = 0.8;
        ctx.fillRect(
          w - 12 - ctx.measureText(said).width,
          y(deadline) - 15,
          ctx.measureText(said).width + 4,
          13,
        );
        ctx.globalAlpha = 1;
        ctx.fillStyle = colors.ink;
        ctx.fillText(said, w - 10, y(deadline) - 8);
        ctx.textAlign = "left";
        let at = LEFT;
        meta.frame_stages.forEach((name, c) => {
          ctx.fillStyle = colors[meta.frame_colors[c]];
          ctx.fillRect(at, 3, 9, 9);
          ctx.fillStyle = colors.soft;
          ctx.fillText(name, at + 13, 8);
          at += 13 + ctx.measureText(name).width + 14;
        });
        if (b) {
          ctx.strokeStyle = colors.ink;
          line(ctx, at, 8, at + 10, 8);
          ctx.fillStyle = colors.soft;
          ctx.fillText("B, all stages", at + 14, 8);
        }
        const ghost =
          ghosts && meta.reported.rtf ? `; reported ${meta.reported.rtf}, other hardware` : "";
        const words = `RTF ${rtf.toFixed(2)}${ghost}  \u00b7  late: ${late} of ${own.length}${by > 1 ? `  \u00b7  a bar: slowest of ${by}` : ""}`;
        legend.textContent = `Each frame against real time  \u00b7  ${words}`;
        ctx.textAlign = "right";
        ctx.fillStyle = colors.soft;
        ctx.fillText("ms per frame", LEFT - 8, 8);
        ctx.textAlign = "left";
      },
      {
        name: "Milliseconds of each speech frame by stage, with the real-time deadline",
        focus: true,
      },
    );
    const buffer = panel(
      row,
      112,
      (ctx, w, tall, colors) => {
        const own = framesOf();
        const most = Math.max(
          own.reduce((m, i) => Math.max(m, data.f_buffer[i]), 0.1),
          framesB.reduce((m, i) => Math.max(m, b.data.f_buffer[i]), 0),
        );
        const x = linear(0, longest(), LEFT, w - 8);
        const y = linear(0, most * 1.1, tall - 40, 14);
        axisY(ctx, y, LEFT, w - LEFT - 8, colors, { count: 3, format: (v) => clock(v, most) });
        ctx.beginPath();
        ctx.moveTo(x(0), y(0));
        own.forEach((i, k) => {
          ctx.lineTo(x(k), y(data.f_buffer[i]));
          const next = own[k + 1];
          ctx.lineTo(
            x(k + 1),
            y(
              next === undefined
                ? data.f_buffer[i]
                : Math.max(0, data.f_buffer[next] - data.f_dur[next]),
            ),
          );
        });
        ctx.lineTo(x(own.length), y(0));
        ctx.fillStyle = colors.audio;
        ctx.globalAlpha = 0.35;
        ctx.fill();
        ctx.globalAlpha = 1;
        ctx.strokeStyle = colors.audio;
        ctx.lineWidth = 1;
        ctx.stroke();
        let gaps = 0;
        own.forEach((i, k) => {
          if (!(data.f_gap[i] > 0)) return;
          gaps++;
          ctx.fillStyle = colors.bad;
          ctx.beginPath();
          ctx.moveTo(x(k), y(0) - 8);
          ctx.lineTo(x(k) - 4, y(0));
          ctx.lineTo(x(k) + 4, y(0));
          ctx.fill();
        });
        steps(ctx, x, y, (i) => b.data.f_buffer[i], colors);
        markBar(ctx, x, Math.max(1, x(1) - x(0)), tall - 40, colors);
        ctx.textAlign = "right";
        ctx.fillStyle = colors.soft;
        ctx.fillText("sound in hand, s", LEFT - 8, 6);
        ctx.textAlign = "left";
        ctx.fillStyle = gaps ? colors.bad : colors.soft;
        ctx.fillText(
          gaps ? `\u25B2 ${gaps} underrun${gaps > 1 ? "s" : ""}` : "no underrun",
          LEFT + 2,
          6,
        );
        axisX(ctx, x, tall - 40, colors, { format: String, unit: "speech frame" });
      },
      { name: "Seconds of sound in hand when each frame came, with underruns" },
    );
    for (const own of [bars, buffer]) {
      const frameOf = (px) =>
        Math.floor(linear(0, longest(), LEFT, own.width - 8).invert(px));
      pointer(own, {
        move: (px) => (px < LEFT ? null : tellFrame(frameOf(px))),
        click: (px) => px >= LEFT && pickFrame(frameOf(px)),
      });
    }
    view.on(bars.node, "keydown", (event) => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!by) return;
      event.preventDefault();
      pickFrame((frameAt < 0 ? (by > 0 ? -1 : framesOf().length) : frameAt) + by);
    });
  }
  view.on(body, "keydown", (event) => {
    if (event.key !== "Escape") return;
    drag = null;
    cursor = NaN;
    frameAt = -1;
    select({ time: null });
  });

  // over requests
  const row = h("div", { class: "ow-row" });
  body.append(row);
  const kept = () => [...data.warm.keys()].filter((i) => withCold || data.warm[i]);
  const stripHost = h(
    "div",
    {},
    h("h4", {}, "Busy time of a stage until the first sound"),
    h(
      "p",
      { class: "ow-note" },
      b
        ? "bar: p50 to p95 of A, outlined: of B; numbers: p50 of A \u2192 of B"
        : "bar: p50 to p95; tick: p99; dots: requests; numbers: p50 / p95",
    ),
  );
  stripHost.style.flexBasis = "340px";
  row.append(stripHost);
  const busyOf = (s) => kept().map((r) => data.busy[r * meta.stages.length + s]);
  const busyB = (s) => {
    const k = b ? b.meta.stages.indexOf(meta.stages[s]) : -1;
    const rows = k < 0 ? [] : [...b.data.warm.keys()].filter((r) => b.data.warm[r]);
    return rows.map((r) => b.data.busy[r * b.meta.stages.length + k]).filter(Number.isFinite);
  };
  const stageRows = meta.stages.map((_, s) => s).filter((s) => busyOf(s).some(Number.isFinite));
  const mostBusy = () => Math.max(1, ...stageRows.flatMap((s) => [...busyOf(s).filter(Number.isFinite), ...busyB(s)]));
  const strip = panel(
    stripHost,
    () => stageRows.length * 22 + 34,
    (ctx, w, tall, colors) => {
      const x = linear(0, mostBusy() * 1.05, LEFT, w - 76);
      axisX(ctx, x, tall - 26, colors, { format: String, unit: "ms", grid: tall - 30, count: 4 });
      stageRows.forEach((s, i) => {
        const y = 12 + i * 22;
        const values = busyOf(s);
        ctx.fillStyle = colors.ink;
        ctx.textAlign = "right";
        ctx.fillText(label(meta.stages[s], 15), LEFT - 8, y);
        ctx.textAlign = "left";
        const color = colors[meta.colors[s]];
        const [p50, p95, p99] = [0.5, 0.95, 0.99].map((q) => quantile(values, q));
        ctx.fillStyle = color;
        ctx.globalAlpha = 0.3;
        values.forEach((v) => Number.isFinite(v) && ctx.fillRect(x(v) - 1.5, y + 4, 3, 3));
        ctx.globalAlpha = 1;
        ctx.fillRect(x(p50), y - 4, Math.max(2, x(p95) - x(p50)), 6);
        ctx.fillStyle = colors.ink;
        ctx.fillRect(x(p99), y - 6, 1.5, 10);
        ctx.fillStyle = colors.soft;
        const theirs = busyB(s);
        if (!theirs.length) {
          ctx.fillText(`${p50.toFixed(0)} / ${p95.toFixed(0)}`, w - 70, y);
          return;
        }
        ctx.fillText(`${p50.toFixed(0)} \u2192 ${quantile(theirs, 0.5).toFixed(0)}`, w - 70, y);
        ctx.strokeStyle = colors.ink;
        ctx.lineWidth = 1.5;
        const [left, right] = [0.5, 0.95].map((q) => x(quantile(theirs, q)));
        ctx.strokeRect(left, y + 4, Math.max(2, right - left), 4);
      });
    },
    { name: "Percentiles of each stage over requests; the numbers are in the data table" },
  );
  pointer(strip, {
    move: (_, py) => {
      const s = stageRows[Math.round((py - 12) / 22)];
      if (s === undefined) return null;
      const [p50, p95, p99] = [0.5, 0.95, 0.99].map((q) => milliseconds(quantile(busyOf(s), q)));
      return [
        [meta.stages[s], `${busyOf(s).filter(Number.isFinite).length} requests`],
        ["p50", p50],
        ["p95", p95],
        ["p99", p99],
      ];
    },
  });
  if (meta.marks.length) {
    const ecdfHost = h(
      "div",
      {},
      h("h4", {}, "Share of requests that had it by then"),
      h("p", { class: "ow-note" }, "measured end to end, not added up from stages"),
    );
    ecdfHost.style.flexBasis = "340px";
    row.append(ecdfHost);
    const curves = () =>
      sides.flatMap((one) =>
        one.meta.marks.map((name, k) => {
          const rows = one === a ? kept() : [...b.data.warm.keys()].filter((r) => b.data.warm[r]);
          const times = Float64Array.from(rows, (r) => markOf(one, r, k)).filter(Number.isFinite);
          return { one, name, times: times.sort() };
        }),
      );
    const scales = (w, tall) => {
      const all = curves();
      const least = Math.min(...all.map(({ times }) => times[0] ?? Infinity));
      const most = Math.max(...all.map(({ times }) => times.at(-1) ?? 0));
      return [
        linear(Math.max(0, least - 0.08 * (most - least)), most * 1.02, 40, w - 10),
        linear(0, 1, tall - 40, 18),
      ];
    };
    const ecdf = panel(
      ecdfHost,
      () => Math.max(170, stageRows.length * 22 + 48),
      (ctx, w, tall, colors) => {
        const [x, y] = scales(w, tall);
        axisY(ctx, y, 40, w - 50, colors, { format: (v) => `${Math.round(v * 100)}%`, count: 4 });
        axisX(ctx, x, tall - 40, colors, {
          format: String,
          unit: "ms since the request began",
          count: 4,
        });
        const ends = [];
        curves().forEach(({ one, name, times: sorted }) => {
          if (!sorted.length) return;
          const last = name === one.meta.final;
          const text = one.name ? `${name} ${one.name}` : name;
          ctx.strokeStyle = last ? (one === a ? colors.speech : colors.image) : colors.faint;
          ctx.lineWidth = last ? 2.5 : 1.5;
          if (one === b) ctx.setLineDash([5, 3]);
          ctx.beginPath();
          ctx.moveTo(x(sorted[0]), y(0));
          sorted.forEach((t, i) => {
            ctx.lineTo(x(t), y(i / sorted.length));
            ctx.lineTo(x(t), y((i + 1) / sorted.length));
          });
          ctx.stroke();
          ctx.setLineDash([]);
          ctx.font = last ? BOLD : SMALL;
          const size = ctx.measureText(text).width;
          const at = clamp(x(sorted.at(-1)) - size / 2, 40, w - size - 2);
          let line = ends.findIndex((end) => end < at - 4);
          if (line < 0) line = ends.length;
          ends[line] = at + size;
          ctx.fillStyle = last ? colors.ink : colors.soft;
          ctx.fillText(text, at, 9 + line * 10);
        });
        ctx.font = SMALL;
      },
      { name: "Empirical distribution of milestones over requests" },
    );
    pointer(ecdf, {
      move: (px) => {
        const t = scales(ecdf.width, ecdf.height)[0].invert(px);
        return [
          [milliseconds(t), `${kept().length} requests`],
          ...curves().map(({ one, name, times }) => [
            one.name ? `${name} ${one.name}` : name,
            `${Math.round((100 * (lastAtMost(times, t) + 1)) / Math.max(1, times.length))}% by then; p50 ${milliseconds(quantile(times, 0.5))}, p95 ${milliseconds(quantile(times, 0.95))}`,
          ]),
        ];
      },
    });
  }
  const explained = meta.marks
    .map((m, k) => (meta.explained[k] ? `${m}: ${meta.explained[k]}` : null))
    .filter(Boolean);
  const facts = Object.entries(meta.facts).map(([k, v]) => `${k}: ${v}`);
  for (const text of [
    explained.join("  \u00b7  "),
    facts.join("  \u00b7  "),
    meta.reported
      ? `Hatched: ${meta.reported.source}. Not comparable: other model, other hardware.`
      : "",
    ...new Set(sides.flatMap(({ meta }) => meta.notes)),
  ])
    if (text) body.append(h("p", { class: "ow-note", style: "margin-top:6px" }, text));
  view.keys([
    ["drag", "measure"],
    ["\u2190 \u2192", "frame (on the bars)"],
    ["click", "select a frame's sound"],
    ["esc", "clear"],
  ]);
  view.watch(() => {});
  view.start();
  return view.close;
}

export default { render };
