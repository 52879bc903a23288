// A graph network small enough to read: X' = rho(P X W), its errors B' = rho'(H) * (P B W^T), its gradients, its training.
//
// Everything is float64 and row-major: an (n, d) signal is one Float64Array. P has Metropolis weights, so it is
// symmetric: P^T = P, its stationary distribution is uniform, and one product serves features and errors.
// Chance is `Random`, in this order: one number for each pair of nodes (block model only), then the features row by row,
// then the weights layer by layer. The same seed gives the same run.

export const CHOICES = {
  graph: ["blocks", "karate", "cycle", "edges"],
  activation: ["tanh", "relu", "elu", "softsign", "identity"],
  remedy: ["none", "residual", "pairnorm", "deflation", "no graph"],
  loss: ["mse", "cross_entropy"],
  optimizer: ["sgd", "adam"],
};
export const RANGES = {
  nodes: [4, 300],
  communities: [0, 0.9],
  seed: [0, 1e6],
  depth: [1, 64],
  width: [1, 64],
  scale: [0.1, 10],
  dial: [0, 1],
  lr: [1e-6, 10],
  steps: [0, 20000],
};
export const DEFAULTS = {
  graph: "blocks",
  nodes: 60,
  communities: 0.4,
  edges: "",
  seed: 0,
  depth: 33,
  width: 16,
  activation: "tanh",
  scale: 1,
  dial: 1,
  remedy: "none",
  loss: "mse",
  optimizer: "adam",
  lr: 0.003,
  steps: 0,
};
const WHOLE = new Set(["nodes", "seed", "depth", "width", "steps"]);
const FEATURES = 8,
  DEGREE = 8,
  PAIR_EPS = 1e-5;

export class Random {
  // mulberry32: a state of 32 bits; normal numbers by Box and Muller.
  constructor(seed) {
    this.state = seed | 0;
  }
  uniform() {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }
  normal() {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }
}

export function complete(config) {
  // The configuration with its defaults; an Error says what does not fit.
  const full = { ...DEFAULTS, ...config };
  for (const name of Object.keys(full)) {
    if (!(name in DEFAULTS) && name !== "weights")
      throw new Error(`${name} is no setting; known: ${Object.keys(DEFAULTS).join(", ")}, weights`);
  }
  for (const [name, values] of Object.entries(CHOICES)) {
    if (!values.includes(full[name])) throw new Error(`${name} is "${full[name]}"; known: ${values.join(", ")}`);
  }
  for (const [name, [low, high]] of Object.entries(RANGES)) {
    const value = full[name],
      whole = WHOLE.has(name);
    if (typeof value !== "number" || !(value >= low && value <= high) || (whole && !Number.isInteger(value))) {
      throw new Error(`${name} is ${value}; a ${whole ? "whole " : ""}number from ${low} to ${high} is needed`);
    }
  }
  return full;
}

// ---- graphs

const CLUB =
  "2 3 4 5 6 7 8 9 11 12 13 14 18 20 22 32|3 4 8 14 18 20 22 31|4 8 9 10 14 28 29 33|8 13 14|7 11|7 11 17|17||31 33 34|34||||34|33 34|33 34|||33 34|34|33 34||33 34|26 28 30 33 34|26 28 32|32|30 34|34|32 34|33 34|33 34|33 34|34";
// The members who stayed with the instructor when the club split.
const INSTRUCTOR = new Set([1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 17, 18, 20, 22]);

function blocks({ nodes, communities }, random) {
  // Two halves; a pair is joined with probability DEGREE (1 + c)/n inside a half and DEGREE (1 - c)/n across.
  const pairs = [],
    label = (i) => (i < nodes / 2 ? -1 : 1);
  for (let i = 0; i < nodes; i++) {
    for (let j = i + 1; j < nodes; j++) {
      const sign = label(i) === label(j) ? 1 : -1;
      if (random.uniform() < (DEGREE * (1 + sign * communities)) / nodes) pairs.push([i, j]);
    }
  }
  return largestComponent(
    nodes,
    pairs,
    Array.from({ length: nodes }, (_, i) => label(i)),
  );
}

