// Charts: Vega is unpacked when the first chart comes into view; each chart joins its kind's specification with its
// own points and the colours of the page. Hovering, reading by keyboard and hiding lines are the page's own.

const island = JSON.parse(byId("island").textContent);
const spoken = byId("spoken");
const tooltip = byId("tooltip");

let vega;
const loadVega = () => {
  vega ??= (async () => {
    const packed = Uint8Array.from(atob(byId("vega").textContent), (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(stream).text(); // the policy knows its hash
    document.head.append(script);
    return window.vegaEmbed;
  })();
  return vega;
};
// Charts never load anything: no data, no image, no link.
const refusing = {
  load: () => Promise.reject(new Error("charts load nothing")),
  sanitize: () => Promise.reject(new Error("charts link nowhere")),
};

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const palette = () => Array.from({ length: 8 }, (_, n) => colour(`--s${n}`));
const rem = () => Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
const theme = () => ({
  background: "transparent",
  view: { stroke: null },
  font: getComputedStyle(document.body).fontFamily,
  axis: { labelColor: colour("--soft"), gridColor: colour("--grid"), domainColor: colour("--line"), tickColor: colour("--line"), labelFontSize: 0.75 * rem(), labelLimit: 140 },
  text: { color: colour("--ink"), fontSize: 0.7 * rem() },
  rule: { color: colour("--soft") },
});

const exact = (value) => String(value);
const short = (value) => String(Number(value.toPrecision(6)));
const MOST_ROWS = 20;
const showTooltip = (event, heading, all) => {
  const rows = all.length > MOST_ROWS ? [...all.slice(0, MOST_ROWS), [`and ${all.length - MOST_ROWS} more`, ""]] : all;
  tooltip.replaceChildren(make("b", heading), ...rows.map(([name, value, number]) => {
    const row = make("div", "", number === undefined ? "" : `w${number}`);
    row.append(make("span", name), make("span", value));
    return row;
  }));
  tooltip.hidden = false;
  const { width, height } = tooltip.getBoundingClientRect();
  tooltip.style.left = `${Math.max(4, Math.min(event.clientX + 16, innerWidth - width - 4))}px`;
  tooltip.style.top = `${Math.max(4, event.clientY + height + 24 > innerHeight ? event.clientY - height - 12 : event.clientY + 16)}px`;
};
const hideTooltip = () => { tooltip.hidden = true; };

// TensorBoard's smoothing: an exponential average without the bias of its first value.
const smooth = (values, weight) => {
  if (!weight) return values;
  let [last, debias] = [0, 1];
  return values.map((value) => {
    last = last * weight + (1 - weight) * value;
    debias *= weight;
    return last / (1 - debias);
  });
};
const nearest = (sorted, target) => {
  let [low, high] = [0, sorted.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < target) low = middle; else high = middle;
  }
  return Math.abs(sorted[low] - target) <= Math.abs(sorted[high] - target) ? low : high;
};

class ChartView {
  constructor(figure, chart, options) {
    Object.assign(this, { figure, chart, options, hidden: new Set(), view: null, cursor: null, drawn: 0 });
    this.plot = figure.querySelector(".plot");
    this.legend = figure.querySelector(".legend");
    this.setSeries(chart.series);
    this.plot.addEventListener("pointermove", (event) => this.onPointer(event));
    this.plot.addEventListener("pointerleave", () => { this.readAt(null); hideTooltip(); });
    this.plot.addEventListener("keydown", (event) => this.onKey(event));
  }

  setSeries(series) {
    for (const line of series) line.x ??= line.y.map((_, at) => at + 1);
    this.chart.series = series;
    if (this.chart.kind !== "line" || this.options.shared) { this.legend.hidden = true; return; }
    const known = all("button", this.legend).map((button) => button.textContent);
    if (known.length === series.length && known.every((name, at) => name === series[at].name)) return;
    this.legend.replaceChildren(...series.map((line) => {
      const button = make("button", line.name, `w${line.colour}${line.dashed ? " dashed" : ""}`);
      button.type = "button";
      button.setAttribute("aria-pressed", String(!this.hidden.has(line.name)));
      button.addEventListener("click", () => {
        if (!this.hidden.delete(line.name)) this.hidden.add(line.name);
        button.setAttribute("aria-pressed", String(!this.hidden.has(line.name)));
        this.refresh();
      });
      return button;
    }));
  }

  visible() { return this.chart.series.filter((line) => !this.hidden.has(line.name) && !this.options.hidden.has(line.group)); }

  points() {
    const { log, smoothing } = this.options;
    return this.visible().flatMap((line) => {
      const y = smooth(line.y, smoothing);
      return line.x.flatMap((x, at) => (log && !(line.y[at] > 0) ? [] : [{ x, y: y[at], r: line.y[at], s: line.name, c: line.colour, d: Number(line.dashed) }]));
    });
  }

  async draw() {
    const turn = ++this.drawn;
    const embed = await loadVega();
    const spec = structuredClone(island.specifications[this.chart.kind]);
    const colours = palette();
    spec.height = 14 * rem();
    for (const layer of spec.layer ?? [spec]) {
      if (this.chart.kind === "histogram") continue;
      if (layer.encoding.color) layer.encoding.color.scale = { domain: colours.map((_, n) => n), range: colours };
    }
    if (this.chart.kind === "line") {
      for (const layer of spec.layer) {
        if (this.chart.end) layer.encoding.x.scale = { ...layer.encoding.x.scale, domainMax: this.chart.end };
        if (!layer.encoding.y) continue;
        if (this.options.log) layer.encoding.y.scale = { type: "log", padding: 4 };
        const top = Math.max(...this.chart.series.flatMap((line) => line.y));
        if (this.chart.share && !this.options.log && top <= 1) layer.encoding.y.scale = { ...layer.encoding.y.scale, domainMax: 1 };
      }
      // A line of one point is not seen: short lines get dots.
      if (this.chart.series.every((line) => line.y.length <= 40)) spec.layer[1].mark.point = { filled: true, size: 26 };
      if (!this.options.smoothing) spec.layer[0].mark.opacity = 0;
    }
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    if (this.chart.kind === "histogram") spec.encoding.color.scale.range = dark ? ["#1b2533", "#8fc7ff"] : ["#e3eefb", "#08428a"], delete spec.encoding.color.scale.scheme;
    spec.datasets = this.chart.kind === "line"
      ? { points: this.points(), hover: [] }
      : { rows: this.chart.rows, ends: this.chart.ends };
    const result = await embed(this.plot, spec, {
      mode: "vega-lite", actions: false, ast: true, renderer: "svg", defaultStyle: false, hover: false,
      loader: refusing, config: theme(), logLevel: 0,
      tooltip: (_, event, item, value) => {
        if (!value) { hideTooltip(); return; }
        showTooltip(event, "", Object.entries(value).map(([name, text]) => [name, String(text)]));
      },
    });
    if (turn !== this.drawn) { result.finalize(); return; }
    this.view?.finalize();
    this.view = result.view;
    // The figure says what it shows, and its values are read by arrow keys: the drawing itself stays silent.
    this.plot.querySelector("svg").setAttribute("aria-hidden", "true");
    this.figure.dataset.drawn = "yes";
  }

  redraw() { if (this.view) this.draw(); }

  async refresh() {
    if (!this.view) return;
    if (this.chart.kind !== "line") { this.draw(); return; }
    await this.view.data("points", this.points()).data("hover", []).runAsync();
  }

  onPointer(event) {
    if (!this.view || this.chart.kind !== "line" || event.buttons) return;
    const box = this.plot.querySelector("svg").getBoundingClientRect();
    const at = this.view.scale("x").invert(event.clientX - box.left - this.view.origin()[0]);
    const rows = this.readAt(at);
    if (!rows.length) return;
    showTooltip(event, `${this.chart.x} ${exact(rows[0].x)}`, rows.map((row) => [row.s, exact(row.r), row.c]));
  }

  // The values nearest to a place on the x axis, one a line, marked in the chart.
  readAt(place) {
    if (!this.view || this.chart.kind !== "line") return [];
    const rows = place === null ? [] : this.visible().filter((line) => line.x.length).map((line) => {
      const at = nearest(line.x, place);
      return { x: line.x[at], r: line.y[at], y: smooth(line.y.slice(0, at + 1), this.options.smoothing).at(-1), s: line.name, c: line.colour };
    });
    const closest = Math.min(...rows.map((row) => Math.abs(row.x - place)));
    const shown = rows.filter((row) => Math.abs(row.x - place) === closest && (!this.options.log || row.y > 0));
    this.cursor = shown[0]?.x ?? null;
    this.view.data("hover", shown).runAsync();
    return shown;
  }

  onKey(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step || this.chart.kind !== "line") return;
    event.preventDefault();
    const places = [...new Set(this.visible().flatMap((line) => line.x))].sort((a, b) => a - b);
    if (!places.length) return;
    const at = this.cursor === null ? (step > 0 ? -1 : places.length) : places.indexOf(this.cursor);
    const rows = this.readAt(places[Math.max(0, Math.min(places.length - 1, at + step))]);
    const box = this.plot.getBoundingClientRect();
    if (rows.length) showTooltip({ clientX: box.left + 40, clientY: box.top }, `${this.chart.x} ${exact(rows[0].x)}`, rows.map((row) => [row.s, exact(row.r), row.c]));
    spoken.textContent = rows.map((row) => `${this.chart.x} ${exact(row.x)}, ${row.s} ${exact(row.r)}`).join("; ");
  }
}

