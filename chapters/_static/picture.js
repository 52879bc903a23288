/* The landing page's picture plays once, by its style sheet; this adds the button that stops it and plays it again. */
document.addEventListener("DOMContentLoaded", () => {
  const picture = document.querySelector(".picture");
  if (!picture || matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "picture-play";
  button.textContent = "Pause";
  picture.after(button);
  const last = picture.querySelector(".errors .signal");
  last.addEventListener("animationend", () => { button.textContent = "Play again"; });
  button.addEventListener("click", () => {
    if (button.textContent === "Play again") {
      picture.classList.add("still");
      picture.getBoundingClientRect(); // the animations end here, and begin anew below
      picture.classList.remove("still");
      button.textContent = "Pause";
    } else {
      button.textContent = picture.classList.toggle("paused") ? "Play" : "Pause";
    }
  });
});
