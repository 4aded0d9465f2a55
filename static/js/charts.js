// Draws the figures that the server built: the browser adds theme, colours and locale.
// Plotly is fetched when the first chart comes near the screen, after the first paint.

const overview = document.getElementById("overview");
const texts = JSON.parse(document.getElementById("texts").textContent);
const root = document.documentElement;
const language = root.lang;

// On every newPlot and react: without it Plotly falls back to defaults that offer to
// upload the chart to somebody else's server.
const config = {
  displayModeBar: false,
  displaylogo: false,
  showSendToCloud: false,
  plotlyServerURL: "",
  responsive: true,
  scrollZoom: false,
  locale: language,
};

// --- Plotly and its language -------------------------------------------------------------
let plotly;

function loadPlotly() {
  plotly ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = overview.dataset.plotly;
    script.onload = () => {
      if (language !== "en") window.Plotly.register(localeModule());
      resolve(window.Plotly);
    };
    script.onerror = reject;
    document.head.append(script);
  });
  return plotly;
}

function localeModule() {
  const named = (options, dates) =>
    dates.map((date) => new Intl.DateTimeFormat(language, { ...options, timeZone: "UTC" }).format(date));
  const months = Array.from({ length: 12 }, (_, month) => new Date(Date.UTC(2024, month, 15)));
  const days = Array.from({ length: 7 }, (_, day) => new Date(Date.UTC(2024, 8, 1 + day))); // a Sunday
  return {
    moduleType: "locale",
    name: language,
    dictionary: {},
    format: {
      days: named({ weekday: "long" }, days),
      shortDays: named({ weekday: "short" }, days),
      months: named({ month: "long" }, months),
      shortMonths: named({ month: "short" }, months),
      date: "%d/%m/%Y",
      decimal: ",",
      thousands: "\u202f",
    },
  };
}

// --- Theme ---------------------------------------------------------------------------------
function token(name) {
  return getComputedStyle(root).getPropertyValue(name).trim();
}

function axis(base) {
  const font = { color: token("--muted"), size: 11, family: "Inter, sans-serif" };
  return { ...base, gridcolor: token("--line"), linecolor: token("--line"), zerolinecolor: token("--line"), tickfont: font };
}

function themedLayout(layout) {
  return {
    ...layout,
    font: { family: "Inter, sans-serif", size: 12, color: token("--text") },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    xaxis: { ...axis(layout.xaxis), showgrid: false },
    yaxis: axis(layout.yaxis),
    hoverlabel: { bgcolor: token("--surface"), bordercolor: token("--line"), font: { color: token("--text"), size: 12 } },
    annotations: (layout.annotations ?? []).map((one) => ({ ...one, font: { color: token("--text"), size: 11 } })),
  };
}

const LINES = {
  p50: { width: 2.5, dash: "solid", color: "--slot-1" },
  p95: { width: 1.5, dash: "solid", color: "--line-p95" },
  p99: { width: 1.5, dash: "dot", color: "--line-p99" },
};

function themedTrace(trace) {
  if (trace.meta.line) {
    const look = LINES[trace.meta.line];
    return { ...trace, line: { ...look, color: token(look.color) }, marker: { ...trace.marker, color: token(look.color) } };
  }
  if (trace.meta.slot === undefined) return trace;
  const color = token(`--slot-${trace.meta.slot ? ((trace.meta.slot - 1) % 6) + 1 : 0}`);
  const pattern = { ...trace.marker.pattern, fillmode: "replace", fgcolor: color, bgcolor: token("--pattern-ground"), size: 5, solidity: 0.5 };
  return { ...trace, marker: { ...trace.marker, color, pattern, line: { color: token("--surface"), width: 1 } } };
}

// --- Drawing -------------------------------------------------------------------------------
function figureOf(plot) {
  const source = panelOf(plot).querySelector(`script#${plot.dataset.figure}`);
  plot.figure ??= JSON.parse(source.textContent);
  return plot.figure;
}

const panelOf = (element) => element.closest(".panel-body");

function tracesOf(plot) {
  const shown = plot.shown ?? new Set();
  return figureOf(plot).data.map((trace) => {
    const key = trace.meta.key ?? trace.meta.line;
    const themed = themedTrace(trace);
    return shown.size && key !== undefined && !shown.has(key) ? { ...themed, visible: false } : themed;
  });
}

async function draw(plot) {
  const Plotly = await loadPlotly();
  if (!plot.isConnected) return;
  const layout = themedLayout(figureOf(plot).layout);
  await Plotly.react(plot, tracesOf(plot), layout, config);
  plot.drawn = true;
  plot.classList.add("is-drawn");
}

const nearScreen = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      nearScreen.unobserve(entry.target);
      requestAnimationFrame(() => draw(entry.target));
    }
  },
  { rootMargin: "200px" },
);

function watch(place) {
  for (const plot of place.querySelectorAll(".plot[data-figure]")) nearScreen.observe(plot);
}

watch(document);
document.body.addEventListener("htmx:afterSwap", (event) => watch(event.detail.target));
document.body.addEventListener("htmx:beforeCleanupElement", (event) => {
  if (event.target.drawn) window.Plotly.purge(event.target);
});

let dark = root.classList.contains("dark");
new MutationObserver(() => {
  if (dark === root.classList.contains("dark")) return;
  dark = !dark;
  for (const plot of overview.querySelectorAll(".plot.is-drawn")) draw(plot);
}).observe(root, { attributeFilter: ["class"] });

// --- The legend: hover dims the others, a click isolates, Ctrl-click adds -----------------
function rowOf(event) {
  return event.target.closest?.(".legend tr[data-key]");
}

function plotOf(row) {
  return row.closest("figure").querySelector(".plot");
}

function dim(plot, key) {
  if (!plot.drawn) return;
  const opacities = plot.figure.data.map((trace) => {
    const own = trace.meta.key ?? trace.meta.line;
    return key === null || own === undefined || own === key ? 1 : 0.25;
  });
  window.Plotly.restyle(plot, { opacity: opacities });
}

overview.addEventListener("mouseover", (event) => {
  const row = rowOf(event);
  if (row && !row.contains(event.relatedTarget)) dim(plotOf(row), row.dataset.key);
});
overview.addEventListener("mouseout", (event) => {
  const row = rowOf(event);
  if (row && !row.contains(event.relatedTarget)) dim(plotOf(row), null);
});
overview.addEventListener("click", (event) => {
  const row = event.target.closest(".legend-name") && rowOf(event);
  if (!row) return;
  const plot = plotOf(row);
  const { key } = row.dataset;
  const before = plot.shown ?? new Set();
  if (event.ctrlKey || event.metaKey) {
    plot.shown = new Set(before);
    if (!plot.shown.delete(key)) plot.shown.add(key);
  } else {
    plot.shown = before.size === 1 && before.has(key) ? new Set() : new Set([key]);
  }
  for (const each of row.parentElement.rows) {
    each.querySelector("button").setAttribute("aria-pressed", String(plot.shown.has(each.dataset.key)));
    each.classList.toggle("is-off", plot.shown.size > 0 && !plot.shown.has(each.dataset.key));
  }
  draw(plot);
});

overview.addEventListener("chart-png", async (event) => {
  const plot = event.target.querySelector(".plot");
  const Plotly = await loadPlotly();
  Plotly.downloadImage(plot, { format: "png", scale: 2, filename: `devora-${plot.dataset.figure}` });
});
