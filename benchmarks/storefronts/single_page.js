// The store in one page. A small renderer in the manner of React: elements are described by functions of the state and compared with
// what is shown; the root alone listens to events; inputs show the state and nothing else.
(() => {
  const root = document.getElementById("root");

  // --- the renderer -------------------------------------------------------------------------
  const h = (tag, props, ...kids) => ({ tag, props: props || {}, kids: kids.flat().filter((kid) => kid != null && kid !== false) });
  const properties = new WeakMap();

  function update(element, props) {
    const before = properties.get(element) || {};
    for (const name of new Set([...Object.keys(before), ...Object.keys(props)])) {
      if (name.startsWith("on") || name === "value") continue;
      if (props[name] == null || props[name] === false) element.removeAttribute(name);
      else if (element.getAttribute(name) !== String(props[name])) element.setAttribute(name, props[name] === true ? "" : props[name]);
    }
    properties.set(element, props);
    if ("value" in props && element.value !== props.value) element.value = props.value; // controlled
  }

  function reconcile(parent, kids) {
    kids.forEach((kid, at) => {
      let node = parent.childNodes[at];
      if (typeof kid !== "object") {
        if (node?.nodeType !== 3) {
          const text = document.createTextNode(kid);
          node ? parent.replaceChild(text, node) : parent.append(text);
        } else if (node.data !== String(kid)) node.data = kid;
        return;
      }
      if (node?.nodeName !== (kid.tag === "svg" ? "svg" : kid.tag.toUpperCase()) || node.dataset?.key !== kid.props["data-key"]) {
        const fresh =
          kid.tag === "svg" ? document.createElementNS("http://www.w3.org/2000/svg", "svg") : document.createElement(kid.tag);
        node ? parent.replaceChild(fresh, node) : parent.append(fresh);
        node = fresh;
      }
      update(node, kid.props);
      reconcile(node, kid.kids);
    });
    while (parent.childNodes.length > kids.length) parent.lastChild.remove();
  }

  for (const kind of ["click", "input", "submit", "keydown"])
    root.addEventListener(kind, (event) => {
      for (let node = event.target; node && node !== root.parentNode; node = node.parentNode) {
        properties.get(node)?.["on" + kind]?.(event);
        if (event.cancelBubble) break;
      }
      const shown = properties.get(event.target);
      if (kind === "input" && shown && "value" in shown && event.target.value !== shown.value) event.target.value = shown.value;
    });

  // --- the state ----------------------------------------------------------------------------
  const state = { page: {}, collections: [], query: "", drawer: false, cart: JSON.parse(localStorage.cart || "[]"), toast: "", form: {} };
  const set = (change) => {
    Object.assign(state, change);
    localStorage.cart = JSON.stringify(state.cart);
    draw();
  };
  const money = (cents) => `$${(cents / 100).toFixed(2)}`;
  const api = async (address, body) => {
    const answer = await fetch(
      "/api/" + address,
      body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) },
    );
    const said = await answer.json();
    if (!answer.ok) throw Object.assign(new Error(said.error), { status: answer.status });
    return said;
  };
  let toasts = 0;
  const toast = (text) => {
    const number = ++toasts;
    set({ toast: text });
    setTimeout(() => number === toasts && set({ toast: "" }), 5000);
  };

  function go(address, event) {
    event?.preventDefault();
    history.pushState({}, "", address);
    scrollTo(0, 0);
    route();
  }

  async function route() {
    const [, kind, slug] = location.pathname.split("/");
    const address = location.pathname + location.search;
    set({ page: { kind: "loading" }, drawer: false });
    const load = {
      "": () => api("featured").then((found) => ({ ...found, kind: "home" })),
      c: () => api(`collections/${slug}/products`).then((found) => ({ ...found, kind: "list", from: `collections/${slug}/products?` })),
      p: () => api(`products/${slug}`).then((found) => ({ ...found, kind: "product", size: "" })),
      search: () => api(`search${location.search}`).then((found) => ({ ...found, kind: "list", from: `search${location.search}&` })),
      cart: () => api("cart/totals").then((found) => ({ ...found, kind: "cart" })),
      checkout: () => api("checkout/options").then((found) => ({ ...found, kind: "checkout", step: 0 })),
    }[kind];
    const page = load ? await load().catch(() => ({ kind: "missing" })) : { kind: "missing" };
    if (address === location.pathname + location.search) {
      document.title = `${page.title || { home: "Home", cart: "Cart", checkout: "Checkout" }[page.kind] || "Page"} – Northbound Supply`;
      set({ page });
    }
  }

  async function add(product, size) {
    set({ busy: product.id });
    try {
      const { line } = await api("cart/lines", { productId: product.id, size, quantity: 1 });
      set({ busy: 0, cart: [...state.cart, line] });
      openDrawer();
    } catch (error) {
      set({ busy: 0 });
      toast(error.status === 422 ? `${product.title}: ${error.message}` : "Something went wrong. Please try again.");
    }
  }

  async function openDrawer() {
    set({ drawer: true });
    set({ totals: await api("cart/totals?in=drawer") });
  }

  async function more() {
    const page = state.page;
    if (!page.more || page.loading) return;
    page.loading = true;
    const found = await api(`${page.from}offset=${page.products.length}`);
    page.loading = false;
    if (page === state.page) set({ page: { ...page, products: [...page.products, ...found.products], more: found.more } });
  }

  // --- the pages ----------------------------------------------------------------------------
  const link = (to, props, ...kids) => h("a", { href: to, onclick: (event) => go(to, event), ...props }, ...kids);
  const icon = () => h("svg", { width: 24, height: 24, "aria-hidden": "true" });

  const card = (product) =>
    h(
      "div",
      { class: "card", "data-key": `card-${product.id}` },
      link(`/p/${product.slug}`, {}, h("img", { alt: product.title }), h("h3", {}, product.title)),
      h("span", { class: "money" }, money(product.cents)),
      h("button", { onclick: () => add(product, ""), disabled: state.busy === product.id }, "Quick add"),
    );

  const pages = {
    loading: () => h("p", { role: "status" }, "Loading…"),
    missing: () => h("h1", {}, "Page not found"),
    home: (page) =>
      h(
        "div",
        {},
        h("h1", {}, "Gear for the long way round"),
        h(
          "div",
          {},
          state.collections.map((one) =>
            h("div", { class: "tile", "data-key": `tile-${one.slug}`, onclick: () => go(`/c/${one.slug}`) }, `Discover ${one.title}`),
          ),
        ),
        h("div", { class: "grid" }, page.products.map(card)),
      ),
    list: (page) =>
      h(
        "div",
        {},
        h("h1", {}, page.title),
        h("p", {}, `${page.count} products`),
        h("div", { class: "grid" }, page.products.map(card)),
        page.more && h("div", { id: "sentinel" }, "Loading more…"),
      ),
    product: (page) =>
      h(
        "div",
        {},
        h("h1", {}, page.title),
        h("p", { class: "money" }, money(page.cents)),
        page.sizes.length > 0 &&
          h(
            "div",
            { role: "group", "aria-label": "Size" },
            page.sizes.map((size) =>
              h(
                "button",
                { "data-key": `size-${size}`, "aria-pressed": String(page.size === size), onclick: () => set({ page: { ...page, size } }) },
                size,
              ),
            ),
          ),
        h(
          "button",
          { onclick: () => add(page, state.page.size), disabled: page.soldOut || state.busy === page.id },
          page.soldOut ? "Sold out" : "Add to bag",
        ),
        h("p", {}, page.about),
      ),
    cart: (page) => h("div", {}, h("h1", {}, "Your bag"), lines(page.shipping)),
    checkout: (page) => h("div", {}, h("h1", {}, "Checkout"), [contact, delivery, payment][page.step](page)),
    done: () => h("h1", {}, "Thank you for your order"),
  };

  const lines = (shipping) =>
    state.cart.length === 0
      ? h("p", {}, "Your bag is empty.")
      : h(
          "div",
          {},
          h(
            "ul",
            {},
            state.cart.map((line, at) =>
              h(
                "li",
                {},
                `${line.title} ${line.size} ${money(line.cents)}`,
                h("button", { "aria-label": `Remove ${line.title}`, onclick: () => set({ cart: state.cart.filter((_, n) => n !== at) }) }, icon()),
              ),
            ),
          ),
          h("p", {}, `Shipping ${money(shipping || 0)}`),
          h("p", {}, `Total ${money(state.cart.reduce((sum, line) => sum + line.cents, shipping || 0))}`),
          h("button", { onclick: () => go("/checkout") }, "Checkout"),
        );

  const field = (name, label, props) =>
    h(
      "label",
      {},
      label,
      h("input", { name, ...props, value: state.form[name] || "", oninput: (event) => set({ form: { ...state.form, [name]: event.target.value } }) }),
    );
  const step = (number, address) => async (event) => {
    event.preventDefault();
    if (address) await api(address, state.form);
    set({ page: { ...state.page, step: number } });
  };
  const contact = () =>
    h(
      "form",
      { onsubmit: step(1, "checkout/address") },
      field("email", "Email", { type: "email" }),
      field("firstName", "First name"),
      field("lastName", "Last name"),
      field("address1", "Address"),
      field("city", "City"),
      field("zip", "ZIP code"),
      h("button", {}, "Continue to shipping"),
    );
  const delivery = (page) =>
    h(
      "form",
      { onsubmit: step(2) },
      page.methods.map((name, at) => h("label", {}, h("input", { type: "radio", name: "method", checked: at === 0 }), name)),
      h("button", {}, "Continue to payment"),
    );
  const payment = () =>
    h(
      "form",
      { onsubmit: order },
      field("cardNumber", "Card number"),
      field("cardExpiry", "Expiry date"),
      field("cardCvc", "Security code"),
      h("button", {}, "Place order"),
    );
  async function order(event) {
    event.preventDefault();
    await api("orders", { lines: state.cart.map((line) => line.id) });
    set({ cart: [], page: { kind: "done" } });
  }

  const drawer = () =>
    h(
      "aside",
      { class: "drawer", role: "dialog", "aria-label": "Your bag" },
      h("button", { "aria-label": "Close", onclick: () => set({ drawer: false }) }, icon()),
      lines(state.totals?.shipping),
    );

  const app = () =>
    h(
      "div",
      {},
      h(
        "header",
        {},
        link("/", {}, "Northbound Supply"),
        h(
          "form",
          { role: "search", onsubmit: (event) => go(`/search?q=${encodeURIComponent(state.query)}`, event) },
          h("input", { type: "search", "aria-label": "Search", value: state.query, oninput: (event) => set({ query: event.target.value }) }),
        ),
        h(
          "button",
          { "aria-label": "Open bag", onclick: openDrawer },
          icon(),
          state.cart.length > 0 && h("span", { class: "badge" }, String(state.cart.length)),
        ),
      ),
      h("nav", {}, state.collections.map((one) => link(`/c/${one.slug}`, { "data-key": one.slug }, one.title))),
      h("main", {}, (pages[state.page.kind] || pages.loading)(state.page)),
      state.drawer && drawer(),
      state.toast && h("div", { class: "toast", role: "alert" }, state.toast),
    );

  const watcher = new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && more());
  function draw() {
    reconcile(root, [app()]);
    watcher.disconnect();
    const sentinel = document.getElementById("sentinel");
    if (sentinel) watcher.observe(sentinel);
  }

  addEventListener("popstate", route);
  api("navigation").then(set);
  route();
})();
