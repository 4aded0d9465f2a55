// The Overview's panels: what they show while they load, when they fail, and their menus.
// A panel that has content keeps it when a refresh fails, and says since when.

const overview = document.getElementById("overview");
const texts = JSON.parse(document.getElementById("texts").textContent);
const SLOW_MS = 150;

const panelOf = (element) => element.closest?.(".panel-body");
const time = () => new Date().toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit" });

function settle(body) {
  clearTimeout(body.slowTimer);
  body.removeAttribute("aria-busy");
  body.classList.remove("is-slow");
}

function showFailure(body) {
  settle(body);
  if (body.dataset.filledAt) {
    body.dataset.stale = texts.stale.replace("{time}", body.dataset.filledAt);
    return;
  }
  body.replaceChildren(document.getElementById("panel-unreachable").content.cloneNode(true));
}

document.body.addEventListener("htmx:beforeRequest", (event) => {
  const body = panelOf(event.detail.elt);
  if (!body) return;
  body.setAttribute("aria-busy", "true");
  body.slowTimer = setTimeout(() => body.classList.add("is-slow"), SLOW_MS);
});

// htmx leaves errors alone; ours are HTML that belongs in the panel's place.
document.body.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr, target } = event.detail;
  const body = panelOf(target);
  if (!body || xhr.status < 400) return;
  const ours = xhr.getResponseHeader("X-Devora-Panel");
  if (ours && !body.dataset.filledAt) {
    event.detail.shouldSwap = true;
    event.detail.isError = false;
  } else {
    showFailure(body);
  }
});

document.body.addEventListener("htmx:afterSwap", (event) => {
  const body = panelOf(event.detail.target);
  if (!body) return;
  settle(body);
  delete body.dataset.stale;
  if (event.detail.xhr.status < 400) body.dataset.filledAt = time();
});

for (const name of ["htmx:sendError", "htmx:timeout", "htmx:sendAbort"]) {
  document.body.addEventListener(name, (event) => {
    const body = panelOf(event.detail.elt);
    if (body && name === "htmx:sendAbort") settle(body);
    else if (body) showFailure(body);
  });
}

// --- Filters -------------------------------------------------------------------------
overview.addEventListener("change", (event) => {
  if (event.target.name === "range") event.target.form.requestSubmit();
});

// The frame's own links lead to the calls behind what is shown now.
function carryFilters() {
  const { calls } = document.getElementById("filterbar").dataset;
  const path = new URL(calls, window.location).pathname;
  for (const link of document.querySelectorAll(`#nav-sidebar-inner a[href^="${path}"], .bottom-bar a[href^="${path}"]`)) link.href = calls;
}

carryFilters();
document.body.addEventListener("filters-changed", carryFilters);

document.addEventListener("click", (event) => {
  for (const menu of overview.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = document.activeElement?.closest?.("details.menu[open]");
  if (menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// --- Menus and buttons -----------------------------------------------------------------
function toast(message) {
  const place = document.getElementById("toast");
  place.textContent = message;
  place.hidden = false;
  clearTimeout(place.timer);
  place.timer = setTimeout(() => { place.hidden = true; }, 4000);
}

async function copy(text) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
  } else {
    copyOnPlainHttp(text);
  }
  toast(texts.copied);
}

// Browsers have no clipboard object for pages that came over http.
function copyOnPlainHttp(text) {
  const place = document.createElement("textarea");
  place.value = text;
  document.body.append(place);
  place.select();
  document.execCommand("copy");
  place.remove();
}

const actions = {
  retry: (button) => window.htmx.trigger(panelOf(button), "refresh"),
  table: (button) => {
    const table = panelOf(button).querySelector(".as-table");
    table.open = true;
    table.querySelector("summary").focus();
  },
  copy: () => copy(window.location.href),
  png: (button) => panelOf(button).dispatchEvent(new CustomEvent("chart-png", { bubbles: true })),
};

overview.addEventListener("click", (event) => {
  const button = event.target.closest("[data-action]");
  if (button) {
    actions[button.dataset.action]?.(button);
    button.closest("details.menu")?.removeAttribute("open");
  }
  const source = event.target.closest("[data-copy]");
  if (source) copy(document.getElementById(source.dataset.copy).textContent);
});

document.addEventListener("devora:copy-link", () => copy(window.location.href));

// Numbers of the last minutes are told by the socket; the rest is read again now and then.
setInterval(() => {
  if (document.hidden) return;
  for (const body of overview.querySelectorAll(".panel-body:not([data-panel=feed])")) {
    if (!body.querySelector("details[open]")) window.htmx.trigger(body, "refresh");
  }
}, 60_000);
