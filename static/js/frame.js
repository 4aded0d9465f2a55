// The frame's own controls are divs and spans that only a mouse can click: here they get
// a role, a name and a place in the tab order, and Enter and Space click them.
(() => {
  const HANDLER = "x-on\\:click";
  // What a control's handler contains → the text that names it; none: what it shows.
  const CONTROLS = [
    ["openUserLinks =", "account"],
    ["opencommand", ""],
    ["sidebarDesktopOpen =", "sidebar"],
    ["sidebarMobileOpen =", "sidebar"],
    ["switchTheme(", ""],
    ["showPassword =", "password"],
    ["openRelatedWidgetWrapper = !", "related"],
    ["openActionsId", "actions"],
    ["rowOpen =", "row"],
  ];
  const CLICKABLE = ":is(div, span, td, a:not([href]))";
  const texts = () => document.getElementById("frame-texts")?.dataset ?? {};

  // Icons are words in a font of their own, which nobody should hear.
  function prepare(element, name) {
    const text = texts()[name];
    element.setAttribute("role", "button");
    element.tabIndex = 0;
    for (const icon of element.querySelectorAll(".material-symbols-outlined")) icon.setAttribute("aria-hidden", "true");
    if (element.querySelector(":not([aria-hidden])")) {
      if (text) element.insertAdjacentHTML("beforeend", `<span class="sr-only"></span>`);
      if (text) element.lastElementChild.textContent = text;
    } else if (text) {
      element.setAttribute("aria-label", text);
    }
  }

  function prepareAll() {
    for (const [handler, name] of CONTROLS) {
      for (const element of document.querySelectorAll(`${CLICKABLE}[${HANDLER}*="${handler}"]`)) prepare(element, name);
    }
  }

  // --- The account's menu opens above its control and is closed by any click elsewhere ---
  const account = () => document.querySelector(`[role=button][${HANDLER}*="openUserLinks ="]`);
  const accountMenu = () => account()?.parentElement.querySelector("nav");
  const isOpen = () => Boolean(accountMenu()?.checkVisibility());
  let enters = false;

  function followMenu() {
    if (!account()) return;
    const follow = () => {
      account().setAttribute("aria-expanded", String(isOpen()));
      if (enters && isOpen()) accountMenu().querySelector("[tabindex], a[href], button").focus();
      enters &&= !isOpen();
    };
    follow();
    new MutationObserver(follow).observe(accountMenu(), { attributeFilter: ["style", "x-cloak"] });
  }

  document.addEventListener("keydown", (event) => {
    const isControl = event.target.matches?.(`[role=button][${HANDLER}]`);
    if (isControl && (event.key === "Enter" || event.key === " ")) {
      event.preventDefault();
      enters = event.target === account();
      event.target.click();
    }
    if (event.key === "Escape" && isOpen()) {
      account().click();
      account().focus();
    }
  });

  function start() {
    prepareAll();
    followMenu();
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