function largestComponent(nodes, pairs, labels) {
  const root = Array.from({ length: nodes }, (_, i) => i);
  const find = (i) => {
    while (root[i] !== i) i = root[i] = root[root[i]];
    return i;
  };
  for (const [i, j] of pairs) root[find(i)] = find(j);
  const size = new Map();
  for (let i = 0; i < nodes; i++) size.set(find(i), (size.get(find(i)) || 0) + 1);
  const best = [...size].sort((a, b) => b[1] - a[1])[0][0];
  const kept = [...labels.keys()].filter((i) => find(i) === best),
    place = new Map(kept.map((i, k) => [i, k]));
  return {
    pairs: pairs.filter(([i]) => place.has(i)).map(([i, j]) => [place.get(i), place.get(j)]),
    labels: kept.map((i) => labels[i]),
    names: kept.map(String),
  };
}

function parseEdges(text) {
  // Two names on each line; classes: the half of the nodes nearest to the first one, and the rest.
  const index = new Map(),
    seen = new Set(),
    pairs = [];
  const at = (name) => {
    if (!index.has(name)) index.set(name, index.size);
    return index.get(name);
  };
  for (const [number, line] of text.split(/\n/).entries()) {
    const words = line
      .replace(/#.*/, "")
      .split(/[\s,;]+/)
      .filter(Boolean);
    if (!words.length) continue;
    if (words.length < 2)
      throw new Error(`line ${number + 1} of the edge list is "${line.trim().slice(0, 40)}"; two names are needed`);
    const [i, j] = [at(words[0]), at(words[1])].sort((a, b) => a - b);
    if (i !== j && !seen.has(`${i} ${j}`)) {
      seen.add(`${i} ${j}`);
      pairs.push([i, j]);
    }
  }
  if (index.size < 3 || index.size > RANGES.nodes[1])
    throw new Error(`the edge list has ${index.size} nodes; 3 to ${RANGES.nodes[1]} are needed`);
  const near = neighbours(index.size, pairs),
    order = [0],
    met = new Set(order);
  for (const i of order)
    for (const j of near[i])
      if (!met.has(j)) {
        met.add(j);
        order.push(j);
      }
  if (order.length < index.size)
    throw new Error(
      `the graph of the edge list is not connected: ${order.length} of ${index.size} nodes hang together with the first`,
    );
  const labels = new Array(index.size).fill(1);
  for (const i of order.slice(0, index.size >> 1)) labels[i] = -1;
  return { pairs, labels, names: [...index.keys()] };
}

export function neighbours(nodes, pairs) {
  const near = Array.from({ length: nodes }, () => []);
  for (const [i, j] of pairs) {
    near[i].push(j);
    near[j].push(i);
  }
  return near;
}

export function makeGraph(config, random) {
  const { graph, nodes } = config;
  if (graph === "blocks") return blocks(config, random);
  if (graph === "edges") return parseEdges(config.edges);
  if (graph === "karate") {
    const rows = CLUB.split("|"),
      pairs = [];
    rows.forEach((row, i) =>
      row
        .split(" ")
        .filter(Boolean)
        .forEach((j) => pairs.push([i, j - 1])),
    );
    const members = Array.from({ length: 34 }, (_, i) => i + 1);
    return { pairs, labels: members.map((i) => (INSTRUCTOR.has(i) ? -1 : 1)), names: members.map(String) };
  }
  const ring = Array.from({ length: nodes }, (_, i) => i);
  return {
    pairs: ring.map((i) => [i, (i + 1) % nodes]),
    labels: ring.map((i) => (i < nodes / 2 ? -1 : 1)),
    names: ring.map(String),
  };
}

// ---- the propagation matrix

export function makePropagation(nodes, pairs, dial, remedy) {
  // Rows of P_t = (1 - t) I + t P, P_ij = 1/(1 + max(d_i, d_j)); with "deflation" (P_t - 11^T/n)/lambda, with "no graph" I.
  const near = neighbours(nodes, pairs),
    start = [0],
    column = [],
    value = [];
  for (let i = 0; i < nodes; i++) {
    let rest = 1;
    for (const j of near[i]) {
      const weight = dial / (1 + Math.max(near[i].length, near[j].length));
      column.push(j);
      value.push(weight);
      rest -= weight;
    }
    column.push(i);
    value.push(rest);
    start.push(column.length);
  }
  const P = {
    nodes,
    start: Int32Array.from(start),
    column: Int32Array.from(column),
    value: Float64Array.from(value),
    mode: "none",
  };
  if (remedy === "no graph") return { ...P, mode: remedy, rate: 1, lambda: 1 };
  const ends = spectrumEnds((v) => propagate(P, v, 1), nodes, true),
    rate = Math.max(Math.abs(ends[0]), Math.abs(ends[1]));
  if (remedy !== "deflation") return { ...P, rate, lambda: rate };
  return { ...P, mode: remedy, rate: 1, lambda: rate };
}

export function propagate(P, X, width) {
  // P X.
  const { nodes, start, column, value } = P,
    Y = new Float64Array(nodes * width);
  if (P.mode === "no graph") {
    Y.set(X);
    return Y;
  }
  for (let i = 0; i < nodes; i++) {
    const to = i * width;
    for (let e = start[i]; e < start[i + 1]; e++) {
      const from = column[e] * width,
        weight = value[e];
      for (let c = 0; c < width; c++) Y[to + c] += weight * X[from + c];
    }
  }
  if (P.mode === "deflation") {
    const centre = columnMeans(X, nodes, width);
    for (let i = 0, r = 0; r < nodes; r++) for (let c = 0; c < width; c++, i++) Y[i] = (Y[i] - centre[c]) / P.lambda;
  }
  return Y;
}

function spectrumEnds(apply, size, withoutConstant) {
  // The least and the largest eigenvalue of a symmetric matrix, on request without the constant vector: Lanczos, every
  // vector made orthogonal to all before it (twice: once loses digits), then bisection on the tridiagonal matrix.
  const random = new Random(1),
    basis = withoutConstant ? [new Float64Array(size).fill(1 / Math.sqrt(size))] : [];
  const dot = (a, b) => {
    let s = 0;
    for (let i = 0; i < size; i++) s += a[i] * b[i];
    return s;
  };
  const clear = (v) => {
    for (let round = 0; round < 2; round++)
      for (const q of basis) {
        const s = dot(q, v);
        for (let i = 0; i < size; i++) v[i] -= s * q[i];
      }
    return Math.sqrt(dot(v, v));
  };
  let v = Float64Array.from({ length: size }, () => random.normal()),
    length = clear(v),
    scale = 1e-300;
  const alpha = [],
    beta = [];
  while (alpha.length < size && length > 1e-12 * scale) {
    v = v.map((x) => x / length);
    const w = apply(v),
      a = dot(v, w);
    basis.push(v);
    alpha.push(a);
    length = clear(w);
    beta.push(length);
    v = w;
    scale = Math.max(scale, Math.abs(a), length);
    if (basis.length >= size) break;
  }
  return bisect(alpha, beta);
}

function bisect(alpha, beta) {
  if (!alpha.length) return [0, 0];
  const bound = Math.max(...alpha.map((a, i) => Math.abs(a) + (beta[i] || 0) + (beta[i - 1] || 0)));
  const below = (x) => {
    // How many eigenvalues lie below x: the signs of Sturm's sequence.
    let count = 0,
      q = 1;
    for (let i = 0; i < alpha.length; i++) {
      q = alpha[i] - x - (i ? (beta[i - 1] * beta[i - 1]) / (q || 1e-300) : 0);
      if (q < 0) count++;
    }
    return count;
  };
  return [1, alpha.length].map((wanted) => {
    let low = -bound,
      high = bound;
    for (let k = 0; k < 100; k++) {
      const middle = (low + high) / 2;
      if (below(middle) >= wanted) high = middle;
      else low = middle;
    }
    return (low + high) / 2;
  });
}

// ---- dense products

// Rows of A times rows of B: sums in a register, three times as fast as adding rows up in memory.
function rowsTimesRows(A, B, rows, inner, columns) {
  const C = new Float64Array(rows * columns);
  for (let i = 0, to = 0; i < rows; i++) {
    const a = i * inner;
    for (let j = 0; j < columns; j++, to++) {
      const b = j * inner;
      let sum = 0;
      for (let k = 0; k < inner; k++) sum += A[a + k] * B[b + k];
      C[to] = sum;
    }
  }
  return C;
}

// A B of A (rows, inner) and B (inner, columns).
const times = (A, B, rows, inner, columns) => rowsTimesRows(A, transposed(B, inner, columns), rows, inner, columns);

// A^T B of A (rows, left) and B (rows, right).
const transposeTimes = (A, B, rows, left, right) =>
  rowsTimesRows(transposed(A, rows, left), transposed(B, rows, right), left, rows, right);

function transposed(A, rows, columns) {
  const T = new Float64Array(A.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) T[j * rows + i] = A[i * columns + j];
  return T;
}

function columnMeans(X, rows, columns) {
  const mean = new Float64Array(columns);
  for (let r = 0, i = 0; r < rows; r++) for (let c = 0; c < columns; c++, i++) mean[c] += X[i];
  return mean.map((s) => s / rows);
}

function filled(length, entry) {
  // Entry by entry; a typed array's own `map` takes ten times as long.
  const A = new Float64Array(length);
  for (let i = 0; i < length; i++) A[i] = entry(i);
  return A;
}

function minusColumns(X, rows, columns, centre) {
  const D = new Float64Array(X.length);
  for (let r = 0, i = 0; r < rows; r++) for (let c = 0; c < columns; c++, i++) D[i] = X[i] - centre[c];
  return D;
}

const norm = (values) => {
  let s = 0;
  for (let i = 0; i < values.length; i++) s += values[i] * values[i];
  return Math.sqrt(s);
};

export function orthogonal(rows, columns, random) {
  // All singular values 1, uniformly distributed: Gram and Schmidt on the columns of a tall normal matrix.
  const high = Math.max(rows, columns),
    wide = Math.min(rows, columns);
  const tall = Float64Array.from({ length: high * wide }, () => random.normal());
  const basis = Array.from({ length: wide }, (_, c) =>
    Float64Array.from({ length: high }, (_, r) => tall[r * wide + c]),
  );
  for (let c = 0; c < wide; c++) {
    for (let round = 0; round < 2; round++) {
      for (let b = 0; b < c; b++) {
        let s = 0;
        for (let r = 0; r < high; r++) s += basis[b][r] * basis[c][r];
        for (let r = 0; r < high; r++) basis[c][r] -= s * basis[b][r];
      }
    }
    const size = norm(basis[c]);
    basis[c] = basis[c].map((x) => x / size);
  }
  const W = new Float64Array(rows * columns);
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < columns; c++) W[r * columns + c] = rows >= columns ? basis[c][r] : basis[r][c];
  return W;
}

