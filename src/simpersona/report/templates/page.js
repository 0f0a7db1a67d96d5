(() => {
  "use strict";
  const split = (text) => text.toLowerCase().split(/\s+/).filter(Boolean);

  // --- the persona map --------------------------------------------------------------------------
  const map = document.querySelector("[data-map]");
  if (map) {
    const aside = document.querySelector(".map-card");
    const show = (link) => {
      const card = document.getElementById(`persona-${link.dataset.code}`);
      aside.replaceChildren(...[...card.children].filter((part) => !part.matches("details")).map((part) => part.cloneNode(true)));
      map.querySelector(".shown")?.classList.remove("shown");
      link.classList.add("shown");
    };
    for (const link of map.querySelectorAll("a")) {
      link.addEventListener("pointerenter", () => show(link));
      link.addEventListener("focus", () => show(link));
    }
    show(map.querySelector("a"));
    document.querySelector("[data-choice]").addEventListener("change", (event) => {
      map.dataset.by = event.target.value;
      for (const legend of document.querySelectorAll("[data-legend]")) {
        legend.hidden = (legend.dataset.legend === "stratum") !== (event.target.value === "stratum");
      }
    });
  }

  // --- the cards ----------------------------------------------------------------------------------
  const FEW = 12;
  const holder = document.getElementById("cards");
  if (holder) {
    const cards = [...holder.children];
    const text = new Map(cards.map((card) => [card, card.textContent.toLowerCase()]));
    const form = document.querySelector("[data-cards-filter]");
    const more = document.querySelector("[data-more]");
    const count = document.querySelector("[data-cards-count]");
    let all = false;
    const draw = () => {
      const terms = split(form.text.value);
      const fits = cards.filter((card) =>
        terms.every((word) => text.get(card).includes(word)) &&
        ["stratum", "purchase"].every((name) => !form[name].value || card.dataset[name] === form[name].value));
      const by = form.order.value;
      const sign = by === "code" ? 1 : -1;
      fits.sort((a, b) => sign * (Number(a.dataset[by]) - Number(b.dataset[by])) || Number(a.dataset.code) - Number(b.dataset.code));
      holder.append(...fits);
      const shown = new Set(all ? fits : fits.slice(0, FEW));
      for (const card of cards) card.hidden = !shown.has(card);
      more.hidden = shown.size === fits.length;
      more.textContent = `Show all ${fits.length} personas`;
      count.textContent = fits.length === cards.length && shown.size < fits.length ? `${shown.size} of ${cards.length} personas` : `${fits.length} of ${cards.length} personas match`;
    };
    form.addEventListener("input", draw);
    form.addEventListener("submit", (event) => event.preventDefault());
    more.addEventListener("click", () => { all = true; draw(); });
    document.addEventListener("click", (event) => {  // a link to a card that is not shown
      const link = event.target.closest('a[href^="#persona-"]');
      const card = link && document.getElementById((link.getAttribute("href") ?? "").slice(1));
      if (!card) return;
      event.preventDefault();
      card.hidden = false;
      card.scrollIntoView({ block: "center" });
      card.focus({ preventScroll: true });
    });
    draw();
  }

  // --- the stores -----------------------------------------------------------------------------------
  const stores = document.querySelector("[data-stores-filter]");
  stores?.addEventListener("input", () => {
    const terms = split(stores.value);
    for (const store of document.getElementById("store-list").children) {
      const text = store.textContent.toLowerCase();
      store.hidden = !terms.every((word) => text.includes(word));
    }
  });
  stores?.form.addEventListener("submit", (event) => event.preventDefault());

  // --- the navigation marks the current section -----------------------------------------------
  const links = new Map([...document.querySelectorAll("nav li a")].map((link) => [link.hash.slice(1), link]));
  const reading = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      const link = links.get(target.id);
      link?.classList.toggle("here", isIntersecting);
      if (isIntersecting) link?.setAttribute("aria-current", "true"); else link?.removeAttribute("aria-current");
    }
  }, { rootMargin: "-20% 0px -79% 0px" });
  document.querySelectorAll("section").forEach((section) => reading.observe(section));
})();
