"use strict";
// What all charts and tables of a page share: checkboxes that show arms, one slider of epochs, tooltips, and sorting.
(() => {
  const page = JSON.parse(document.getElementById("data").textContent);
  const tip = document.getElementById("tip");
  const slider = document.getElementById("epoch");
  const boxes = [...document.querySelectorAll("input[data-code]")];
  const said = [...document.querySelectorAll("#epochs option")].map((option) => option.label);
  const views = [];
  const ERRORS = 1; // of what Vega logs: a gap or a hidden arm is nothing to warn of

  const codes = () => boxes.filter((box) => box.checked).map((box) => box.dataset.code);
  const place = () => (slider ? Number(slider.value) : page.epochs.length - 1);
  const bar = document.querySelector(".controls");
  const epoch = () => (page.epochs.length ? page.epochs[place()] : 0);

  // Columns are short to write; Vega wants rows. Names are looked up here, as data.
  function rows(columns) {
    const names = Object.keys(columns);
    const length = names.length ? columns[names[0]].length : 0;
    return Array.from({ length }, (_, at) => {
      const row = {};
      for (const name of names) row[name] = columns[name][at];
      if (row.label === undefined && row.a !== undefined) row.label = page.labels[row.a];
      return row;
    });
  }

  function tooltip(_, event, __, value) {
    tip.hidden = value === null || value === undefined || value === "";
    if (tip.hidden) return;
    const pairs = typeof value === "object" ? Object.entries(value) : [["", value]];
    const list = document.createElement("dl");
    for (const [name, text] of pairs) {
      if (["null", "undefined", "NaN"].includes(String(text))) continue;
      const line = document.createElement("div");
      line.append(document.createElement("dt"), document.createElement("dd"));
      line.firstChild.textContent = name;
      line.lastChild.textContent = String(text);
      list.append(line);
    }
    tip.replaceChildren(list);
    const gap = 14;
    const left = event.clientX + gap + tip.offsetWidth > window.innerWidth ? event.clientX - gap - tip.offsetWidth : event.clientX + gap;
    const top = event.clientY + gap + tip.offsetHeight > window.innerHeight ? event.clientY - gap - tip.offsetHeight : event.clientY + gap;
    tip.style.left = `${Math.max(4, left)}px`;
    tip.style.top = `${Math.max(4, top)}px`;
  }

  function showCodes() {
    const shown = new Set(codes());
    for (const row of document.querySelectorAll("tr[data-code]")) row.hidden = !shown.has(row.dataset.code);
    for (const { view, step, data } of views) {
      const labels = new Set(data.filter((row) => row.a === undefined || shown.has(row.a)).map((row) => row.label));
      if (step) view.height(step * Math.max(1, labels.size));
      view.signal("shown", [...shown]).runAsync();
    }
  }

  // What is jumped to is not to lie under the controls, where they stay at the top.
  function makeRoom() {
    const height = bar && getComputedStyle(bar).position === "sticky" ? bar.offsetHeight + 8 : 0;
    document.documentElement.style.setProperty("--bar", `${height}px`);
  }

  function showEpoch() {
    if (slider) {
      document.querySelector("output[for=epoch]").textContent = said[place()];
      slider.setAttribute("aria-valuetext", said[place()]);
    }
    for (const { view } of views) view.signal("epoch", epoch()).runAsync();
  }

  function sort(button) {
    const head = button.closest("th");
    const table = head.closest("table");
    const column = head.cellIndex;
    const before = head.getAttribute("aria-sort");
    const up = before === "none" ? head.className === "words" : before === "descending"; // figures: the largest first
    const key = (row) => row.cells[column].dataset.value ?? "";
    const number = (text) => (text !== "" && Number.isFinite(Number(text)) ? Number(text) : null);
    const sorted = [...table.tBodies[0].rows].sort((one, other) => {
      const [a, b] = [key(one), key(other)];
      if (a === "" || b === "") return (a === "") - (b === "");
      const [x, y] = [number(a), number(b)];
      return (up ? 1 : -1) * (x !== null && y !== null ? x - y : a.localeCompare(b));
    });
    for (const other of head.parentElement.cells) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    table.tBodies[0].append(...sorted);
  }

  async function draw([id, chart]) {
    const options = { mode: "vega-lite", renderer: "svg", actions: false, ast: true, defaultStyle: false, logLevel: ERRORS, tooltip };
    const data = rows(chart.columns);
    const spec = { ...chart.spec, datasets: { ...chart.spec.datasets, rows: data } };
    const place = document.getElementById(id);
    const { view } = await vegaEmbed(place, spec, options);
    view.signal("room", Math.round(Math.max(130, 0.42 * place.clientWidth)));
    document.querySelector(`#${id} svg`).setAttribute("aria-hidden", "true"); // its place has the name, its table the numbers
    views.push({ view, data, step: chart.spec.usermeta.step });
  }

  for (const button of document.querySelectorAll("table[data-sortable] th button")) button.addEventListener("click", () => sort(button));
  for (const box of boxes) box.addEventListener("change", showCodes);
  for (const button of document.querySelectorAll("button[data-all]")) {
    button.addEventListener("click", () => {
      for (const box of button.closest("fieldset").querySelectorAll("input")) box.checked = button.dataset.all === "yes";
      showCodes();
    });
  }
  if (slider) slider.addEventListener("input", showEpoch);
  window.addEventListener("resize", makeRoom);
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") tip.hidden = true; });
  Promise.all(Object.entries(page.charts).map(draw)).then(() => {
    showCodes();
    showEpoch();
    makeRoom();
    document.documentElement.dataset.drawn = String(views.length);
  });
})();