export function spectralNorm(W, rows, columns) {
  const T = transposed(W, rows, columns);
  const square =
    rows < columns
      ? (v) => times(W, times(T, v, columns, rows, 1), rows, columns, 1)
      : (v) => times(T, times(W, v, rows, columns, 1), columns, rows, 1);
  return Math.sqrt(Math.max(0, spectrumEnds(square, Math.min(rows, columns), false)[1]));
}

// ---- activations: value, and slope from (input, value)

const RHO = {
  identity: [(h) => h, () => 1],
  tanh: [Math.tanh, (h, x) => 1 - x * x],
  relu: [(h) => (h > 0 ? h : 0), (h) => (h > 0 ? 1 : 0)],
  elu: [(h) => (h > 0 ? h : Math.expm1(h)), (h, x) => (h > 0 ? 1 : 1 + x)],
  softsign: [(h) => h / (1 + Math.abs(h)), (h) => 1 / (1 + Math.abs(h)) ** 2],
};

// ---- one network

export function build(config) {
  const c = complete(config),
    random = new Random(c.seed),
    graph = makeGraph(c, random),
    n = graph.labels.length;
  const P = makePropagation(n, graph.pairs, c.dial, c.remedy),
    outputs = c.loss === "mse" ? 1 : 2;
  if (c.remedy === "deflation" && P.lambda < 1e-9)
    throw new Error(
      "this P keeps nothing but the mean (its rate is 0), so there is nothing to deflate to; move the dial",
    );
  // x_i = y_i (1, ..., 1)/sqrt(8) + standard normal numbers.
  const X = Float64Array.from(
    { length: n * FEATURES },
    (_, i) => graph.labels[Math.floor(i / FEATURES)] / Math.sqrt(FEATURES) + random.normal(),
  );
  const widths = [FEATURES, ...new Array(c.depth - 1).fill(c.width), outputs];
  const weights = widths.slice(1).map((width, k) => orthogonal(widths[k], width, random).map((w) => c.scale * w));
  if (c.weights) c.weights.forEach((W, k) => weights[k].set(W.flat()));
  return { config: c, graph, n, P, X, widths, weights, outputs, step: 0, moments: null };
}

