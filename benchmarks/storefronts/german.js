// The controls of the German store, in the manner of Radix UI: a select that opens a list in a portal, modal dialogs that hide
// the rest of the page from assistive technology, and an addition to the cart by fetch.
(() => {
  const page = document.getElementById("seite");

  function hideOthers(hidden) {
    hidden ? page.setAttribute("aria-hidden", "true") : page.removeAttribute("aria-hidden");
  }

  // --- the banner ---------------------------------------------------------------------------
  const banner = document.getElementById("banner");
  banner?.querySelectorAll("button").forEach((button) =>
    button.addEventListener("click", () => {
      document.cookie = "zustimmung=1; path=/";
      fetch("/cookie-einwilligung", { method: "POST", body: "zustimmung=1" });
      banner.remove();
    }),
  );

  // --- the select ---------------------------------------------------------------------------
  const trigger = document.querySelector("[role=combobox]");
  let list = null;

  function close() {
    list?.remove();
    list = null;
    hideOthers(false);
    document.body.style.pointerEvents = "";
    trigger.setAttribute("aria-expanded", "false");
    trigger.dataset.state = "closed";
    trigger.focus();
  }

  function choose(value) {
    trigger.querySelector("span").textContent = value;
    trigger.dataset.value = value;
    close();
  }

  function open() {
    list = document.createElement("div");
    list.setAttribute("role", "listbox");
    list.setAttribute("aria-labelledby", "ausfuehrung");
    list.style.pointerEvents = "auto";
    for (const value of JSON.parse(trigger.dataset.values)) {
      const option = document.createElement("div");
      option.setAttribute("role", "option");
      option.setAttribute("aria-selected", String(trigger.dataset.value === value));
      option.tabIndex = -1;
      option.textContent = value;
      option.addEventListener("pointerup", () => choose(value));
      option.addEventListener("keydown", (event) => {
        const next = { ArrowDown: option.nextElementSibling, ArrowUp: option.previousElementSibling }[event.key];
        next?.focus();
        if (event.key === "Enter" || event.key === " ") choose(value);
        if (event.key === "Escape") close();
      });
      list.append(option);
    }
    const box = trigger.getBoundingClientRect();
    list.style.left = `${box.left + scrollX}px`;
    list.style.top = `${box.bottom + scrollY}px`;
    document.body.append(list);
    document.body.style.pointerEvents = "none"; // nothing but the list can be used
    hideOthers(true);
    trigger.setAttribute("aria-expanded", "true");
    trigger.dataset.state = "open";
    list.firstElementChild.focus();
  }

  trigger?.addEventListener("pointerdown", (event) => {
    if (event.button === 0 && !list) {
      event.preventDefault();
      open();
    }
  });
  trigger?.addEventListener("keydown", (event) => {
    if (["Enter", " ", "ArrowDown"].includes(event.key) && !list) {
      event.preventDefault();
      open();
    }
  });
  document.addEventListener("pointerdown", (event) => {
    if (list && !list.contains(event.target) && !trigger.contains(event.target)) close();
  });

  // --- the addition -------------------------------------------------------------------------
  function confirm(title, count) {
    const cover = document.createElement("div");
    cover.className = "decke";
    cover.innerHTML = `<div role="dialog" aria-modal="true" aria-label="Zum Warenkorb hinzugefügt"><h2>Zum Warenkorb hinzugefügt</h2>
      <p></p><button>Weiter einkaufen</button> <a href="/warenkorb">Zum Warenkorb</a></div>`;
    cover.querySelector("p").textContent = title;
    cover.querySelector("button").addEventListener("click", () => {
      cover.remove();
      hideOthers(false);
    });
    document.body.append(cover);
    hideOthers(true);
    const link = document.getElementById("korb");
    link.setAttribute("aria-label", `Warenkorb, ${count} Artikel`);
    const badge = link.querySelector(".badge") || link.appendChild(document.createElement("span"));
    badge.className = "badge";
    badge.textContent = count;
  }

  document.getElementById("hinein")?.addEventListener("click", async (event) => {
    const button = event.currentTarget;
    const hint = document.getElementById("hinweis");
    hint.textContent = "";
    button.disabled = true;
    const answer = await fetch("/warenkorb/positionen", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ artikelId: button.dataset.artikel, variante: trigger?.dataset.value || "", menge: 1 }),
    });
    const said = await answer.json();
    button.disabled = false;
    answer.ok ? confirm(said.titel, said.anzahl) : (hint.textContent = said.fehler);
  });
})();
