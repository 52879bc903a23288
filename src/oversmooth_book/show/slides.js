// One slide at a time: arrows, space, Page Up and Down, Home and End; a click goes on; the address names the slide.
(() => {
  const slides = [...document.querySelectorAll(".slide")];
  const asked = () => Math.min(slides.length, Math.max(1, Number.parseInt(location.hash.slice(1), 10) || 1)) - 1;
  let current = asked();
  const show = (place) => {
    current = Math.min(slides.length - 1, Math.max(0, place));
    slides.forEach((slide, number) => slide.classList.toggle("current", number === current));
    history.replaceState(null, "", `#${current + 1}`);
    document.title = `${current + 1}/${slides.length} ${slides[current].querySelector("h1").textContent}`;
  };
  const ways = {
    ArrowRight: 1, ArrowDown: 1, PageDown: 1, " ": 1, ArrowLeft: -1, ArrowUp: -1, PageUp: -1,
    Home: -slides.length, End: slides.length,
  };
  addEventListener("keydown", (event) => {
    if (!(event.key in ways) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    show(current + (event.key === " " && event.shiftKey ? -1 : ways[event.key]));
  });
  addEventListener("click", (event) => event.target.closest("a") || show(current + 1));
  addEventListener("hashchange", () => show(asked()));
  document.documentElement.classList.add("one");
  show(current);
})();