export function pass(net) {
  // Features X(k), errors B(k) = dL/dH(k), gradients dL/dW(k), k = 0 .. L.
  const { n, P, widths, weights, config } = net,
    last = weights.length - 1,
    [rho, slope] = RHO[config.activation];
  const features = [net.X],
    inputs = [],
    values = [],
    scales = [];
  let output = null;
  for (let k = 0; k <= last; k++) {
    const H = times(propagate(P, features[k], widths[k]), weights[k], n, widths[k], widths[k + 1]);
    if (k === last) {
      output = H;
      break;
    }
    scales.push(config.remedy === "pairnorm" ? pairNorm(H, n, widths[k + 1]) : 1);
    const X = filled(H.length, (i) => rho(H[i]));
    inputs.push(H);
    values.push(X);
    features.push(X);
    if (skips(net, k)) features[k + 1] = filled(X.length, (i) => X[i] + features[k][i]);
  }
  const { loss, error } = lossAndError(net, output),
    errors = [error],
    gradients = [];
  let skipped = null;
  for (let k = last; k >= 0; k--) {
    const Q = propagate(P, errors[0], widths[k + 1]);
    gradients.unshift(transposeTimes(features[k], Q, n, widths[k], widths[k + 1]));
    if (k === 0) break;
    const G = rowsTimesRows(Q, weights[k], n, widths[k + 1], widths[k]),
      [H, X] = [inputs[k - 1], values[k - 1]];
    if (skips(net, k)) for (let i = 0; i < G.length; i++) G[i] += skipped[i];
    skipped = G;
    let B = filled(G.length, (i) => G[i] * slope(H[i], X[i]));
    if (config.remedy === "pairnorm") B = pairNormBack(B, H, scales[k - 1], n, widths[k]);
    errors.unshift(B);
  }
  return { features, errors, gradients, output, loss };
}