const views = [];
const onSight = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    onSight.unobserve(entry.target);
    views.find((view) => view.figure === entry.target)?.draw();
  }
}, { rootMargin: "200px" });

// The live page asks for news once a second; charts are kept and given new points, so zoom and choices stay.
const startLive = (section, options) => {
  const state = byId("state");
  const shown = new Map();
  const show = (charts) => {
    for (const chart of charts) {
      let view = shown.get(chart.title);
      if (!view) {
        const figure = byId("chart").content.firstElementChild.cloneNode(true);
        figure.dataset.title = chart.title;
        figure.querySelector(".name").textContent = chart.title;
        section.append(figure);
        view = new ChartView(figure, chart, options);
        shown.set(chart.title, view);
        views.push(view);
        onSight.observe(figure);
      } else {
        view.setSeries(chart.series);
        view.chart.end = chart.end;
        view.refresh();
      }
      const last = chart.series.filter((line) => line.y.length).map((line) => `${line.name} ${short(line.y.at(-1))}`).join(", ");
      view.figure.querySelector(".last").textContent = last;
      view.figure.querySelector(".note").textContent = [`by ${chart.x}`, chart.note].filter(Boolean).join(" · ");
      view.plot.setAttribute("aria-label", `${chart.title}: ${last}`);
    }
  };
  const say = (kind, words) => { state.dataset.state = kind; state.textContent = words; };
  show(island.charts.live);
  let [seen, failures] = [-1, 0];
  const ask = async () => {
    try {
      const answer = await fetch(`metrics.json?seen=${seen}`, { cache: "no-store", signal: AbortSignal.timeout(5000) });
      if (!answer.ok) throw new Error(String(answer.status));
      failures = 0;
      if (answer.status === 200) {
        const news = await answer.json();
        seen = news.version;
        show(news.charts);
        if (news.ended) { say("ended", "ended"); return; }
      }
      say("live", "following");
    } catch {
      failures += 1;
      say("lost", failures < 10 ? "no answer, trying again" : "the process has ended");
      if (failures >= 10) return;
    }
    setTimeout(ask, 1000 * Math.max(1, failures));
  };
  ask();
};

