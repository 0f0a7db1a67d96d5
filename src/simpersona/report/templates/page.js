(() => {
  "use strict";
  const figures = JSON.parse(document.getElementById("figure-data").textContent);

  // colours are written as CSS variables, so that a chart follows light and dark
  const resolved = (value, css) => {
    if (typeof value === "string") {
      const variable = /^var\((--[\w-]+)\)$/.exec(value);
      return variable ? css.getPropertyValue(variable[1]).trim() : value;
    }
    if (Array.isArray(value)) return value.map((item) => resolved(item, css));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, resolved(item, css)]));
    }
    return value;
  };
  const draw = (place) => {
    const { data, layout } = resolved(figures[place.dataset.figure], getComputedStyle(document.documentElement));
    Plotly.react(place, data, layout, { responsive: true, displayModeBar: false });
    place.dataset.drawn = "yes";
  };

  // charts are drawn when they come near the window
  const charts = [...document.querySelectorAll(".chart")];
  const near = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (isIntersecting) { near.unobserve(target); draw(target); }
    }
  }, { rootMargin: "400px" });
  charts.forEach((chart) => near.observe(chart));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    charts.filter((chart) => chart.dataset.drawn).forEach(draw);
  });
  addEventListener("beforeprint", () => charts.filter((chart) => !chart.dataset.drawn).forEach(draw));

  // tables sort by a click on a column's head
  const sortKey = (row, column) => {
    const cell = row.cells[column];
    const text = cell.dataset.value ?? cell.textContent.trim();
    const number = Number.parseFloat(text.replaceAll(",", ""));
    return Number.isNaN(number) ? text : number;
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    table.tHead.addEventListener("click", (event) => {
      const head = event.target.closest("th:not(.unsorted)");
      if (!head) return;
      const down = head.getAttribute("aria-sort") === "descending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "ascending" : "descending");
      const rows = [...table.tBodies[0].rows];
      rows.sort((a, b) => {
        const [x, y] = [sortKey(a, head.cellIndex), sortKey(b, head.cellIndex)];
        const order = x < y ? -1 : x > y ? 1 : 0;
        return down ? order : -order;
      });
      table.tBodies[0].append(...rows);
    });
  }
  for (const box of document.querySelectorAll("input[data-filters]")) {
    box.addEventListener("input", () => {
      const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const row of document.getElementById(box.dataset.filters).tBodies[0].rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
      }
    });
  }

  // the navigation marks the section that is read
  const links = new Map([...document.querySelectorAll("nav li a")].map((link) => [link.hash.slice(1), link]));
  const reading = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      links.get(target.id)?.classList.toggle("here", isIntersecting);
    }
  }, { rootMargin: "-20% 0px -79% 0px" });
  document.querySelectorAll("section").forEach((section) => reading.observe(section));
})();
