/* Unfold loads Chart.js (200 KB) on every page for components that we do not use: our
   charts are Plotly's. This stands in for it. */
window.Chart = class Chart {
  static defaults = { font: {} };

  destroy() {}

  update() {}
};