for (const section of all("[data-section]")) {
  const name = section.dataset.section;
  const bar = document.querySelector(`[data-toolbar="${name}"]`);
  const shared = bar?.querySelector(".legend");
  const options = { smoothing: 0, log: false, hidden: new Set(), shared: Boolean(shared) };
  const charts = island.charts[name];
  if (name === "live") startLive(section, options);
  else for (const figure of all(".chart", section)) {
    const view = new ChartView(figure, charts[Number(figure.dataset.chart)], options);
    views.push(view);
    onSight.observe(figure);
  }
  if (!bar) continue;
  const ours = () => views.filter((view) => section.contains(view.figure));
  for (const button of shared ? all("button", shared) : []) {
    button.addEventListener("click", () => {
      const group = button.textContent;
      if (!options.hidden.delete(group)) options.hidden.add(group);
      button.setAttribute("aria-pressed", String(!options.hidden.has(group)));
      for (const view of ours()) view.refresh();
    });
  }
  bar.addEventListener("submit", (event) => event.preventDefault());
  bar.addEventListener("input", (event) => {
    const { name: control, value, checked } = event.target;
    if (control === "smoothing") {
      const was = options.smoothing;
      options.smoothing = Number(value);
      bar.querySelector("output").textContent = value;
      for (const view of ours()) if (Boolean(was) !== Boolean(options.smoothing)) view.redraw(); else view.refresh();
    } else if (control === "log") {
      options.log = checked;
      for (const view of ours()) view.redraw();
    } else if (control === "filter") {
      for (const view of ours()) view.figure.hidden = !view.chart.title.toLowerCase().includes(value.toLowerCase());
    }
  });
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { for (const view of views) view.redraw(); });
addEventListener("beforeprint", () => { for (const view of views) if (!view.view) view.draw(); });