// A residual network adds X(k) to rho(H(k)) where both have the hidden width.
const skips = (net, k) => net.config.remedy === "residual" && k > 0 && k < net.weights.length - 1;

function pairNorm(H, rows, columns) {
  // In place: subtract the mean over nodes, then divide by the root of the mean squared length of a row.
  H.set(minusColumns(H, rows, columns, columnMeans(H, rows, columns)));
  const scale = Math.sqrt(PAIR_EPS + norm(H) ** 2 / rows);
  for (let i = 0; i < H.length; i++) H[i] /= scale;
  return scale;
}

function pairNormBack(G, H, scale, rows, columns) {
  // H is the normalised signal Z/scale: dL/dZ = (G - H <G, H>/n)/scale, and its mean over nodes is taken off.
  let inner = 0;
  for (let i = 0; i < G.length; i++) inner += G[i] * H[i];
  const B = filled(G.length, (i) => (G[i] - (H[i] * inner) / rows) / scale);
  return minusColumns(B, rows, columns, columnMeans(B, rows, columns));
}

function lossAndError(net, output) {
  const { n, graph, config } = net,
    error = new Float64Array(output.length);
  let loss = 0;
  for (let i = 0; i < n; i++) {
    if (config.loss === "mse") {
      const r = output[i] - graph.labels[i];
      loss += (r * r) / n;
      error[i] = (2 * r) / n;
    } else {
      const [a, b] = [output[2 * i], output[2 * i + 1]],
        high = Math.max(a, b),
        truth = graph.labels[i] > 0 ? 1 : 0;
      const log = high + Math.log(Math.exp(a - high) + Math.exp(b - high));
      loss += (log - output[2 * i + truth]) / n;
      for (let c = 0; c < 2; c++) error[2 * i + c] = (Math.exp(output[2 * i + c] - log) - (c === truth ? 1 : 0)) / n;
    }
  }
  return { loss, error };
}

