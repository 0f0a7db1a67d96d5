(async () => {
  "use strict";
  const place = document.querySelector("[data-player]");
  const packed = document.getElementById("visit-data").textContent.trim();
  const pictures = JSON.parse(document.getElementById("visit-pictures").textContent);

  // everything that comes from data becomes text, never markup
  const el = (tag, props = {}, ...inside) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(props)) {
      if (name === "class") made.className = value;
      else if (name === "click") made.addEventListener("click", value);
      else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...inside.filter((one) => one !== null && one !== ""));
    return made;
  };
  const unpack = async (text) => {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  };
  const ENDINGS = { goal_reached: "left by itself", steps_limit: "out of steps", time_limit: "out of time", other: "broken off" };
  const REACHED = { order: "ordered", checkout: "began a checkout", cart: "filled the cart", product: "looked at products", nothing: "looked at no product" };
  const { episodes, pages } = await unpack(packed);
  const [list, view, form, count] = [".visits", ".visit", ".filters", ".count"].map((name) => place.querySelector(name));

  // --- filters and the list ---------------------------------------------------------------
  const values = (name) => [...new Set(episodes.map((one) => one[name]))];
  const fields = [
    ["shop", "store", values("shop").sort(), (value) => value],
    ["code", "persona", values("code").sort((a, b) => (a ?? -1) - (b ?? -1)), (value) => value ?? "none"],
    ["reached", "what it did", Object.keys(REACHED).filter((name) => values("reached").includes(name)), (value) => REACHED[value]],
    ["ending", "ending", values("ending"), (value) => ENDINGS[value] ?? value],
    ["policy", "who acts", values("policy"), (value) => value],
  ].filter(([, , found]) => found.length > 1);
  const chosen = {};
  for (const [name, words, found, told] of fields) {
    const select = el("select", { name }, el("option", { value: "" }, "all"), ...found.map((value, at) => el("option", { value: at }, String(told(value)))));
    select.addEventListener("change", () => {
      if (select.value === "") delete chosen[name]; else chosen[name] = found[Number(select.value)];
      filter();
    });
    form.append(el("label", {}, words, select));
  }
  const search = el("input", { type: "search", placeholder: "goal, page, action …" });
  search.addEventListener("input", () => filter());
  form.append(el("label", {}, "search", search));
  form.addEventListener("submit", (event) => event.preventDefault());

  const text = new Map();  // all words of a visit, gathered when first asked for
  const wordsOf = (one) => {
    if (!text.has(one)) {
      const steps = one.steps.map((step) => `${step.does ?? ""} ${step.why ?? ""} ${(step.arguments ?? []).join(" ")} ${pages[step.page].title}`);
      text.set(one, `${one.id} ${one.goal} ${one.shop} ${one.persona} ${one.summary} ${steps.join(" ")}`.toLowerCase());
    }
    return text.get(one);
  };
  const buttons = episodes.map((one, at) => el("li", {},
    el("button", { type: "button", click: () => open(at, 0) },
      el("b", {}, one.goal || "no goal"),
      el("span", { class: "quiet" }, `${one.shop} · ${one.code === null ? "no persona" : `persona ${one.code}`}`),
      el("span", {}, el("i", { class: `pill ${one.ending}` }, ENDINGS[one.ending] ?? one.ending), ` ${REACHED[one.reached]}, ${one.actions} action${one.actions === 1 ? "" : "s"}`))));
  list.append(...buttons);
  const filter = () => {
    const asked = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    episodes.forEach((one, at) => {
      const fits = Object.entries(chosen).every(([name, value]) => one[name] === value) && asked.every((word) => wordsOf(one).includes(word));
      buttons[at].hidden = !fits;
      shown += fits;
    });
    count.textContent = `${shown.toLocaleString("en")} of ${episodes.length.toLocaleString("en")} visits`;
  };

  // --- one visit ------------------------------------------------------------------------------
  let [visit, step] = [-1, 0];
  const told = (at, one) => {
    const found = one.steps[at];
    if (found.ends) return one.ending !== "goal_reached" && at === one.steps.length - 1 ? "Last page" : "Leaves";
    return (found.does || `${found.method} ${found.node}`) + (found.arguments ? `: ${found.arguments.join(", ")}` : "");
  };
  const failed = (found) => !found.ends && found.result !== "Action performed successfully";
  const fact = (name, value) => (value === "" || value === null ? null : el("div", {}, el("dt", {}, name), el("dd", {}, value)));
  const ROLES = { StaticText: "", RootWebArea: "page", DisclosureTriangle: "fold-out" };
  const LINE = /^\[(\d+-\d+)\] (\w+): (.*)$/;
  const treeLine = (line, found) => {
    const parts = LINE.exec(line);
    if (!parts) return el("li", {}, el("span", { class: "role" }), el("span", {}, line));
    const [, id, role, name] = parts;
    const acted = id === found.node;
    const kind = role === "link" || role === "button" ? "is-link" : role === "heading" || role === "RootWebArea" ? "is-heading" : "";
    return el("li", { class: acted ? "acted" : "", "data-node": id }, el("span", { class: "role" }, ROLES[role] ?? role),
      el("span", { class: kind }, name, acted ? el("span", { class: "mark" }, `← ${found.method}`) : null));
  };
  const pageOf = (one, at) => {
    const found = one.steps[at];
    const page = pages[found.page];
    const picture = pictures[`${one.id}/${at}`];
    return el("div", { class: "window" },
      el("div", { class: "bar" }, el("b", {}, page.title || "untitled page"), el("span", { class: "url quiet" }, page.url)),
      picture ? el("img", { src: `data:image/jpeg;base64,${picture}`, alt: `Screenshot of ${page.title || page.url}` }) : null,
      el("ul", { class: "tree", tabindex: 0, "aria-label": "The page as the shopper reads it" }, ...page.tree.split("\n").map((line) => treeLine(line, found))));
  };
  const answer = (words, text) => (text ? el("details", {}, el("summary", { class: "quiet" }, words), el("pre", {}, text)) : null);
  const show = () => {
    const one = episodes[visit];
    const found = one.steps[step];
    const last = one.steps.length - 1;
    const facts = el("dl", { class: "facts" },
      fact("store", one.shop), fact("persona", one.persona), fact("acts", one.policy), fact("ended", ENDINGS[one.ending] ?? one.ending),
      fact("the store recorded", one.deeds), fact("took", `${one.seconds.toFixed(1)} s`), fact("tokens", one.tokens ? one.tokens.toLocaleString("en") : ""),
      fact("judge", one.verdict), fact("visit", one.id));
    const parts = [el("h3", {}, one.goal || "no goal"), one.summary ? el("p", { class: "quiet" }, `${one.persona}: ${one.summary}`) : null, facts,
      one.error ? el("p", { class: "failed" }, one.error) : null];
    if (!found) { view.replaceChildren(...parts.filter(Boolean), el("p", { class: "quiet" }, "No page was seen.")); return; }
    const back = el("button", { type: "button", class: "control", disabled: step === 0, click: () => go(step - 1) }, "← Back");
    const next = el("button", { type: "button", class: "control", disabled: step === last, click: () => go(step + 1) }, "Next →");
    const stepper = el("div", { class: "stepper" }, back, next, el("span", { role: "status" }, `Step ${step + 1} of ${last + 1}`), el("span", { class: "quiet" }, "← and → on the keyboard"));
    const steps = el("ol", { class: "steps", "aria-label": "Steps" }, ...one.steps.map((other, at) => el("li", {},
      el("button", { type: "button", "aria-current": at === step ? "step" : null, class: failed(other) ? "failed" : "", click: () => go(at) }, `${at + 1}. ${told(at, one)}`))));
    const deed = el("div", { class: "deed" },
      el("p", {}, el("b", {}, told(step, one))),
      found.why ? el("p", { class: "why" }, `“${found.why}”`) : null,
      el("p", { class: failed(found) ? "failed" : "quiet" }, found.result ?? ""),
      el("p", { class: "quiet" }, [`${(found.seconds ?? 0).toFixed(2)} s`, found.tokens ? `${found.tokens.toLocaleString("en")} tokens` : "", found.troubles ? `survived: ${found.troubles.join(", ")}` : ""].filter(Boolean).join(" · ")),
      answer("Why the first answer could not be used", found.refused), answer("The model's answer, word for word", found.reply));
    view.replaceChildren(...parts.filter(Boolean), stepper, el("div", { class: "stepping" }, steps, el("div", {}, pageOf(one, step), deed)));
    const acted = view.querySelector(".acted");
    const tree = view.querySelector(".tree");
    if (acted) tree.scrollTop = acted.offsetTop - tree.offsetTop - tree.clientHeight / 3;
    const now = view.querySelector(".steps [aria-current]");
    const strip = view.querySelector(".steps");
    if (now) strip.scrollTop = now.offsetTop - strip.offsetTop - strip.clientHeight / 2;
    if ("linked" in place.dataset) history.replaceState(null, "", `#${encodeURIComponent(one.id)}/${step + 1}`);
  };
  const go = (to) => {
    if (to < 0 || to >= episodes[visit].steps.length) return;
    const inside = view.contains(document.activeElement) ? document.activeElement : null;
    const label = inside?.classList.contains("control") ? inside.textContent : null;
    step = to;
    show();
    if (!inside) return;
    const again = [...view.querySelectorAll(".control")].find((one) => one.textContent === label && !one.disabled);
    (again ?? view.querySelector(".steps [aria-current]"))?.focus({ preventScroll: true });
  };
  const open = (at, to) => {
    buttons[visit]?.firstChild.removeAttribute("aria-current");
    [visit, step] = [at, Math.min(Math.max(to, 0), Math.max(episodes[at].steps.length - 1, 0))];
    const entry = buttons[visit];
    entry.firstChild.setAttribute("aria-current", "true");
    const [top, bottom] = [list.scrollTop, list.scrollTop + list.clientHeight - entry.offsetHeight];
    const now = entry.offsetTop - list.offsetTop;
    if (now < top || now > bottom) list.scrollTop = now - list.clientHeight / 3;
    show();
  };
  place.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.matches("input, select")) return;
    if (event.key === "ArrowRight") { go(step + 1); event.preventDefault(); }
    if (event.key === "ArrowLeft") { go(step - 1); event.preventDefault(); }
  });
  filter();
  const [id, at] = "linked" in place.dataset ? location.hash.slice(1).split("/").map(decodeURIComponent) : [];
  const asked = episodes.findIndex((one) => one.id === id);
  const deepest = Object.keys(REACHED).map((name) => episodes.findIndex((one) => one.reached === name)).find((found) => found >= 0) ?? 0;
  if (episodes.length) open(asked < 0 ? deepest : asked, asked < 0 ? 0 : Number(at) - 1 || 0);
  place.dataset.ready = "yes";
})();
