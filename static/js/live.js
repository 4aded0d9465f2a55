// The live feed: a socket that hints, a page that reads the database again when in doubt.
// States: live, paused, reconnecting, polling. The feed waits while it is hovered or
// focused, so nothing moves under the pointer.

const overview = document.getElementById("overview");
const texts = JSON.parse(document.getElementById("texts").textContent);
const ROWS = 8;
const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 30_000;
const POLL_MS = 10_000;
const POLL_AFTER_FAILURES = 3;
const HIDDEN_MS = 60_000;
const SILENCE_MS = 50_000; // the server says something every 20 s
const TILES_MS = 15_000;
const LOOKS = {
  live: ["●", texts.live],
  paused: ["⏸", texts.paused],
  reconnecting: ["▲", texts.reconnecting],
  polling: ["○", texts.polling],
};

let socket = null;
let failures = 0;
let everOpen = false;
let paused = false;
let held = false;
let waiting = [];
let waitingCount = 0;
let tilesReadAt = Date.now();
let retryTimer = 0;
let pollTimer = 0;
let silenceTimer = 0;
let hiddenTimer = 0;

const panel = (name) => overview.querySelector(`.panel-body[data-panel=${name}]`);
const refresh = (name) => panel(name) && window.htmx.trigger(panel(name), "refresh");

// --- The state, as a word and a glyph --------------------------------------------------------
function show(state) {
  const button = document.getElementById("live-state");
  if (!button) return;
  const [glyph, word] = LOOKS[paused ? "paused" : state];
  button.dataset.state = paused ? "paused" : state;
  button.querySelector(".glyph").textContent = glyph;
  button.querySelector(".word").textContent = word;
  button.setAttribute("aria-pressed", String(paused));
}

function state() {
  if (socket?.readyState === WebSocket.OPEN) return isUnheard() ? "polling" : "live";
  return failures >= POLL_AFTER_FAILURES ? "polling" : "reconnecting";
}

// --- The socket --------------------------------------------------------------------------------
function connect() {
  clearTimeout(retryTimer);
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  socket = new WebSocket(`${scheme}//${location.host}${overview.dataset.socket}`);
  socket.onopen = () => {
    failures = 0;
    clearInterval(pollTimer);
    subscribe();
    show(state());
    if (everOpen) heal(); // what was settled meanwhile was told to nobody here
    everOpen = true;
  };
  socket.onmessage = (event) => {
    listenForSilence();
    take(JSON.parse(event.data));
  };
  socket.onclose = (event) => lost(event.code);
}

// News of a call tell neither its user nor its experiment: such pages are read again.
const UNHEARD = ["user", "exp"];
const HEARD = ["team", "agent", "model", "prompt", "key", "status"];
const asked = () => new FormData(document.getElementById("filters"));
const isUnheard = () => UNHEARD.some((name) => asked().has(name));
const isOver = () => document.getElementById("filterbar").hasAttribute("data-over");

function subscribe() {
  clearInterval(pollTimer);
  const form = asked();
  const say = (type, topics, rest) => socket.send(JSON.stringify({ type, topics, ...rest }));
  if (isUnheard()) {
    say("unsubscribe", ["calls", "kpi"]);
    pollTimer = setInterval(heal, POLL_MS);
    return;
  }
  const filters = Object.fromEntries(HEARD.map((name) => [name, form.getAll(name)]));
  say("subscribe", ["calls"], { filters });
  say(isOver() ? "unsubscribe" : "subscribe", ["kpi"], isOver() ? {} : { filters });
}

function lost(code) {
  clearTimeout(silenceTimer);
  if (code === 4401) return location.reload(); // the login page says why
  failures += 1;
  if (document.hidden && hiddenTimer === null) return undefined; // until the page is seen again
  const longest = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** failures);
  retryTimer = setTimeout(connect, longest * (0.5 + Math.random() / 2));
  if (failures === POLL_AFTER_FAILURES) pollTimer = setInterval(heal, POLL_MS);
  return show(state());
}

function listenForSilence() {
  clearTimeout(silenceTimer);
  silenceTimer = setTimeout(() => socket.close(), SILENCE_MS);
}

// --- What it says -----------------------------------------------------------------------------
function take(frame) {
  if (frame.type === "resync") heal();
  if (frame.type === "calls") calls(frame);
  if (frame.type === "kpi" && !paused) sums(frame);
}

function heal() {
  if (overview.hasAttribute("data-first-run")) return location.reload();
  if (paused || held) {
    waitingCount = Math.max(waitingCount, 1);
    return announce();
  }
  waiting = [];
  waitingCount = 0;
  refresh("feed");
  return refresh("tiles");
}

function calls(frame) {
  if (overview.hasAttribute("data-first-run")) return location.reload();
  waiting = [...frame.rows, ...waiting].slice(0, ROWS);
  waitingCount += frame.count;
  return paused || held ? announce() : insert();
}

