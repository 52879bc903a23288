/* What a link or a symbol means, shown where it is pointed at: theorems, equations, references, claims, and the symbols
   of the page Notation. The words come from data/previews.js, which is loaded when the first of them is asked for. */
(() => {
  const base = new URL(document.documentElement.dataset.content_root ?? "./", location.href);
  const WAIT = 150; // milliseconds, so that a pointer that only passes opens nothing
  let data, timer, shown;

  const load = () => (data ??= new Promise((resolve) => {
    const script = document.createElement("script");
    script.src = new URL("_static/data/previews.js", base);
    script.addEventListener("load", () => resolve(window.oversmoothPreviews));
    script.addEventListener("error", () => resolve({}));
    document.head.append(script);
  }));

  const formula = (container) => {
    for (const item of window.MathJax?.startup?.document?.math ?? []) {
      if (item.typesetRoot === container) return `tex:${item.math.replace(/\s/g, "")}`;
    }
    return null;
  };

  const keyOf = (element) => {
    if (element.matches("mjx-container")) return formula(element);
    const url = new URL(element.href, location.href);
    return url.pathname.startsWith(base.pathname) ? url.pathname.slice(base.pathname.length) + url.hash : null;
  };

  const hide = () => {
    clearTimeout(timer);
    if (shown) window.MathJax?.typesetClear?.([shown.tip]);
    shown?.tip.remove();
    shown?.element.removeAttribute("aria-describedby");
    shown = null;
  };

  const place = (tip, element) => {
    const at = element.getBoundingClientRect(), size = tip.getBoundingClientRect();
    const left = Math.max(8, Math.min(at.left, document.documentElement.clientWidth - size.width - 8));
    const below = at.bottom + 6, above = at.top - size.height - 6;
    const top = below + size.height > innerHeight && above > 0 ? above : below;
    tip.style.left = `${left + scrollX}px`;
    tip.style.top = `${top + scrollY}px`;
  };

  const show = async (element) => {
    const text = (await load())[keyOf(element)];
    if (!text || !element.isConnected) return;
    hide();
    const tip = document.createElement("div");
    tip.className = "preview";
    tip.id = "preview";
    tip.setAttribute("role", "tooltip");
    tip.innerHTML = text; // written by this book's own build
    document.body.append(tip);
    element.setAttribute("aria-describedby", "preview");
    shown = { tip, element };
    place(tip, element);
    await window.MathJax?.typesetPromise?.([tip]);
    if (shown?.tip === tip) place(tip, element);
  };

  const pointed = (event) => event.target.closest?.(".bd-article a.reference[href*='#'], .bd-article mjx-container");
  const soon = (action) => { clearTimeout(timer); timer = setTimeout(action, WAIT); };

  document.addEventListener("pointerover", (event) => {
    if (event.pointerType === "touch") return;
    const element = pointed(event);
    if (element && element !== shown?.element) soon(() => show(element));
    else if (event.target.closest?.(".preview") || element) clearTimeout(timer);
    else if (shown) soon(hide);
    else clearTimeout(timer);
  });
  document.addEventListener("focusin", (event) => { const link = pointed(event); if (link) show(link); else hide(); });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
})();
