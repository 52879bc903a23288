// The what-if panel: looks a network up in the grid and draws it. Nothing is computed here and nothing is fetched.
(function () {
  "use strict";
  const panel = document.getElementById("explore");
  if (!panel || !window.Plotly || !window.oversmoothGrid) return;
  const { choices, networks, words } = window.oversmoothGrid;
  const form = panel.querySelector("form");
  const start = { operator: "metropolis", activation: "tanh", depth: choices.depth[choices.depth.length - 1], scale: "1", last_layer: "random" };
  const symbols = { feature_ratio: "σ(X)/‖X‖", backward_deviation: "σ(B̃)", backward_norm: "‖B̃‖",
    backward_ratio: "σ(B̃)/‖B̃‖", gradient: "gradient", certificate: "certificate" };
  // Axes of the two ratios never move, so that choices can be compared by eye.
  const charts = {
    features: { lines: ["feature_ratio"], range: [-8, 0.3], guide: "down" },
    gradient: { lines: ["gradient", "certificate"] },
    backward: { lines: ["backward_norm", "backward_deviation"] },
    ratio: { lines: ["backward_ratio"], range: [-8, 0.3], guide: "up" },
  };
  // Blue with the graph and red without it, as in every figure of the book.
  const shades = {
    light: { ink: "#222832", grid: "#e3e6ea", network: "#17306d", mlp: "#b5372a" },
    dark: { ink: "#e6e9ef", grid: "#3b4048", network: "#9dbcff", mlp: "#ff9a8a" },
  };

  function choice() {
    const of = (name) => choices[name][Number(form.elements[name].value)];
    return { operator: form.elements.operator.value, activation: form.elements.activation.value, depth: of("depth"),
      scale: of("scale"), last_layer: form.elements.last_layer.value };
  }

  function find(one) {
    return networks[[one.operator, one.activation, one.depth, one.scale, one.last_layer].join(" ")];
  }

  function number(value) {
    if (value === null) return "none";
    if (value === 0) return "0";
    const size = Math.abs(value);
    if (size >= 0.01 && size < 1000) return String(Number(value.toPrecision(2)));
    const [digits, power] = value.toExponential(1).split("e");
    return `${digits}·10${[...String(Number(power))].map((sign) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[sign] || "⁻").join("")}`;
  }

  const largest = (values) => Math.max(...values.filter((value) => value !== null));

  function summary(one, network) {
    const ratios = network.backward_ratio, last = ratios.length - 1;
    const low = ratios.indexOf(Math.min(...ratios));
    const bound = network.certificate.every((value) => value === null)
      ? "The theory gives no certificate here."
      : `The certificate allows at most ${number(largest(network.certificate.slice(0, -1)))}.`;
    const smooth = network.rate < 1
      ? `λ = ${number(network.rate)}, λs = ${number(network.rate * Number(one.scale))}.`
      : "λ = 1: nothing is averaged.";
    return `${words[one.operator] || one.operator}, ${one.activation}, ${one.depth} layers, weight scale ` +
      `${one.scale}, last layer ${one.last_layer}. ${smooth} ` +
      `Relative deviation of the features: ${number(network.feature_ratio[0])} at the input, ` +
      `${number(network.feature_ratio[last])} in the last layer. Ratio of the errors: ${number(ratios[last])} at the ` +
      `output, ${number(ratios[0])} at the input, smallest in layer ${low} (${number(ratios[low])}). ` +
      `Largest gradient before the last layer: ${number(network.gradient_max)}. ${bound} ` +
      `Loss: ${number(network.loss)}.`;
  }

  function describe(name, series) {
    return `${panel.querySelector(`[data-chart="${name}"]`).parentNode.querySelector("figcaption").textContent}, ` +
      "against the layer, logarithmic. " + series.map((line) => {
        const drawn = line.y.filter((value) => value > 0);
        if (!drawn.length) return `${line.name}: zero or none at every layer.`;
        return `${line.name}: ${number(line.y[0])} in layer 0, ${number(line.y[line.y.length - 1])} in layer ` +
          `${line.y.length - 1}; between ${number(Math.min(...drawn))} and ${number(Math.max(...drawn))}.`;
      }).join(" ");
  }

  function series(name, network, mlp, shade) {
    const spec = charts[name];
    const line = (values, label, colour, dash, symbol) => ({ x: values.map((_, k) => k), y: values, name: label,
      mode: "lines+markers", line: { color: colour, width: 2, dash }, marker: { symbol, size: 6 },
      hovertemplate: "layer %{x}: %{y:.3g}<extra>" + label + "</extra>" });
    const own = spec.lines.map((column, k) =>
      line(network[column], symbols[column], shade.network, k ? "dash" : "solid", k ? "square" : "circle"));
    const other = mlp ? spec.lines.filter((column) => column !== "certificate").map((column, k) =>
      line(mlp[column], "MLP " + symbols[column], shade.mlp, k ? "dash" : "solid", k ? "diamond" : "triangle-up")) : [];
    return own.concat(other);
  }

  function guide(kind, network, shade) {
    if (!kind || network.rate >= 1) return [];
    const values = kind === "down" ? network.feature_ratio : network.backward_ratio, last = values.length - 1;
    const y = values.map((_, k) => kind === "down" ? values[0] * network.rate ** k : values[last] * network.rate ** (last - k));
    return [{ x: y.map((_, k) => k), y, name: kind === "down" ? "λᵏ" : "λᴸ⁻ᵏ", mode: "lines", hoverinfo: "skip",
      line: { color: shade.ink, width: 1.4, dash: "longdash" } }];
  }

  // A label at every power of ten, fewer where there are many, more where there are few.
  function ticks(spec, lines) {
    const values = lines.flatMap((line) => line.y).filter((value) => value > 0).map(Math.log10);
    const decades = spec.range ? spec.range[1] - spec.range[0] : Math.max(...values) - Math.min(...values);
    return decades < 1.5 ? "D2" : Math.max(1, Math.round(decades / 5));
  }

  function layout(spec, shade, depth, dtick) {
    const axis = { color: shade.ink, gridcolor: shade.grid, linecolor: shade.ink, zeroline: false, fixedrange: true };
    return {
      margin: { l: 62, r: 8, t: 6, b: 40 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: shade.ink, size: 13, family: getComputedStyle(document.body).fontFamily },
      xaxis: { ...axis, title: { text: "layer", standoff: 6 }, range: [-0.4, depth - 0.6] },
      yaxis: { ...axis, type: "log", exponentformat: "power", dtick, ...(spec.range ? { range: spec.range } : {}) },
      legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" }, showlegend: true, dragmode: false,
    };
  }

  function table(network) {
    const columns = Object.keys(symbols);
    const head = "<tr><th scope='col'>layer</th>" + columns.map((c) => `<th scope='col'>${symbols[c]}</th>`).join("") + "</tr>";
    const rows = network.gradient.map((_, k) => `<tr><th scope='row'>${k}</th>` + columns.map((column) =>
      `<td>${number(network[column][k])}</td>`).join("") + "</tr>");
    panel.querySelector(".explore-table").innerHTML = `<table class="table"><thead>${head}</thead><tbody>${rows.join("")}</tbody></table>`;
  }

  function say(one) {
    for (const [name, word] of [["depth", `${one.depth} layers`], ["scale", `s = ${one.scale}`]]) {
      form.elements[name + "_shown"].value = word;
      form.elements[name].setAttribute("aria-valuetext", word);
    }
  }

  function draw() {
    const one = choice(), network = find(one);
    const mlp = form.elements.mlp.checked && one.operator !== "identity" ? find({ ...one, operator: "identity" }) : null;
    const shade = shades[document.documentElement.dataset.theme === "dark" ? "dark" : "light"];
    say(one);
    panel.querySelector(".explore-summary").textContent = summary(one, network);
    for (const [name, spec] of Object.entries(charts)) {
      const place = panel.querySelector(`[data-chart="${name}"]`), lines = series(name, network, mlp, shade);
      Plotly.react(place, lines.concat(guide(spec.guide, network, shade)), layout(spec, shade, network.gradient.length, ticks(spec, lines)),
        { displayModeBar: false });
      place.setAttribute("aria-label", describe(name, lines));
    }
    table(network);
  }

  function restore() {
    const wanted = { ...start, ...Object.fromEntries(new URLSearchParams(location.hash.slice(1))) };
    for (const [name, values] of Object.entries(choices)) {
      const value = values.includes(wanted[name]) ? wanted[name] : values.includes(start[name]) ? start[name] : values[0];
      form.elements[name].value = ["depth", "scale"].includes(name) ? values.indexOf(value) : value;
    }
    form.elements.mlp.checked = wanted.mlp === "1";
  }

  function remember() {
    const state = new URLSearchParams(choice());
    if (form.elements.mlp.checked) state.set("mlp", "1");
    // The address shows the choice, so that it can be sent to somebody. A page opened from a file may not change it.
    try { history.replaceState(null, "", "#" + state); } catch { /* keep the address */ }
  }

  form.addEventListener("input", () => { draw(); remember(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  window.addEventListener("hashchange", () => { restore(); draw(); });
  new MutationObserver(draw).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  const watch = new ResizeObserver((all) => all.forEach((one) => one.target.data && Plotly.Plots.resize(one.target)));
  panel.querySelectorAll(".explore-chart").forEach((place) => watch.observe(place));
  panel.hidden = false;
  restore();
  draw();
})();
