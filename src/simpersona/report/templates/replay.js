(async () => {
  "use strict";
  const player = document.querySelector("[data-player]");
  const packed = document.getElementById("visit-data").textContent.trim();
  const pictures = JSON.parse(document.getElementById("visit-pictures").textContent);

  // everything that comes from data becomes text, never markup
  const el = (tag, props = {}, ...inside) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(props)) {
      if (name === "class") element.className = value;
      else if (name === "click") element.addEventListener("click", value);
      else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...inside.filter((part) => part !== null && part !== ""));
    return element;
  };
  const unpack = async (text) => {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  };
  const ENDINGS = { goal_reached: "ended by the visitor", steps_limit: "out of steps", time_limit: "out of time", other: "broken off", checkout_reached: "stopped at the checkout" };
  const REACHED = { order: "ordered", checkout: "started a checkout", cart: "filled the cart", product: "looked at products", nothing: "looked at no product" };
  const { episodes, pages } = await unpack(packed);
  const [list, view, form, count] = [".visits", ".visit", ".filters", ".count"].map((name) => player.querySelector(name));

  // --- filters and the list ---------------------------------------------------------------
  const values = (name) => [...new Set(episodes.map((episode) => episode[name]))];
  const fields = [
    ["shop", "store", values("shop").sort(), (value) => value],
    ["code", "persona", values("code").sort((a, b) => (a ?? -1) - (b ?? -1)), (value) => value ?? "none"],
    ["reached", "what it did", Object.keys(REACHED).filter((name) => values("reached").includes(name)), (value) => REACHED[value]],
    ["ending", "ending", values("ending"), (value) => ENDINGS[value] ?? value],
    ["policy", "policy", values("policy"), (value) => value],
  ].filter(([, , choices]) => choices.length > 1);
  const chosen = {};
  for (const [name, label, choices, format] of fields) {
    const select = el("select", { name }, el("option", { value: "" }, "all"), ...choices.map((value, at) => el("option", { value: at }, String(format(value)))));
    select.addEventListener("change", () => {
      if (select.value === "") delete chosen[name]; else chosen[name] = choices[Number(select.value)];
      filter();
    });
    form.append(el("label", {}, label, select));
  }
  const search = el("input", { type: "search", placeholder: "goal, page, action …" });
  search.addEventListener("input", () => filter());
  form.append(el("label", {}, "search", search));
  form.addEventListener("submit", (event) => event.preventDefault());

  const texts = new Map();  // the searchable text of a visit, made at the first search
  const textOf = (episode) => {
    if (!texts.has(episode)) {
      const steps = episode.steps.map((step) => `${step.does ?? ""} ${step.why ?? ""} ${(step.arguments ?? []).join(" ")} ${pages[step.page].title}`);
      texts.set(episode, `${episode.id} ${episode.goal} ${episode.shop} ${episode.persona} ${episode.summary} ${steps.join(" ")}`.toLowerCase());
    }
    return texts.get(episode);
  };
  const buttons = episodes.map((episode, at) => el("li", {},
    el("button", { type: "button", click: () => open(at, 0) },
      el("b", {}, episode.goal || "no goal"),
      el("span", { class: "quiet" }, `${episode.shop} · ${episode.code === null ? "no persona" : `persona ${episode.code}`}`),
      el("span", {}, el("i", { class: `pill ${episode.ending}` }, ENDINGS[episode.ending] ?? episode.ending), ` ${REACHED[episode.reached]}, ${episode.actions} action${episode.actions === 1 ? "" : "s"}`))));
  list.append(...buttons);
  const filter = () => {
    const terms = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    episodes.forEach((episode, at) => {
      const fits = Object.entries(chosen).every(([name, value]) => episode[name] === value) && terms.every((word) => textOf(episode).includes(word));
      buttons[at].hidden = !fits;
      shown += fits;
    });
    count.textContent = `${shown.toLocaleString("en")} of ${episodes.length.toLocaleString("en")} visits`;
  };

  // --- episode visit ------------------------------------------------------------------------------
  let [visit, step] = [-1, 0];
  const actionText = (at, episode) => {
    const current = episode.steps[at];
    if (current.ends) return episode.ending !== "goal_reached" && at === episode.steps.length - 1 ? "Last page" : "Leaves";
    return (current.does || `${current.method} ${current.node}`) + (current.arguments ? `: ${current.arguments.join(", ")}` : "");
  };
  const failed = (current) => !current.ends && current.result !== "Action performed successfully";
  const fact = (name, value) => (value === "" || value === null ? null : el("div", {}, el("dt", {}, name), el("dd", {}, value)));
  const ROLES = { StaticText: "", RootWebArea: "page", DisclosureTriangle: "fold-out" };
  const LINE = /^\[(\d+-\d+)\] (\w+): (.*)$/;
  const treeLine = (line, current) => {
    const parts = LINE.exec(line);
    if (!parts) return el("li", {}, el("span", { class: "role" }), el("span", {}, line));
    const [, id, role, name] = parts;
    const acted = id === current.node;
    const kind = role === "link" || role === "button" ? "is-link" : role === "heading" || role === "RootWebArea" ? "is-heading" : "";
    return el("li", { class: acted ? "acted" : "", "data-node": id }, el("span", { class: "role" }, ROLES[role] ?? role),
      el("span", { class: kind }, name, acted ? el("span", { class: "mark" }, `← ${current.method}`) : null));
  };
  const pageOf = (episode, at) => {
    const current = episode.steps[at];
    const page = pages[current.page];
    const picture = pictures[`${episode.id}/${at}`];
    return el("div", { class: "window" },
      el("div", { class: "bar" }, el("b", {}, page.title || "untitled page"), el("span", { class: "url quiet" }, page.url)),
      picture ? el("img", { src: `data:image/jpeg;base64,${picture}`, alt: `Screenshot of ${page.title || page.url}` }) : null,
      el("ul", { class: "tree", tabindex: 0, "aria-label": "The page as the shopper reads it" }, ...page.tree.split("\n").map((line) => treeLine(line, current))));
  };
  const answer = (label, text) => (text ? el("details", {}, el("summary", { class: "quiet" }, label), el("pre", {}, text)) : null);
  const show = () => {
    const episode = episodes[visit];
    const current = episode.steps[step];
    const last = episode.steps.length - 1;
    const facts = el("dl", { class: "facts" },
      fact("store", episode.shop), fact("persona", episode.persona), fact("policy", episode.policy), fact("ended", ENDINGS[episode.ending] ?? episode.ending),
      fact(episode.inferred ? "inferred, not recorded by the store" : "the store recorded", episode.recorded), fact("took", `${episode.seconds.toFixed(1)} s`), fact("tokens", episode.tokens ? episode.tokens.toLocaleString("en") : ""),
      fact("judge", episode.verdict), fact("visit", episode.id));
    const parts = [el("h3", {}, episode.goal || "no goal"), episode.summary ? el("p", { class: "quiet" }, `${episode.persona}: ${episode.summary}`) : null, facts,
      episode.error ? el("p", { class: "failed" }, episode.error) : null];
    if (!current) { view.replaceChildren(...parts.filter(Boolean), el("p", { class: "quiet" }, "No page was seen.")); return; }
    const back = el("button", { type: "button", class: "control", disabled: step === 0, click: () => go(step - 1) }, "← Back");
    const next = el("button", { type: "button", class: "control", disabled: step === last, click: () => go(step + 1) }, "Next →");
    const stepper = el("div", { class: "stepper" }, back, next, el("span", { role: "status" }, `Step ${step + 1} of ${last + 1}`), el("span", { class: "quiet" }, "← and → on the keyboard"));
    const steps = el("ol", { class: "steps", "aria-label": "Steps" }, ...episode.steps.map((other, at) => el("li", {},
      el("button", { type: "button", "aria-current": at === step ? "step" : null, class: failed(other) ? "failed" : "", click: () => go(at) }, `${at + 1}. ${actionText(at, episode)}`))));
    const recorded = el("div", { class: "recorded" },
      el("p", {}, el("b", {}, actionText(step, episode))),
      current.why ? el("p", { class: "why" }, `“${current.why}”`) : null,
      el("p", { class: failed(current) ? "failed" : "quiet" }, current.result ?? ""),
      el("p", { class: "quiet" }, [`${(current.seconds ?? 0).toFixed(2)} s`, current.tokens ? `${current.tokens.toLocaleString("en")} tokens` : "", current.troubles ? `recovered from: ${current.troubles.join(", ")}` : ""].filter(Boolean).join(" · ")),
      current.inferred ? el("p", { class: "quiet" }, `Inferred at this step: ${current.inferred.join(", ")}`) : null,
      answer("Why the first answer could not be used", current.refused), answer("The model's full answer", current.reply));
    view.replaceChildren(...parts.filter(Boolean), stepper, el("div", { class: "stepping" }, steps, el("div", {}, pageOf(episode, step), recorded)));
    const acted = view.querySelector(".acted");
    const tree = view.querySelector(".tree");
    if (acted) tree.scrollTop = acted.offsetTop - tree.offsetTop - tree.clientHeight / 3;
    const now = view.querySelector(".steps [aria-current]");
    const strip = view.querySelector(".steps");
    if (now) strip.scrollTop = now.offsetTop - strip.offsetTop - strip.clientHeight / 2;
    if ("linked" in player.dataset) history.replaceState(null, "", `#${encodeURIComponent(episode.id)}/${step + 1}`);
  };
  const go = (to) => {
    if (to < 0 || to >= episodes[visit].steps.length) return;
    const inside = view.contains(document.activeElement) ? document.activeElement : null;
    const label = inside?.classList.contains("control") ? inside.textContent : null;
    step = to;
    show();
    if (!inside) return;
    const again = [...view.querySelectorAll(".control")].find((button) => button.textContent === label && !button.disabled);
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
  player.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.matches("input, select")) return;
    if (event.key === "ArrowRight") { go(step + 1); event.preventDefault(); }
    if (event.key === "ArrowLeft") { go(step - 1); event.preventDefault(); }
  });
  filter();
  const [id, at] = "linked" in player.dataset ? location.hash.slice(1).split("/").map(decodeURIComponent) : [];
  const linked = episodes.findIndex((episode) => episode.id === id);
  const deepest = Object.keys(REACHED).map((name) => episodes.findIndex((episode) => episode.reached === name)).find((index) => index >= 0) ?? 0;
  if (episodes.length) open(linked < 0 ? deepest : linked, linked < 0 ? 0 : Number(at) - 1 || 0);
  player.dataset.ready = "yes";
})();
