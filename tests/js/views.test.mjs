// Pure functions of the views; tests/test_view_js.py runs this with node.
import assert from "node:assert/strict";
import test from "node:test";
import {
  clamp,
  clock,
  csv,
  decode,
  diverging,
  hex,
  label,
  lastAtMost,
  linear,
  loudest,
  milliseconds,
  pageModel,
  percent,
  ramp,
  ticks,
  timeTicks,
  tokenLabel,
} from "../../widgets/runtime.js";
import { samplesOf } from "../../widgets/player.js";
import { heardAt, histograms, pathOf, zoom } from "../../widgets/align.js";
import { chromeTrace, quantile, spanRows, stack, worst } from "../../widgets/latency.js";
import { orderOf, ratioText, runs, tokenAtTime } from "../../widgets/routing.js";
import { nearest, rankHeads, share } from "../../widgets/attention.js";
import { adding, pieceAt, signed, tint } from "../../widgets/attribution.js";

test("a scale and its inverse", () => {
  const x = linear(2, 4, 100, 300);
  assert.equal(x(3), 200);
  assert.equal(x.invert(200), 3);
  assert.equal(linear(1, 1, 0, 10)(1), 0, "an empty domain is no division by zero");
});

test("ticks are round and inside", () => {
  assert.deepEqual(ticks(0, 10, 5), [0, 2, 4, 6, 8, 10]);
  assert.deepEqual(ticks(0.03, 0.31, 3), [0.1, 0.2, 0.3]);
  assert.deepEqual(ticks(5, 5), [5]);
  assert.deepEqual(timeTicks(0, 600, 6), [0, 120, 240, 360, 480, 600]);
  for (const t of ticks(-3.3, 971, 7)) assert.ok(t >= -3.3 && t <= 971);
});

test("numbers are said with their units", () => {
  assert.equal(clock(75, 300), "1:15");
  assert.equal(clock(3, 10), "3");
  assert.equal(clock(0.25, 1), "0.25");
  assert.equal(clock(0, 1), "0");
  assert.equal(clock(20, 100), "20");
  assert.equal(percent(0.5), "50%");
  assert.equal(percent(0.021), "2.1%");
  assert.equal(milliseconds(0.5), "0.50 ms");
  assert.equal(milliseconds(234), "234 ms");
  assert.equal(milliseconds(12000), "12.0 s");
});

test("text is cut and isolated", () => {
  assert.equal(label("abcdef", 4), "\u2068abc\u2026\u2069");
  assert.equal(tokenLabel(" the"), "\u2068\u2423the\u2069");
  assert.equal(tokenLabel(""), "\u2068\u2205\u2069");
  assert.equal([...label("\u{1F600}".repeat(30), 5)].length, 7, "no half of a pair is left");
});

test("arrays come out of bytes, wherever these lie", () => {
  const raw = new Uint8Array(24 + 3);
  new DataView(raw.buffer).setFloat32(3, 1.5, true);
  new DataView(raw.buffer).setInt16(3 + 8, -7, true);
  const index = [
    { name: "a", type: "f4", shape: [1], at: 0 },
    { name: "b", type: "i2", shape: [1, 1], at: 8 },
  ];
  const out = decode(index, new DataView(raw.buffer, 3));
  assert.equal(out.a[0], 1.5);
  assert.equal(out.b[0], -7);
  assert.deepEqual(out.b.shape, [1, 1]);
});

test("the diverging scale is neutral at the fair share", () => {
  assert.equal(diverging(1), 0.5);
  assert.equal(diverging(8), 1);
  assert.equal(diverging(1 / 8), 0);
  assert.equal(diverging(0), 0);
  const table = ramp(["#000000", "#ffffff", "#ff0000"], 5);
  assert.deepEqual(table[2], [255, 255, 255]);
  assert.deepEqual(table[4], hex("#ff0000"));
});

test("search, csv, clamp", () => {
  assert.equal(lastAtMost([1, 3, 5], 3), 1);
  assert.equal(lastAtMost([1, 3, 5], 0), -1);
  assert.equal(
    csv([
      ["a", 'say "x"'],
      [1, null],
    ]),
    'a,"say ""x"""\n1,\n',
  );
  assert.equal(clamp(7, 0, 5), 5);
});

