// Single keys, on every page: ignored inside inputs and editors, and they can be switched
// off in the help (WCAG 2.1.4). Ctrl+K, Ctrl+E and / are the frame's own.
(() => {
  const STORED = "devora-keys-off";
  const PAGES = {
    o: "/",
    c: "/admin/costs/call/",
    b: "/admin/costs/budget/",
    p: "/admin/prompts/prompt/",
    e: "/admin/experiments/experiment/",
    r: "/admin/rag/corpus/",
    m: "/admin/llm/model/",
    k: "/admin/llm/apikey/",
  };
  const GO_MS = 1500;
  let goUntil = 0;

  const isOff = () => localStorage.getItem(STORED) === "1";
  const click = (selector) => document.querySelector(selector)?.click();

  function isTyping(target) {
    return target.isContentEditable || target.closest("input:not([type=radio],[type=checkbox]), textarea, select, .cm-editor");
  }

  function openHelp() {
    const help = document.getElementById("keyboard-help");
    const box = document.getElementById("keyboard-on");
    box.checked = !isOff();
    box.onchange = () => localStorage.setItem(STORED, box.checked ? "0" : "1");
    help.showModal();
  }

  function openFilter() {
    const menu = document.querySelector(".filter-menu");
    if (!menu) return;
    menu.open = true;
    menu.querySelector("summary").focus();
  }

  const KEYS = {
    t: () => document.querySelector("#ranges input:checked")?.focus(),
    f: openFilter,
    l: () => click("#live-state"),
    x: () => click("[data-action=csv]"),
    y: () => document.dispatchEvent(new CustomEvent("devora:copy-link")),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "?") {
      event.preventDefault();
      openHelp();
      return;
    }
    if (isOff()) return;
    if (goUntil > Date.now() && PAGES[event.key]) {
      window.location.assign(PAGES[event.key]);
    } else if (event.key === "g") {
      goUntil = Date.now() + GO_MS;
    } else if (KEYS[event.key]) {
      event.preventDefault();
      KEYS[event.key]();
    }
  });
})();
