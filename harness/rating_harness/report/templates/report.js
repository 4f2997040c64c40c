"use strict";
// All that there is stands in the page without this: it searches, filters, moves, and opens a message beside its arrow.
(() => {
  const form = document.querySelector("form.filter");
  const scenarios = [...document.querySelectorAll("details.scenario")];
  const shown = () => scenarios.filter((each) => !each.hidden);
  const texts = new Map();
  const signs = { "&lt;": "<", "&gt;": ">", "&#34;": '"', "&#39;": "'", "&amp;": "&" };
  const plain = (html) => html.replace(/<[^>]*>/g, " ").replace(/&(?:lt|gt|#34|#39|amp);/g, (sign) => signs[sign]);
  const textOf = (each) => {
    if (!texts.has(each)) {
      const folded = each.querySelector(":scope > noscript");
      const text = folded ? each.querySelector("summary").textContent + plain(folded.textContent) : each.textContent;
      texts.set(each, text.toLowerCase());
    }
    return texts.get(each);
  };
  const unfold = (each) => {
    const folded = each.querySelector(":scope > noscript");
    folded?.replaceWith(document.createRange().createContextualFragment(folded.textContent));
  };
  const toggled = (event) => { if (event.target.matches("details.scenario") && event.target.open) unfold(event.target); };
  document.addEventListener("toggle", toggled, true);
  const wanted = location.hash.slice(1);
  if (wanted && !document.getElementById(wanted)) {
    const of = scenarios.find((each) => wanted.startsWith(`${each.id}-`));
    if (of) { unfold(of); of.open = true; document.getElementById(wanted)?.scrollIntoView(); }
  }
  const filter = () => {
    const words = form.words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const results = form.result.value.split(" ").filter(Boolean);
    const tag = form.tag.value;
    for (const each of scenarios) {
      each.hidden = !(
        (!results.length || results.some((result) => each.classList.contains(result))) &&
        (!tag || each.dataset.tags.split("\n").includes(tag)) &&
        words.every((word) => textOf(each).includes(word))
      );
    }
    const count = shown().length;
    form.querySelector("output").value = count < scenarios.length ? `${count} of ${scenarios.length}` : "";
  };
  let timer;
  form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(filter, 120); });
  form.addEventListener("submit", (event) => { event.preventDefault(); filter(); });
  form.hidden = false;
  filter();

  document.addEventListener("click", (event) => {
    const arrow = event.target.closest("svg.ladder a[href]");
    if (!arrow || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const id = arrow.getAttribute("href").slice(1);
    const frame = arrow.closest("div.wide");
    const before = frame.nextElementSibling;
    const wasOpen = before.classList.contains("opened");
    if (wasOpen) before.remove();
    if (wasOpen && before.dataset.of === id) return;
    const opened = document.getElementById(id).cloneNode(true);
    opened.removeAttribute("id");
    opened.dataset.of = id;
    opened.className = "opened";
    frame.after(opened);
    opened.scrollIntoView({ block: "nearest" });
  });

  const move = (among, step) => {
    const at = document.activeElement?.closest?.("details.scenario");
    const index = at ? scenarios.indexOf(at) : step > 0 ? -1 : scenarios.length;
    const rest = among.filter((each) => (scenarios.indexOf(each) - index) * step > 0);
    (step > 0 ? rest[0] : rest.at(-1))?.querySelector("summary").focus();
    document.activeElement.scrollIntoView({ block: "start" });
  };
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, select, textarea");
    if (event.key === "Escape" && typing) { form.words.value = ""; filter(); event.target.blur(); return; }
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const keys = {
      "/": () => form.words.focus(),
      j: () => move(shown(), 1),
      k: () => move(shown(), -1),
      n: () => move(shown().filter((each) => each.matches(".failed, .not-run")), 1),
    };
    if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
  });
})();