export function update(net, gradients) {
  // One step of gradient descent, or of Adam with its usual constants.
  const { config, weights } = net,
    { lr } = config;
  net.step++;
  if (config.optimizer === "sgd") {
    weights.forEach((W, k) => {
      for (let i = 0; i < W.length; i++) W[i] -= lr * gradients[k][i];
    });
    return;
  }
  net.moments ||= weights.map((W) => [new Float64Array(W.length), new Float64Array(W.length)]);
  const first = 1 - 0.9 ** net.step,
    root = Math.sqrt(1 - 0.999 ** net.step);
  weights.forEach((W, k) => {
    const [m, v] = net.moments[k],
      G = gradients[k];
    for (let i = 0; i < W.length; i++) {
      m[i] += 0.1 * (G[i] - m[i]);
      v[i] = 0.999 * v[i] + 0.001 * G[i] * G[i];
      W[i] -= ((lr / first) * m[i]) / (Math.sqrt(v[i]) / root + 1e-8);
    }
  });
}

// ---- what is shown

function spread(X, rows, columns) {
  // Norm (root of the mean squared length of a row), deviation from the mean row, and both for every node.
  const centre = columnMeans(X, rows, columns),
    lengths = new Float64Array(rows),
    distances = new Float64Array(rows);
  for (let r = 0, i = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++, i++) {
      const d = X[i] - centre[c];
      lengths[r] += X[i] * X[i];
      distances[r] += d * d;
    }
  }
  const mean = (values) => Math.sqrt(values.reduce((s, x) => s + x, 0) / rows),
    size = mean(lengths),
    deviation = mean(distances);
  return {
    centre,
    size,
    deviation,
    ratio: size > 0 ? deviation / size : 0,
    lengths: lengths.map(Math.sqrt),
    distances: distances.map(Math.sqrt),
  };
}

function colours(X, rows, columns, labels, { centre, size }) {
  // Each node's place on the axis along which nodes differ most, as a share of the signal; classes decide the sign.
  const D = minusColumns(X, rows, columns, centre),
    C = transposeTimes(D, D, rows, columns, columns);
  let axis = transposeTimes(D, Float64Array.from(labels), rows, columns, 1);
  for (let k = 0; k < 20; k++) {
    const length = norm(axis);
    if (!(length > 0)) break;
    axis = times(
      C,
      axis.map((x) => x / length),
      columns,
      columns,
      1,
    );
  }
  const length = norm(axis),
    place = times(D, axis, rows, columns, 1);
  const unit = length > 0 && size > 0 ? 1 / (length * size) : 0;
  const side = place.reduce((s, x, i) => s + x * labels[i], 0) < 0 ? -unit : unit;
  return Float32Array.from(place, (x) => x * side);
}