function announce() {
  const button = document.getElementById("feed-new");
  if (!button) return;
  const words = waitingCount === 1 ? texts.newCall : texts.newCalls.replace("{n}", waitingCount);
  button.textContent = `${words} ↑`;
  button.hidden = waitingCount === 0;
}

function insert() {
  const table = document.getElementById("feed");
  if (!table) return;
  if (waitingCount && !waiting.length) return refresh("feed");
  const body = table.tBodies[0];
  for (const row of [...waiting].reverse()) {
    if (!body.querySelector(`tr[data-id="${row.id}"]`)) body.prepend(element(row));
  }
  while (body.rows.length > ROWS) body.rows[body.rows.length - 1].remove();
  waiting = [];
  waitingCount = 0;
  table.hidden = false;
  document.getElementById("feed-empty").hidden = true;
  announce();
}

function element(row) {
  const line = document.getElementById("feed-row").content.firstElementChild.cloneNode(true);
  const cell = (name) => line.querySelector(`[data-cell=${name}]`);
  line.dataset.id = row.id;
  line.classList.add("is-new");
  cell("time").querySelector("a").href = row.url;
  const time = cell("time").querySelector("time");
  time.dateTime = row.at;
  time.title = row.at;
  time.textContent = row.time;
  cell("status").className = `level-${row.look}`;
  cell("status").querySelector(".glyph").textContent = row.glyph;
  cell("status").querySelector(".word").textContent = row.status;
  cell("model").querySelector(".swatch").className = `swatch slot-${row.slot}`;
  cell("model").querySelector(".word").textContent = row.model;
  for (const name of ["agent", "tokens", "latency", "cost"]) cell(name).textContent = row[name];
  return line;
}

// --- Tiles: add what is told, read again now and then ----------------------------------------
const lang = document.documentElement.lang;
const number = (value, digits = 0) =>
  value.toLocaleString(lang, { minimumFractionDigits: digits, maximumFractionDigits: digits });

function money(value) {
  if (value < 1) return null; // few digits count: the server writes them
  const digits = value >= 100 ? 0 : 2;
  return lang === "fr" ? `${number(value, digits)}\u202f$` : `$${number(value, digits)}`;
}

function tokens(value) {
  for (const [unit, divisor, letter] of [[1e9, 1e9, "G"], [1e6, 1e6, "M"], [1e4, 1e3, "k"]]) {
    if (value >= unit) {
      const scaled = value / divisor;
      return `${number(scaled, scaled >= 100 ? 0 : 1)}\u202f${letter}`;
    }
  }
  return number(value);
}

function add(tile, amount, written) {
  const place = overview.querySelector(`[data-tile=${tile}] .tile-value`);
  if (!place?.dataset.value) return;
  const value = Number(place.dataset.value) + Number(amount);
  place.dataset.value = String(value);
  const text = written(value);
  if (text !== null) place.textContent = text;
}

function sums(frame) {
  add("calls", frame.calls, number);
  add("spend", frame.cost_usd, money);
  add("tokens", frame.tokens, tokens);
  if (Date.now() - tilesReadAt > TILES_MS) {
    tilesReadAt = Date.now();
    refresh("tiles");
  }
}

// --- Waiting: paused by hand, or held while somebody reads -------------------------------------
function resume() {
  if (!paused && !held && waitingCount) insert();
}

overview.addEventListener("click", (event) => {
  if (event.target.closest("#live-state")) {
    paused = !paused;
    show(state());
    if (!paused) heal();
  }
  if (event.target.closest("#feed-new")) {
    paused = false;
    held = false;
    show(state());
    insert();
  }
});

const inFeed = (target) => Boolean(target?.closest?.("#panel-feed"));
for (const [name, holds] of [["mouseover", true], ["mouseout", false], ["focusin", true], ["focusout", false]]) {
  overview.addEventListener(name, (event) => {
    if (!inFeed(event.target)) return;
    held = holds || inFeed(event.relatedTarget);
    resume();
  });
}

document.addEventListener("visibilitychange", () => {
  clearTimeout(hiddenTimer);
  if (document.hidden) {
    hiddenTimer = setTimeout(() => {
      hiddenTimer = null;
      socket?.close();
    }, HIDDEN_MS);
  } else if (socket?.readyState !== WebSocket.OPEN) {
    hiddenTimer = 0;
    connect();
    heal();
  }
});

document.body.addEventListener("filters-changed", () => {
  waiting = [];
  waitingCount = 0;
  announce();
  show(state());
  if (socket?.readyState === WebSocket.OPEN) subscribe();
});

// A filter bar that was drawn anew knows nothing of the socket.
document.body.addEventListener("htmx:afterSwap", () => show(state()));

connect();
