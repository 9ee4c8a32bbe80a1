/** Lets Escape put away what a badge means, until the pointer or the focus comes again. All else works without it. */

const badges = document.querySelectorAll(".badge");

addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const badge of badges) {
    if (badge.matches(":hover, :focus-within")) badge.dataset.dismissed = "";
  }
});

for (const badge of badges) {
  for (const kind of ["pointerenter", "focusin", "click"]) {
    badge.addEventListener(kind, () => delete badge.dataset.dismissed);
  }
}