test("the model of a page calls its handlers until they are off", () => {
  const sent = [];
  const model = pageModel({ selection: {} }, (value) => sent.push(value));
  let calls = 0;
  const handler = () => calls++;
  model.on("change:selection", handler);
  model.set("selection", { layer: 1 });
  model.save_changes();
  model.off("change:selection", handler);
  model.set("selection", {});
  assert.equal(calls, 1);
  assert.deepEqual(sent, [{ layer: 1 }]);
});

test("sound comes back from bytes", () => {
  assert.deepEqual([...samplesOf(new Int16Array([0, 16384, -32768]), "pcm16")], [0, 0.5, -1]);
  const mu = samplesOf(new Uint8Array([0, 255, 128]), "mulaw");
  assert.ok(Math.abs(mu[0] + 1) < 1e-6 && Math.abs(mu[1] - 1) < 1e-6 && Math.abs(mu[2]) < 0.001);
});

test("the loudest of all sounds takes the height, silence does not", () => {
  assert.equal(loudest(Int8Array.from([-3, 20]), Int8Array.from([-40, 2])), 40);
  assert.equal(loudest(new Int8Array(4)), 8);
});

test("the path counts text, its end too, and speech", () => {
  const { text, speech } = pathOf(Uint8Array.from([0, 0, 1, 2, 1]));
  assert.deepEqual([...text], [0, 1, 2, 2, 3, 3]);
  assert.deepEqual([...speech], [0, 0, 0, 1, 1, 2]);
});

test("a token is heard in its span, gaps are silent", () => {
  assert.equal(heardAt([0, NaN, 1], [0.5, NaN, 2], 1.5), 2);
  assert.equal(heardAt([0, NaN, 1], [0.5, NaN, 2], 0.7), -1);
});

test("zooming stays inside", () => {
  assert.deepEqual(zoom([0, 10], 0.5, 5, 10), [2.5, 7.5]);
  assert.deepEqual(zoom([2, 4], 100, 3, 10), [0, 10]);
  const [a, b] = zoom([0, 10], 0.001, 10, 10);
  assert.ok(a >= 0 && b <= 10 && b - a >= 0.2499);
});

test("every value is in one bin, centred on multiples", () => {
  const bins = histograms([[0, 0.08, 0.16, 0.16, NaN], [0.08]], 0.08);
  assert.deepEqual(bins.counts, [
    [1, 1, 2],
    [0, 1, 0],
  ]);
  assert.ok(Math.abs(bins.lo + 0.04) < 1e-9);
  const wide = histograms([Array.from({ length: 1000 }, (_, i) => i * 0.08)], 0.08, 40);
  assert.ok(wide.counts[0].length <= 41 && wide.counts[0].reduce((a, b) => a + b) === 1000);
  assert.deepEqual(histograms([[], []], 0.08).counts, [[0], [0]]);
});

test("overlapping spans get rows of their own", () => {
  assert.deepEqual([...stack([0, 1, 2], [2, 3, 4])], [0, 1, 0]);
  assert.deepEqual([...stack([5, 0], [6, 5])], [0, 0]);
});

test("quantiles interpolate as NumPy's", () => {
  assert.equal(quantile([4, 1, 3, 2], 0.5), 2.5);
  assert.equal(quantile([1, NaN], 0.95), 1);
  assert.ok(Number.isNaN(quantile([], 0.5)));
});

test("the worst frame stands for its stretch", () => {
  assert.deepEqual(worst([1, 9, 2, 3], 2), { by: 2, picks: [1, 3] });
  assert.deepEqual(worst([1, 2], 5), { by: 1, picks: [0, 1] });
});

test("a trace is in microseconds and names its lanes", () => {
  const { traceEvents } = chromeTrace([timed("", "a")]);
  assert.deepEqual([traceEvents[0].ts, traceEvents[0].dur, traceEvents[0].cat], [2000, 3000, "y"]);
  assert.equal(traceEvents.filter((e) => e.name === "thread_name").length, 2);
});

