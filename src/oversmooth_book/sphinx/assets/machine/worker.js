// Appended to engine.js, as the page's worker: builds a network, advances it for some milliseconds, tells what it is.
let net = null,
  signals = null,
  cost = 0;

function look() {
  const started = performance.now(),
    seen = measure(net, signals);
  cost = performance.now() - started;
  return seen;
}

function advance({ steps, budget }) {
  // At least twice as long as it takes to look: a slow machine spends its time on training.
  const until = performance.now() + Math.max(budget, 2 * cost),
    losses = [];
  while (losses.length < steps && Number.isFinite(signals.loss) && (!losses.length || performance.now() < until)) {
    update(net, signals.gradients);
    signals = pass(net);
    losses.push(signals.loss);
  }
  return losses;
}

const ANSWERS = {
  settings: () => ({ CHOICES, RANGES, DEFAULTS }),
  run: ({ config }) => run(config),
  build: ({ config }) => {
    net = build(config);
    signals = pass(net);
    const { graph, P, n } = net;
    return {
      pairs: graph.pairs,
      labels: graph.labels,
      names: graph.names,
      nodes: n,
      lambda: P.lambda,
      rate: P.rate,
      constant: constantLoss(net),
      state: look(),
    };
  },
  advance: (wanted) => {
    const losses = advance(wanted);
    return { losses, state: look() };
  },
};

onmessage = ({ data: { id, kind, ...wanted } }) => {
  try {
    postMessage({ id, answer: ANSWERS[kind](wanted) });
  } catch (error) {
    postMessage({ id, error: error.message });
  }
};