export function constantLoss({ graph, n, config }) {
  // The loss of the best constant output: the variance of the labels, or the entropy of their frequencies.
  const share = graph.labels.filter((y) => y > 0).length / n;
  if (config.loss === "mse") return 4 * share * (1 - share);
  return -[share, 1 - share].reduce((s, f) => s + (f > 0 ? f * Math.log(f) : 0), 0);
}

export function outputBound({ P, X, n, weights, widths, config }) {
  // (F): the deviation of the output is at most lambda^(L+1) prod s_k sigma(X); null where a remedy is not covered.
  if (config.remedy === "residual" || config.remedy === "pairnorm") return null;
  const factors = weights.map((W, k) => P.rate * spectralNorm(W, widths[k], widths[k + 1]));
  return factors.reduce((product, factor) => product * factor, spread(X, n, widths[0]).deviation);
}

export function floorOfLoss(net) {
  // What the loss cannot fall below with these weights, from lambda and the norms alone.
  const bound = outputBound(net),
    constant = constantLoss(net),
    { graph, n, config } = net;
  if (bound === null) return null;
  if (config.loss === "mse") return Math.max(0, Math.sqrt(constant) - bound) ** 2;
  const share = graph.labels.filter((y) => y > 0).length / n;
  return Math.max(0, constant - Math.sqrt(1 - share * share - (1 - share) ** 2) * bound);
}

export function accuracy({ graph, outputs, n }, output) {
  const right = graph.labels.filter((y, i) =>
    outputs === 1 ? output[i] * y > 0 : (output[2 * i + 1] - output[2 * i]) * y > 0,
  );
  return right.length / n;
}

export function measure(net, signals) {
  // All that the page draws of one state: per layer and, for the picture, per node.
  const { n, widths, graph } = net;
  const layers = (list, shift, factor) =>
    list.map((X, k) => {
      const s = spread(X, n, widths[k + shift]);
      return {
        ratio: s.ratio,
        size: factor * s.size,
        deviation: factor * s.deviation,
        lengths: Float32Array.from(s.lengths),
        distances: Float32Array.from(s.distances),
        colour: colours(X, n, widths[k + shift], graph.labels, s),
      };
    });
  return {
    step: net.step,
    loss: signals.loss,
    accuracy: accuracy(net, signals.output),
    gradient: signals.gradients.map(norm),
    floor: floorOfLoss(net),
    features: layers(signals.features, 0, 1),
    errors: layers(signals.errors, 1, n),
  };
}

export function run(config) {
  // All numbers of one run, as plain arrays: signals at the start, then `steps` updates.
  const net = build(config),
    rows = (A, columns) =>
      Array.from({ length: A.length / columns }, (_, i) => Array.from(A.subarray(i * columns, (i + 1) * columns)));
  const matrices = (list) => list.map((A, k) => rows(A, net.widths[k + 1])),
    initial = matrices(net.weights),
    start = pass(net);
  const seen = measure(net, start),
    bound = outputBound(net),
    history = [{ loss: start.loss, gradient: seen.gradient }];
  let signals = start;
  for (let step = 0; step < net.config.steps; step++) {
    update(net, signals.gradients);
    signals = pass(net);
    history.push({ loss: signals.loss, gradient: signals.gradients.map(norm) });
  }
  return {
    config: net.config,
    edges: net.graph.pairs,
    labels: net.graph.labels,
    nodes: net.n,
    lambda: net.P.lambda,
    constant: constantLoss(net),
    bound,
    floor: seen.floor,
    weights: initial,
    trained: matrices(net.weights),
    features: start.features.map((X, k) => rows(X, net.widths[k])),
    errors: matrices(start.errors),
    gradients: matrices(start.gradients),
    output: rows(start.output, net.outputs),
    loss: start.loss,
    history,
    accuracy: accuracy(net, signals.output),
    ratio: { features: seen.features.map((s) => s.ratio), errors: seen.errors.map((s) => s.ratio) },
    size: { features: seen.features.map((s) => s.size), errors: seen.errors.map((s) => s.size) },
  };
}
