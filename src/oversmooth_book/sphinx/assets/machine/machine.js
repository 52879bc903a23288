// The page's half of the machine: controls, pictures, words. The numbers come from the worker (engine.js, worker.js).
(() => {
  "use strict";
  const panel = document.getElementById("machine"),
    source = document.getElementById("machine-engine");
  if (!panel || !window.Worker) return;
  const $ = (selector) => panel.querySelector(selector),
    form = $("form"),
    sections = {};
  panel.querySelectorAll("canvas").forEach((canvas) => {
    sections[canvas.dataset.draw] = canvas;
  });
  const WORDS = {
    blocks: "block model",
    karate: "karate club",
    cycle: "cycle",
    edges: "your own edges",
    tanh: "tanh",
    relu: "ReLU",
    elu: "ELU",
    softsign: "softsign",
    identity: "none (linear)",
    none: "none",
    residual: "residual",
    pairnorm: "PairNorm",
    deflation: "deflation †",
    "no graph": "no graph: an MLP",
    mse: "squared error",
    cross_entropy: "cross-entropy",
    sgd: "gradient descent",
    adam: "Adam",
  };
  const EXAMPLE = "a b\nb c\nc a\nc d\nd e\ne f\nf d";

  // ---- the worker: a blob, and a plain script, since a page opened from a file may load no module

  const calls = new Map();
  let last = 0;
  const worker = new Worker(
    URL.createObjectURL(new Blob([source.textContent.replace(/^export /gm, "")], { type: "text/javascript" })),
  );
  worker.onmessage = ({ data: { id, answer, error } }) => {
    const { resolve, reject } = calls.get(id);
    calls.delete(id);
    if (error === undefined) resolve(answer);
    else reject(new Error(error));
  };
  const ask = (kind, wanted = {}) =>
    new Promise((resolve, reject) => {
      calls.set(++last, { resolve, reject });
      worker.postMessage({ id: last, kind, ...wanted });
    });
  // Anyone's own runs: all numbers of a configuration, as plain arrays.
  window.oversmooth = { run: (config = {}) => ask("run", { config }), settings: () => ask("settings") };

  // ---- state

  let DEFAULTS,
    config,
    graph,
    state,
    losses = [],
    layer = 0,
    shown = "features",
    node = 0,
    places = [],
    drawnGraph = "",
    training = 0,
    turn = 0;
  let guide = null;

  const number = (value, digits = 2) => {
    if (value === null || !Number.isFinite(value)) return "none";
    const size = Math.abs(value);
    if (size === 0) return "0";
    if (size >= 0.001 && size < 10000) return String(Number(value.toPrecision(digits)));
    const [mantissa, power] = value.toExponential(digits - 1).split("e");
    return `${mantissa}·10${machineChart.raised(Number(power))}`;
  };
  const four = (value) => (value === null ? "none" : value.toFixed(4));
  const hidden = () => state.gradient.slice(0, -1);

  // ---- guided experiments: a sentence before, a setting, steps, and a sentence after that the numbers must bear out

  const trained = () =>
    `After ${state.step} steps the loss is ${four(state.loss)}; the best constant's is ${four(graph.constant)}.`;
  const learns = () => state.loss < graph.constant / 2,
    stuck = () => state.loss > 0.98 * graph.constant;
  const silent = () => Math.max(...hidden()) < 1e-2;
  const EXPERIMENTS = [
    {
      name: "Three layers",
      before: "A shallow graph network is asked for the community of every node. It trains.",
      set: { depth: 3 },
      steps: 300,
      holds: learns,
      after: () => "It learns.",
    },
    {
      name: "Thirty-three layers",
      before: "The same task with thirty-three layers. Watch the loss, and the bars of all layers.",
      set: {},
      steps: 300,
      holds: () => stuck() && silent(),
      after: () =>
        `No layer is told what to do: the largest gradient before the last layer is ${number(Math.max(...hidden()))}.`,
    },
    {
      name: "Features, upwards",
      before: "Nothing is trained. Follow the features through the layers: each layer averages over neighbours.",
      set: {},
      show: "features",
      sweep: 1,
      holds: () => state.features.at(-1).ratio < 0.1,
      plain: true,
      after: () =>
        `Of the signal at the input, the share ${number(state.features[0].ratio)} differs between nodes; in the last layer ${number(state.features.at(-1).ratio)}. All nodes say the same.`,
    },
    {
      name: "Errors, downwards",
      before: "Now the errors, from the output back to the input. Backpropagation averages over the same neighbours.",
      set: {},
      show: "errors",
      sweep: -1,
      holds: () => Math.min(...state.errors.map((e) => e.ratio)) < 0.1 && state.errors.at(-1).ratio > 0.9,
      plain: true,
      after: () => {
        const ratios = state.errors.map((e) => e.ratio),
          low = Math.min(...ratios);
        return `At the output the share ${number(ratios.at(-1))} of the error differs between nodes; in layer ${ratios.indexOf(low)} it is ${number(low)}. Near the input, where features are still rough, it grows again.`;
      },
    },
    {
      name: "Remove the graph",
      before: "The same weights without the graph: a multi-layer perceptron of the same depth. It trains.",
      set: { remedy: "no graph" },
      steps: 300,
      holds: learns,
      after: () => "Depth alone was not the obstacle.",
    },
    {
      name: "Keep a copy",
      before: "With the graph, and a residual connection past every hidden layer.",
      set: { remedy: "residual" },
      steps: 300,
      holds: learns,
      after: () => "What differs between nodes travels past the averages, in both directions.",
    },
    {
      name: "Take the mean out",
      before: "Deflation †: the constant, to which everything converges, is taken out of P, and the rest is scaled up.",
      set: { remedy: "deflation" },
      steps: 300,
      holds: learns,
      after: () => "Without the constant mode the trap is gone at this depth.",
    },
    {
      name: "Turn the dial",
      before: "P is mixed with the identity: a tenth of an average in each layer.",
      set: { dial: 0.1 },
      steps: 300,
      holds: learns,
      after: () =>
        `λ is now ${number(graph.lambda, 3)} instead of a smaller one: smoothing is so slow that thirty-three layers do not finish it.`,
    },
  ];

  function tell(one, done) {
    $(".machine-before").textContent = one ? one.before : "";
    const end =
      !one || !done
        ? ""
        : `${one.plain ? "" : trained() + " "}${one.holds() ? one.after() : "This run came out otherwise than the others we tried."}`;
    $(".machine-after").textContent = end;
    panel
      .querySelectorAll(".machine-experiments button")
      .forEach((button, k) => button.setAttribute("aria-pressed", String(EXPERIMENTS[k] === one)));
    panel.dataset.experiment = one && done ? (one.holds() ? "holds" : "fails") : "";
  }

  async function perform(one) {
    guide = one;
    show(one.show || shown);
    config = { ...DEFAULTS, ...one.set };
    fillForm();
    if (!(await rebuild())) return;
    tell(one, false);
    if (one.steps) await train(one.steps);
    else if (one.sweep) await sweep(one.sweep);
    if (guide === one) {
      tell(one, true);
      remember();
    }
  }

  async function sweep(direction) {
    const top = state[shown].length - 1,
      started = performance.now(),
      mine = ++turn;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    for (let part = still ? 1 : 0; mine === turn; part = Math.min(1, (performance.now() - started) / 3500)) {
      setLayer(Math.round(direction > 0 ? part * top : (1 - part) * top));
      if (part >= 1) return;
      await new Promise(requestAnimationFrame);
    }
  }

  // ---- building and training

  async function rebuild() {
    training = 0;
    const mine = ++turn;
    try {
      const built = await ask("build", { config });
      if (mine !== turn) return false;
      graph = built;
      state = built.state;
      losses = [state.loss];
    } catch (error) {
      if (mine === turn) say(`Not built: ${error.message}.`);
      return false;
    }
    const key = JSON.stringify(graph.pairs);
    if (key !== drawnGraph) {
      drawnGraph = key;
      places = layOut();
      fillNodes();
    }
    $("#machine-layer").max = state.features.length - 1;
    setLayer(Math.min(layer, state.features.length - 1));
    buttons();
    report();
    return true;
  }

  async function train(steps) {
    const mine = ++turn,
      further = () => ask("advance", { steps: training, budget: 12 });
    training = steps;
    buttons();
    // The worker computes the next steps while this thread draws the last ones.
    let pending = further();
    while (pending) {
      const { losses: more, state: next } = await pending;
      if (mine !== turn) return;
      losses.push(...more);
      state = next;
      training = Number.isFinite(state.loss) ? Math.max(0, training - more.length) : 0;
      pending = training > 0 ? further() : null;
      draw();
      await new Promise(requestAnimationFrame);
    }
    if (mine !== turn) return;
    buttons();
    report();
  }

  function buttons() {
    const busy = training > 0;
    $("[data-act=train]").textContent = busy ? "Stop" : "Train";
    $("[data-act=step]").disabled = busy;
    panel.dataset.busy = String(busy);
  }

  function report() {
    // Once after each action, not at every frame: this is what a screen reader says.
    const seen = state[shown],
      ratios = seen.map((s) => s.ratio),
      quiet = hidden();
    const loss = !Number.isFinite(state.loss)
      ? "The training has diverged: the loss is no number any more; reset, or take a smaller step."
      : `Step ${state.step}: loss ${four(state.loss)}, the best constant ${four(graph.constant)}, ${Math.round(100 * state.accuracy)} % of the nodes on the right side.`;
    say(
      `${loss} ${quiet.length ? `Gradients before the last layer: ${number(Math.min(...quiet))} to ${number(Math.max(...quiet))}. ` : ""}` +
        `${shown === "features" ? "Features" : "Errors"}: the share that differs between nodes is ${number(ratios[0])} in layer 0 and ${number(ratios.at(-1))} in layer ${ratios.length - 1}.`,
    );
    draw();
  }

  const say = (text) => {
    $(".machine-summary").textContent = text;
  };

  // ---- the graph's places: forces, from a circle, always the same way

  function layOut() {
    const n = graph.nodes,
      angles = Array.from({ length: n }, (_, i) => Math.PI * (0.5 + (2 * (i + 0.5)) / n));
    const x = Float64Array.from(angles, Math.cos),
      y = Float64Array.from(angles, Math.sin),
      rounds = config.graph === "cycle" ? 0 : 90;
    for (let round = 0; round < rounds; round++) {
      const [fx, fy] = forces(x, y, 1.1 / Math.sqrt(n)),
        limit = 0.12 * (1 - round / rounds);
      for (let i = 0; i < n; i++) {
        const length = Math.hypot(fx[i], fy[i]) || 1,
          move = Math.min(limit, length) / length;
        x[i] += fx[i] * move;
        y[i] += fy[i] * move;
      }
    }
    const fit = (v) => {
      const low = Math.min(...v),
        wide = Math.max(...v) - low || 1;
      return Array.from(v, (a) => (a - low) / wide);
    };
    const [a, b] = [fit(x), fit(y)];
    return a.map((_, i) => [a[i], b[i]]);
  }

  function forces(x, y, best) {
    // Every two nodes push, neighbours pull, and all are drawn a little to the middle.
    const fx = x.map((a) => -0.05 * a),
      fy = y.map((a) => -0.05 * a);
    const act = (i, j, strength) => {
      const dx = (x[i] - x[j]) * strength,
        dy = (y[i] - y[j]) * strength;
      fx[i] += dx;
      fy[i] += dy;
      fx[j] -= dx;
      fy[j] -= dy;
    };
    for (let i = 0; i < x.length; i++) {
      for (let j = 0; j < i; j++) act(i, j, (best * best) / ((x[i] - x[j]) ** 2 + (y[i] - y[j]) ** 2 + 1e-4));
    }
    for (const [i, j] of graph.pairs) act(i, j, -Math.hypot(x[i] - x[j], y[i] - y[j]) / best / 6);
    return [fx, fy];
  }

  // ---- drawing

  let wanted = false;
  function draw() {
    if (wanted || !state) return;
    wanted = true;
    requestAnimationFrame(() => {
      wanted = false;
      paint();
    });
  }

  function shades() {
    const css = getComputedStyle(panel),
      of = (name) => css.getPropertyValue(`--${name}`).trim();
    const ink = getComputedStyle(document.body).color;
    return {
      ink,
      features: of("features"),
      errors: of("errors"),
      gradient: of("gradient"),
      low: rgb(of("low")),
      high: rgb(of("high")),
      even: rgb(of("even")),
      edge: of("edge"),
      guide: of("guide"),
      font: getComputedStyle(document.body).fontFamily,
    };
  }
  const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  const mix = (value, { low, even, high }) => {
    const share = Math.min(1, Math.abs(value)),
      end = value < 0 ? low : high;
    return `rgb(${even.map((c, k) => Math.round(c + (end[k] - c) * share)).join(",")})`;
  };

  const spot = ([x, y], wide, high) => [16 + x * (wide - 32), 16 + y * (high - 32)];

  function paintGraph(shade) {
    const { pen, wide, high } = machineChart.open(sections.graph),
      values = state[shown][layer].colour,
      size = graph.nodes > 120 ? 5 : 7.5;
    pen.strokeStyle = shade.edge;
    pen.lineWidth = 0.8;
    pen.beginPath();
    for (const [i, j] of graph.pairs) {
      pen.moveTo(...spot(places[i], wide, high));
      pen.lineTo(...spot(places[j], wide, high));
    }
    pen.stroke();
    places.forEach((place, i) => {
      const [x, y] = spot(place, wide, high);
      pen.beginPath();
      // Two shapes for the two classes: colour is the network's, the shape is the truth.
      if (graph.labels[i] < 0) pen.arc(x, y, size, 0, 7);
      else pen.rect(x - 0.88 * size, y - 0.88 * size, 1.76 * size, 1.76 * size);
      pen.fillStyle = mix(values[i], shade);
      pen.fill();
      pen.lineWidth = i === node ? 3 : 1;
      pen.strokeStyle = i === node ? shade.ink : shade.guide;
      pen.stroke();
    });
  }

  function paintStrip(shade) {
    const { pen, wide, high } = machineChart.open(sections.strip),
      list = state[shown],
      columns = list.length,
      left = 2,
      inner = wide - 4,
      tall = high - 20;
    const order = graph.labels.map((y, i) => i).sort((a, b) => graph.labels[a] - graph.labels[b] || a - b);
    list.forEach(({ colour }, k) => {
      const x = left + (k * inner) / columns,
        w = inner / columns;
      order.forEach((i, row) => {
        pen.fillStyle = mix(colour[i], shade);
        pen.fillRect(x, (row * tall) / order.length, w + 0.5, tall / order.length + 0.5);
      });
      if (k === layer) {
        pen.strokeStyle = shade.ink;
        pen.lineWidth = 2;
        pen.strokeRect(x, 1, w, tall - 1);
      }
    });
    pen.fillStyle = shade.ink;
    pen.font = `12px ${shade.font}`;
    pen.textBaseline = "bottom";
    pen.textAlign = "left";
    pen.fillText(shown === "features" ? "input →" : "input ←", left, high);
    pen.textAlign = "right";
    pen.fillText(shown === "features" ? "→ last layer" : "← output", wide - 2, high);
    pen.textAlign = "center";
    pen.fillText("all nodes, layer by layer", wide / 2, high);
  }

  function paint() {
    const shade = shades(),
      L = state.gradient.length - 1;
    paintGraph(shade);
    paintStrip(shade);
    paintLoss(shade);
    paintLayers(shade, L, ["layer 0", `layer ${L}`]);
    describe(L);
    readings();
    numbers();
  }

  function paintLoss(shade) {
    const { constant } = graph,
      highest = Math.max(...losses.filter(Number.isFinite), 0);
    const marks = [{ value: constant, text: "best constant", dash: [6, 4] }];
    if (state.floor > 0.02 * constant)
      marks.push({ value: state.floor, text: "proved floor", dash: [2, 3], below: true });
    machineChart.draw(sections.loss, shade, {
      series: [{ values: losses, colour: shade.features }],
      marks,
      xs: [0, Math.max(1, losses.length - 1)],
      range: [0, Math.max(1.15 * constant, Math.min(2.5 * constant, highest))],
      labels: ["step 0", `step ${losses.length - 1}`],
    });
  }

  function paintLayers(shade, L, labels) {
    const both = (key) =>
      ["features", "errors"].map((which) => ({ values: state[which].map((s) => s[key]), colour: shade[which] }));
    const drawn = (values) => values.filter((v) => Number.isFinite(v) && v > 1e-17),
      share = both("ratio"),
      { gradient } = state;
    const lowest = (least, values) => Math.min(least, ...drawn(values)),
      common = { xs: [0, L], log: true, labels };
    machineChart.draw(sections.gradient, shade, {
      ...common,
      series: [{ values: gradient, colour: shade.gradient, bars: true }],
      range: [lowest(1e-4, gradient), Math.max(1, ...drawn(gradient))],
    });
    machineChart.draw(sections.ratio, shade, {
      ...common,
      series: share,
      range: [
        lowest(
          1e-3,
          share.flatMap((s) => s.values),
        ),
        1,
      ],
    });
    machineChart.draw(sections.size, shade, { ...common, series: both("size") });
  }

  function describe(L) {
    const ends = (values) => `${number(values[0])} in layer 0, ${number(values.at(-1))} in layer ${L}`,
      of = (which, key) => ends(state[which].map((s) => s[key]));
    const label = (name, text) => sections[name].setAttribute("aria-label", text);
    label(
      "graph",
      `${WORDS[config.graph]} of ${graph.nodes} nodes, coloured by the ${shown} of layer ${layer}: the share ${number(state[shown][layer].ratio)} of the signal differs between nodes.`,
    );
    label("strip", `Colour of every node in every layer, ${shown}. Share that differs: ${of(shown, "ratio")}.`);
    label(
      "loss",
      `Loss from ${four(losses[0])} at step 0 to ${four(losses.at(-1))} at step ${losses.length - 1}; dashed, the best constant, ${four(graph.constant)}.`,
    );
    label("gradient", `Gradient norm of each layer, logarithmic: ${ends(state.gradient)}.`);
    label(
      "ratio",
      `Share that differs between nodes, logarithmic. Features: ${of("features", "ratio")}. Errors: ${of("errors", "ratio")}.`,
    );
    label(
      "size",
      `Root mean square of the signals, logarithmic. Features: ${of("features", "size")}. Errors: ${of("errors", "size")}.`,
    );
  }

  function readings() {
    const all = {
      step: state.step,
      loss: four(state.loss),
      "best constant": four(graph.constant),
      "proved floor": state.floor === null ? "none for this remedy" : four(state.floor),
      λ: number(graph.lambda, 4),
      "λ to the depth": number(graph.lambda ** state.gradient.length),
      nodes: graph.nodes,
      edges: graph.pairs.length,
    };
    $(".machine-readings").replaceChildren(
      ...Object.entries(all).map(([name, value]) => {
        const pair = document.createElement("div"),
          dt = document.createElement("dt"),
          dd = document.createElement("dd");
        dt.textContent = name;
        dd.textContent = value;
        pair.append(dt, dd);
        return pair;
      }),
    );
  }

  function numbers() {
    const seen = state[shown][layer],
      name = graph.names[node],
      L = state.gradient.length - 1,
      linear = config.activation === "identity";
    const alone = config.remedy === "no graph",
      inside = (text) => (config.remedy === "pairnorm" ? `norm(${text})` : text);
    const before = inside(alone ? "x⁽ᵏ⁻¹⁾ᵢ W⁽ᵏ⁻¹⁾" : "Σⱼ Pᵢⱼ x⁽ᵏ⁻¹⁾ⱼ W⁽ᵏ⁻¹⁾"),
      behind = alone ? "b⁽ᵏ⁺¹⁾ᵢ W⁽ᵏ⁺¹⁾ᵀ" : "Σⱼ Pⱼᵢ b⁽ᵏ⁺¹⁾ⱼ W⁽ᵏ⁺¹⁾ᵀ";
    const formula =
      shown === "features"
        ? layer === 0
          ? "x⁽⁰⁾ = yᵢ (1, …, 1)/√8 + noise"
          : `x⁽ᵏ⁾ᵢ = ${config.remedy === "residual" && layer > 1 ? "x⁽ᵏ⁻¹⁾ᵢ + " : ""}${linear ? before : `ρ(${before})`}`
        : layer === L
          ? "b⁽ᴸ⁾ᵢ = ∂𝓛/∂ŷᵢ"
          : `b⁽ᵏ⁾ᵢ = ${linear ? "" : "ρ′(hᵢ) ⊙ "}${behind}`;
    const code = document.createElement("span");
    code.className = "formula";
    code.textContent =
      formula +
      (shown === "errors" && ["residual", "pairnorm"].includes(config.remedy) && layer < L
        ? "  (and the remedy's own path)"
        : "");
    $(".machine-numbers").replaceChildren(
      `Node ${name}, ${shown} of layer ${layer}: length ${number(seen.lengths[node], 3)}, distance from the average ${number(seen.distances[node], 3)}, colour ${number(seen.colour[node], 2)}. ` +
        `True class: ${graph.labels[node] < 0 ? "circles" : "squares"}.`,
      code,
    );
  }

  // ---- controls

  function fillForm() {
    for (const [name, value] of Object.entries(config)) if (form.elements[name]) form.elements[name].value = value;
    labelForm();
  }

  function labelForm() {
    for (const name of ["nodes", "communities", "depth", "width", "scale", "dial"])
      form.elements[name].labels[0].querySelector("output").value = String(Number(form.elements[name].value));
    const own = form.elements.graph.value === "edges",
      visible = { nodes: ["blocks", "cycle"], communities: ["blocks"] };
    for (const [name, kinds] of Object.entries(visible))
      form.elements[name].labels[0].hidden = !kinds.includes(form.elements.graph.value);
    $(".machine-edges").hidden = !own;
    if (own && !form.elements.edges.value.trim()) form.elements.edges.value = EXAMPLE;
  }

  function readForm() {
    labelForm();
    const read = {};
    for (const [name, value] of Object.entries(DEFAULTS)) {
      const field = form.elements[name];
      if (field) read[name] = typeof value === "number" ? Number(field.value) : field.value;
    }
    if (read.graph !== "edges") read.edges = "";
    return { ...DEFAULTS, ...read };
  }

  function fillNodes() {
    node = Math.min(node, graph.nodes - 1);
    $("#machine-node").replaceChildren(...graph.names.map((name, i) => new Option(name, i, i === node, i === node)));
  }

  function setLayer(value) {
    layer = value;
    $("#machine-layer").value = value;
    $("[name=layer_shown]").value = `${value} of ${state.features.length - 1}`;
    draw();
  }

  function show(which) {
    shown = which;
    $(`[name=machine-show][value=${which}]`).checked = true;
    draw();
  }

  const numeric = (text, fallback) => (Number.isFinite(Number(text)) ? Number(text) : fallback);
  function restore() {
    const asked = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
    config = { ...DEFAULTS };
    for (const [name, value] of Object.entries(DEFAULTS))
      if (name in asked && form.elements[name])
        config[name] = typeof value === "number" ? numeric(asked[name], value) : asked[name];
    shown = asked.show === "errors" ? "errors" : "features";
    layer = numeric(asked.layer, 0);
  }

  function remember() {
    const kept = new URLSearchParams();
    for (const [name, value] of Object.entries(config)) if (value !== DEFAULTS[name]) kept.set(name, value);
    if (shown !== "features") kept.set("show", shown);
    if (layer) kept.set("layer", layer);
    // A page opened from a file may not change its address.
    try {
      history.replaceState(null, "", `#${kept}`);
    } catch {
      /* keep it */
    }
  }

  function nearest(event) {
    const canvas = sections.graph,
      box = canvas.getBoundingClientRect(),
      x = event.clientX - box.left,
      y = event.clientY - box.top;
    const gaps = places.map((place) => {
      const [a, b] = spot(place, box.width, box.height);
      return Math.hypot(a - x, b - y);
    });
    const best = gaps.indexOf(Math.min(...gaps));
    return gaps[best] < 24 ? best : -1;
  }

  function choose(i) {
    node = i;
    $("#machine-node").value = i;
    draw();
  }

  function listen() {
    form.addEventListener("input", async () => {
      leaveGuide();
      config = readForm();
      remember();
      await rebuild();
    });
    form.addEventListener("submit", (event) => event.preventDefault());
    $("#machine-layer").addEventListener("input", (event) => {
      if (!training) turn++;
      setLayer(Number(event.target.value));
      remember();
    });
    $("#machine-node").addEventListener("input", (event) => choose(Number(event.target.value)));
    for (const button of panel.querySelectorAll("[name=machine-show]")) {
      button.addEventListener("input", () => {
        show(button.value);
        remember();
        if (!training) report();
      });
    }
    $(".machine-buttons").addEventListener("click", press);
    window.addEventListener("hashchange", async () => {
      restore();
      fillForm();
      show(shown);
      await rebuild();
    });
    new MutationObserver(draw).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    new ResizeObserver(draw).observe(panel);
  }

  const leaveGuide = () => {
    guide = null;
    tell(null);
  };

  async function press({ target }) {
    const { act } = target.dataset;
    if (!act || !state) return;
    leaveGuide();
    if (act === "reset") await rebuild();
    else if (training > 0) training = 0;
    else await train(act === "step" ? 1 : Number($("#machine-steps").value));
  }

  function listenToPointer() {
    const canvas = sections.graph,
      strip = sections.strip,
      clamp = (v) => Math.min(1, Math.max(0, v));
    let held = -1;
    canvas.addEventListener("pointerdown", (event) => {
      held = nearest(event);
      if (held >= 0) {
        choose(held);
        canvas.setPointerCapture(event.pointerId);
      }
    });
    canvas.addEventListener("pointermove", (event) => {
      const box = canvas.getBoundingClientRect(),
        over = held < 0 && event.pointerType === "mouse" ? nearest(event) : -1;
      if (over >= 0 && over !== node) choose(over);
      if (held < 0) return;
      places[held] = [
        clamp((event.clientX - box.left - 16) / (box.width - 32)),
        clamp((event.clientY - box.top - 16) / (box.height - 32)),
      ];
      draw();
    });
    for (const name of ["pointerup", "pointercancel"])
      canvas.addEventListener(name, () => {
        held = -1;
      });
    strip.addEventListener("pointerdown", (event) => {
      const box = strip.getBoundingClientRect(),
        columns = state[shown].length;
      setLayer(Math.min(columns - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * columns))));
      remember();
    });
  }

  function listenToDrops() {
    const edges = $(".machine-edges"),
      drop = (on) => (event) => {
        event.preventDefault();
        edges.classList.toggle("dropping", on);
      };
    edges.addEventListener("dragover", drop(true));
    edges.addEventListener("dragleave", drop(false));
    edges.addEventListener("drop", async (event) => {
      drop(false)(event);
      const file = event.dataTransfer.files[0];
      form.elements.edges.value = file ? await file.text() : event.dataTransfer.getData("text");
      form.dispatchEvent(new Event("input"));
    });
  }

  async function start() {
    const { CHOICES, DEFAULTS: defaults } = await ask("settings");
    DEFAULTS = defaults;
    for (const [name, values] of Object.entries(CHOICES))
      form.elements[name].append(...values.map((value) => new Option(WORDS[value], value)));
    $(".machine-experiments").append(
      ...EXPERIMENTS.map((one, k) => {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = `${k + 1} ${one.name}`;
        button.setAttribute("aria-pressed", "false");
        button.addEventListener("click", () => perform(one));
        return button;
      }),
    );
    panel.hidden = false;
    restore();
    fillForm();
    show(shown);
    listen();
    listenToPointer();
    listenToDrops();
    await rebuild();
    panel.dataset.ready = "true";
  }

  start();
})();
