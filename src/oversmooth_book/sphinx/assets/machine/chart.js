// A small chart on a canvas: lines or bars against the layer or the step, linear or logarithmic, with marked levels.
const machineChart = (() => {
  "use strict";
  const BOX = { left: 46, right: 8, top: 6, bottom: 20 };
  const RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹";
  const raised = (power) => [...String(power)].map((sign) => RAISED[sign] || "⁻").join("");

  function open(canvas) {
    // The pen of a canvas that is as sharp as the screen, wiped.
    const ratio = window.devicePixelRatio || 1;
    const [wide, high] = [canvas.clientWidth, canvas.clientHeight];
    const [w, h] = [Math.round(wide * ratio), Math.round(high * ratio)];
    if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, wide, high);
    return { pen, wide, high };
  }

  function spaced(low, high, count) {
    // Round numbers from low to high, about as many as asked for.
    const raw = (high - low) / count || 1;
    const unit = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((f) => f * unit).find((s) => s >= raw - 1e-12);
    const found = [];
    for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9; k++) found.push(k * step);
    return found;
  }

  function limits({ series, marks, range, log }) {
    const drawn = [...series.flatMap((one) => one.values), ...marks.map((mark) => mark.value)];
    const values = drawn.filter((value) => Number.isFinite(value) && (!log || value > 0));
    if (!values.length) return log ? [-2, 0] : [0, 1];
    const [low, high] = range || [Math.min(...values), Math.max(...values)];
    if (!log) return [low, high];
    const ends = [Math.floor(Math.log10(Math.max(low, 1e-18)) - 1e-9), Math.ceil(Math.log10(high) + 1e-9)];
    return [Math.min(ends[0], ends[1] - 2), ends[1]];
  }

  function scales(spec, wide, high) {
    const [low, top] = limits(spec);
    const { xs, log } = spec;
    const inner = { x: wide - BOX.left - BOX.right, y: high - BOX.top - BOX.bottom };
    const height = (value) => (log ? Math.log10(Math.max(value, 1e-300)) : value);
    const share = (value) => (Math.min(top, Math.max(low, height(value))) - low) / (top - low || 1);
    return {
      x: (x) => BOX.left + ((x - xs[0]) / (xs[1] - xs[0] || 1)) * inner.x,
      y: (value) => high - BOX.bottom - share(value) * inner.y,
      ticks: spaced(low, top, log ? 4 : 3),
      base: high - BOX.bottom,
      right: wide - BOX.right,
      inner,
    };
  }

  function level(pen, y, right, dash = []) {
    pen.setLineDash(dash);
    pen.beginPath();
    pen.moveTo(BOX.left, y);
    pen.lineTo(right, y);
    pen.stroke();
    pen.setLineDash([]);
  }

  function axes(pen, shade, { ticks, y, right, base }, { log, labels }) {
    pen.font = `11.5px ${shade.font}`;
    pen.fillStyle = shade.ink;
    pen.strokeStyle = shade.edge;
    pen.lineWidth = 1;
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    for (const tick of ticks) {
      const at = y(log ? 10 ** tick : tick);
      level(pen, at, right);
      const power = tick === 0 ? "1" : `10${raised(tick)}`;
      pen.fillText(log ? power : String(Number(tick.toFixed(3))), BOX.left - 5, at);
    }
    pen.textBaseline = "alphabetic";
    pen.fillText(labels[1], right, base + 16);
    pen.textAlign = "left";
    pen.fillText(labels[0], BOX.left, base + 16);
  }

  function line(pen, { values }, { x, y }, { xs, log }) {
    // At most some 600 points; a gap where there is nothing to draw.
    const step = values.length > 1 ? (xs[1] - xs[0]) / (values.length - 1) : 1;
    const every = Math.max(1, Math.floor(values.length / 600));
    let drawing = false;
    pen.beginPath();
    for (let k = 0; k < values.length; k += every) {
      const there = Number.isFinite(values[k]) && (!log || values[k] > 0);
      if (there) pen[drawing ? "lineTo" : "moveTo"](x(xs[0] + k * step), y(values[k]));
      drawing = there;
    }
    pen.stroke();
  }

  function bars(pen, { values }, { y, base, inner }) {
    const room = inner.x / values.length;
    const width = Math.max(1.5, 0.72 * room);
    values.forEach((value, k) => {
      if (value > 0)
        pen.fillRect(BOX.left + (k + 0.5) * room - width / 2, y(value), width, Math.max(1, base - y(value)));
    });
  }

  function draw(canvas, shade, spec) {
    // spec: series [{values, colour, bars}], xs [first, last], labels of both ends, log, range, marks [{value, text, dash}].
    const { pen, wide, high } = open(canvas);
    const full = { marks: [], ...spec };
    const scale = scales(full, wide, high);
    axes(pen, shade, scale, full);
    for (const { value, text, dash, below } of full.marks) {
      pen.strokeStyle = shade.ink;
      pen.lineWidth = 1.3;
      level(pen, scale.y(value), scale.right, dash);
      pen.textAlign = "right";
      pen.fillText(text, scale.right - 2, scale.y(value) + (below ? 13 : -4));
    }
    for (const one of full.series) {
      pen.fillStyle = pen.strokeStyle = one.colour;
      pen.lineWidth = 2;
      (one.bars ? bars : line)(pen, one, scale, full);
    }
  }

  return { open, draw, raised };
})();