// a run with one span
const timed = (name, span) => ({
  name,
  meta: { requests: [7], stages: ["x", "y"], names: [span] },
  data: Object.fromEntries(
    Object.entries({ req: 0, stage: 1, name: 0, t0: 2, t1: 5, chunk: 0, n_in: 1, n_out: 2 }).map(
      ([key, value]) => [`s_${key}`, [value]],
    ),
  ),
});

test("the spans of two runs are one table and two processes", () => {
  const both = [timed("A", "a"), timed("B", "b")];
  assert.deepEqual(spanRows(both.slice(0, 1))[0].slice(0, 2), ["request", "stage"]);
  const [head, ...rows] = spanRows(both);
  assert.deepEqual(head.slice(0, 4), ["run", "request", "stage", "name"]);
  assert.deepEqual(rows.map((row) => row.slice(0, 4)), [["A", 7, "y", "a"], ["B", 7, "y", "b"]]);
  assert.ok(rows.every((row) => row.length === head.length));
  const named = chromeTrace(both).traceEvents.filter((e) => e.name === "process_name");
  assert.deepEqual(named.map((e) => e.args.name), ["A, request 7", "B, request 7"]);
  assert.equal(new Set(named.map((e) => e.pid)).size, 2);
});

test("a second belongs to a token, or to none; the nearest picture is found", () => {
  const [t0, t1] = [[9, 0, 1], [10, 0.5, 2]];
  assert.equal(tokenAtTime([1, 2, 0], t0, t1, 1.5), 2);
  assert.equal(tokenAtTime([1, 2, 0], t0, t1, 0.7), -1);
  assert.equal(tokenAtTime([], t0, t1, 0), -1);
  assert.equal(nearest([0, 2, NaN, 5], 3.4), 1);
  assert.equal(nearest([NaN], 0), -1);
});

test("experts are sorted by load, or not at all", () => {
  assert.deepEqual(orderOf(Float32Array.from([1, 3, 2, 3]), true), [1, 3, 2, 0]);
  assert.deepEqual(orderOf(Float32Array.from([1, 3]), false), [0, 1]);
  assert.equal(ratioText(0), "idle");
  assert.equal(ratioText(2), "2.00 \u00d7 fair");
  assert.deepEqual(runs(10, 4), { by: 3, starts: [0, 3, 6, 9] });
});

test("heads are ranked and unknown ones left out", () => {
  assert.deepEqual(rankHeads([0.1, NaN, 0.5], true), [2, 0]);
  assert.deepEqual(rankHeads([0.1, NaN, 0.5], false), [0, 2]);
  assert.equal(share(255), 1);
});

test("a share is said with its sign and coloured around zero", () => {
  assert.deepEqual(
    [1.204, -0.31, 0.001].map((v) => signed(v)),
    ["+1.20", "\u22120.31", "0"],
  );
  assert.equal(signed(-2.25, 1), "\u22122.3");
  assert.deepEqual(
    [-2, 0, 2, 9].map((v) => tint(v, 2, 257)),
    [0, 128, 256, 256],
  );
  assert.equal(tint(0, 0), 128);
});

test("a piece is found by time, a moment from nearby", () => {
  assert.equal(pieceAt([0, 0.5], [0.5, 1], 0.5, 0.1), 1);
  assert.equal(pieceAt([0, 0.5], [0.5, 1], 1.2, 0.1), -1);
  assert.equal(pieceAt([0, 1, 2], [0, 1, 2], 1.05, 0.1), 1);
  assert.equal(pieceAt([0, 1, 2], [0, 1, 2], 1.5, 0.1), -1);
});

test("shares are laid end to end from nothing to the sum", () => {
  const steps = adding([1, -0.5, 3, 0], -4);
  assert.deepEqual(steps, [
    [2, -4, -1, 0],
    [0, -1, 0, 0],
    [1, 0, -0.5, 1],
  ]);
  assert.deepEqual(adding([0, 0], -1), []);
});
