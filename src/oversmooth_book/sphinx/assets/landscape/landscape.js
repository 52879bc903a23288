// The loss on a grid around two networks, as surfaces seen from the same side: patches painted from back to front.
(() => {
  "use strict";
  const root = document.currentScript.closest(".landscape");
  root.hidden = false; // without scripts the figure above says the same
  const grids = JSON.parse(root.querySelector('script[type="application/json"]').textContent);
  const slider = root.querySelector("input");
  const canvases = [...root.querySelectorAll("canvas")];
  const TOP = 2, CONSTANT = 1; // where the loss is cut off; the loss of the best constant
  const COLOURS = ["#313695", "#74add1", "#ffffbf", "#f46d43", "#a50026"]; // of losses from 0 to TOP
  const view = { turn: 0, tilt: 28 };

  const channel = (colour, k) => parseInt(colour.slice(1 + 2 * k, 3 + 2 * k), 16);
  function colour(loss) {
    const place = (Math.min(loss, TOP) / TOP) * (COLOURS.length - 1);
    const k = Math.min(Math.floor(place), COLOURS.length - 2);
    const mixed = [0, 1, 2].map((c) => channel(COLOURS[k], c) + (place - k) * (channel(COLOURS[k + 1], c) - channel(COLOURS[k], c)));
    return `rgb(${mixed.map(Math.round)})`;
  }

  function camera(wide, high) {
    // (first, second) in [-1, 1] and a loss -> a place on the canvas, and how far behind it lies.
    const [a, b] = [view.turn, view.tilt].map((degrees) => (degrees * Math.PI) / 180);
    const size = Math.min(wide / 3.5, high / 3);
    return (x, y, loss) => {
      const [side, back] = [x * Math.cos(a) - y * Math.sin(a), x * Math.sin(a) + y * Math.cos(a)];
      const up = (1.5 * Math.min(loss, TOP)) / TOP - 0.75;
      return { x: wide / 2 + size * side, y: high / 2.15 - size * (up * Math.cos(b) + back * Math.sin(b)), back: back * Math.cos(b) - up * Math.sin(b) };
    };
  }

  function patches(grid, place) {
    const last = grid.length - 1;
    const points = grid.map((row, i) => row.map((loss, j) => place((2 * i) / last - 1, (2 * j) / (row.length - 1) - 1, loss)));
    const found = [];
    for (let i = 0; i < last; i++) {
      for (let j = 0; j + 1 < grid[i].length; j++) {
        const corners = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]];
        const losses = corners.map(([k, l]) => grid[k][l]);
        if (Math.min(...losses) >= TOP) continue;
        const at = corners.map(([k, l]) => points[k][l]);
        found.push({ at, loss: losses.reduce((sum, loss) => sum + loss) / 4, back: at.reduce((sum, point) => sum + point.back, 0) });
      }
    }
    return found.sort((one, other) => other.back - one.back);
  }

  function outline(pen, points, closed) {
    pen.beginPath();
    points.forEach((point, k) => (k ? pen.lineTo(point.x, point.y) : pen.moveTo(point.x, point.y)));
    if (closed) pen.closePath();
  }

  const square = (place, loss) => [[-1, -1], [1, -1], [1, 1], [-1, 1]].map(([x, y]) => place(x, y, loss));

  function axes(pen, place, ink) {
    pen.strokeStyle = pen.fillStyle = ink;
    pen.lineWidth = 1;
    outline(pen, square(place, 0), true);
    pen.stroke();
    // The scale of the loss stands at the corner that is farthest left.
    const [x, y] = [[-1, -1], [1, -1], [1, 1], [-1, 1]].sort((p, q) => place(...p, 0).x - place(...q, 0).x)[0];
    outline(pen, [place(x, y, 0), place(x, y, TOP)], false);
    pen.stroke();
    pen.textAlign = "right";
    for (const loss of [0, 1, 2]) pen.fillText(String(loss), place(x, y, loss).x - 5, place(x, y, loss).y + 4);
    // The directions are named at the sides in front.
    pen.textAlign = "center";
    for (const [name, one, other] of [["most downwards", [0, -1], [0, 1]], ["most upwards", [-1, 0], [1, 0]]]) {
      const near = place(...one, 0).back < place(...other, 0).back ? one : other;
      const spot = place(near[0] * 1.25, near[1] * 1.25, 0);
      pen.fillText(name, spot.x, spot.y + 10);
    }
  }

  function draw(canvas) {
    const ratio = window.devicePixelRatio || 1, style = getComputedStyle(root);
    const [wide, high] = [canvas.clientWidth, canvas.clientHeight];
    [canvas.width, canvas.height] = [Math.round(wide * ratio), Math.round(high * ratio)];
    const pen = canvas.getContext("2d"), place = camera(wide, high), grid = grids[canvas.dataset.model];
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.font = `12px ${style.fontFamily}`;
    axes(pen, place, style.getPropertyValue("--ink"));
    pen.strokeStyle = style.getPropertyValue("--line");
    pen.lineWidth = 0.6;
    for (const { at, loss } of patches(grid, place)) {
      pen.fillStyle = colour(loss);
      outline(pen, at, true);
      pen.fill();
      pen.stroke();
    }
    mark(pen, style, 1.4, () => outline(pen, square(place, CONSTANT), true), [5, 4]);
    const middle = grid[grid.length >> 1], spot = place(0, 0, middle[middle.length >> 1]);
    mark(pen, style, 2.5, () => {
      pen.beginPath();
      pen.arc(spot.x, spot.y, 5, 0, 2 * Math.PI);
    });
  }

  function mark(pen, style, width, path, dash = []) {
    // A line with a rim of the other colour: seen on pale and on dark patches.
    for (const [name, more] of [["--rim", 2], ["--mark", 0]]) {
      pen.strokeStyle = style.getPropertyValue(name);
      pen.lineWidth = width + more;
      pen.setLineDash(dash);
      path();
      pen.stroke();
    }
    pen.setLineDash([]);
  }

  let asked = 0;
  const redraw = () => {
    cancelAnimationFrame(asked);
    asked = requestAnimationFrame(() => canvases.forEach(draw));
  };
  const turnTo = (degrees) => {
    view.turn = ((((degrees + 180) % 360) + 360) % 360) - 180;
    redraw();
  };
  slider.addEventListener("input", () => turnTo(Number(slider.value)));
  for (const canvas of canvases) {
    let from = null;
    canvas.addEventListener("pointerdown", (event) => {
      from = { x: event.clientX, y: event.clientY, turn: view.turn, tilt: view.tilt };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!from) return;
      if (event.pointerType === "mouse") view.tilt = Math.min(80, Math.max(5, from.tilt + (event.clientY - from.y) / 2));
      turnTo(from.turn + (event.clientX - from.x) / 2);
      slider.value = view.turn;
    });
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => (from = null));
  }
  new ResizeObserver(redraw).observe(root);
  new MutationObserver(redraw).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  turnTo(Number(slider.value));
})();
