"use strict";
// The page's own script: sorting, the confusion matrix, and the list of clips. It makes text by
// textContent alone, so that no name can be markup.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const one = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const redraws = [];

  function make(tag, className, text) {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    return node;
  }

  const colourClass = (key) => "c-" + key.toLowerCase().replace(/[^a-z_]/g, "_").slice(0, 40);
  const thousands = (count) => count.toLocaleString("en");

  // Light and dark.

  function isDark() {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  }

  function redraw() {
    for (const draw of redraws) draw();
  }

  one("#theme").addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    redraw();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  // Paper is light; a canvas has no colours of its own for it.
  let before;
  addEventListener("beforeprint", () => {
    before = document.documentElement.dataset.theme;
    document.documentElement.dataset.theme = "light";
    redraw();
  });
  addEventListener("afterprint", () => {
    if (before) document.documentElement.dataset.theme = before;
    else delete document.documentElement.dataset.theme;
    redraw();
  });

  // Several results.

  let shown = 0;

  function choose(number) {
    shown = number;
    for (const article of all("article")) article.hidden = article.id !== `article-${number}`;
    for (const link of all("nav a[data-section]")) link.href = `#${link.dataset.section}-${number}`;
    redraw();
  }

  one("#chosen")?.addEventListener("change", (event) => choose(Number(event.target.value)));

  // Sortable tables.

  function valueOf(row, column, kind) {
    const text = row.cells[column].dataset.value;
    return kind === "number" ? (text === "" ? null : Number(text)) : text;
  }

  function compare(a, b, kind) {
    return kind === "number" ? a - b : a.localeCompare(b, "en", { numeric: true });
  }

  function sortBy(table, head) {
    const kind = head.dataset.sort;
    const before = head.getAttribute("aria-sort");
    // Numbers come the largest first, names from A to Z.
    const first = kind === "number" ? "descending" : "ascending";
    const second = kind === "number" ? "ascending" : "descending";
    const order = before === first ? second : first;
    for (const other of all("th[aria-sort]", table)) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1;
    const rows = [...table.tBodies[0].rows].map((row) => [valueOf(row, head.cellIndex, kind), row]);
    // What has no value comes last either way.
    rows.sort(([a], [b]) =>
      a === null || b === null ? (a === null) - (b === null) : sign * compare(a, b, kind),
    );
    table.tBodies[0].append(...rows.map(([, row]) => row));
    markBeyond(table);
  }

  function markBeyond(table) {
    [...table.tBodies[0].rows].forEach((row, number) => {
      row.classList.toggle("beyond", number >= Number(table.dataset.few));
    });
  }

  for (const table of all("table.sortable")) {
    for (const head of all("th[data-sort]", table)) {
      one("button", head).addEventListener("click", () => sortBy(table, head));
    }
    markBeyond(table);
    const count = table.tBodies[0].rows.length;
    if (count > Number(table.dataset.few)) {
      table.classList.add("few");
      const button = make("button", "all", `all ${thousands(count)} classes`);
      button.type = "button";
      button.addEventListener("click", () => {
        const few = table.classList.toggle("few");
        button.textContent = few ? `all ${thousands(count)} classes` : "fewer classes";
      });
      table.after(button);
    }
  }

  // The confusion matrix.

  function matrix(root) {
    const number = Number(root.dataset.result);
    const { classes, order, totals, cells } = data.results[number].confusion;
    const canvas = one("canvas", root);
    const line = one(".cell", root);
    const hint = line.textContent;
    const place = new Array(classes.length);
    order.forEach((label, position) => (place[label] = position));
    const counts = new Map(cells.map(([row, column, count]) => [`${row} ${column}`, count]));
    // The square of cells that is seen: its first column and row, and how many.
    const view = { x: 0, y: 0, size: classes.length };
    const margin = { left: 0, top: 0 };
    let side = 0;
    let pointed = null;

    function clamp() {
      view.size = Math.min(Math.max(view.size, Math.min(3, classes.length)), classes.length);
      view.x = Math.min(Math.max(view.x, 0), classes.length - view.size);
      view.y = Math.min(Math.max(view.y, 0), classes.length - view.size);
      canvas.style.touchAction = view.size < classes.length ? "none" : "pan-y";
      canvas.dataset.size = view.size.toFixed(2);
    }

    function zoom(factor, x = 0.5, y = 0.5) {
      const before = view.size;
      view.size *= factor;
      clamp();
      view.x += (before - view.size) * x;
      view.y += (before - view.size) * y;
      draw();
    }

    function shortened(context, text, room) {
      const fits = (words) => context.measureText(words).width <= room;
      if (fits(text)) return text;
      let length = text.length;
      while (length > 1 && !fits(`${text.slice(0, length)}…`)) length -= 1;
      return `${text.slice(0, length)}…`;
    }

    function draw() {
      const width = canvas.clientWidth;
      if (!width) return;
      clamp();
      const scale = devicePixelRatio || 1;
      canvas.width = canvas.height = Math.round(width * scale);
      const context = canvas.getContext("2d");
      context.scale(scale, scale);
      const style = getComputedStyle(document.documentElement);
      const get = (name) => style.getPropertyValue(name).trim();
      const names = ["--right", "--wrong", "--text", "--muted", "--grid"];
      const [right, wrong, text, muted, grid] = names.map(get);
      const font = (size) => `${size}px ${getComputedStyle(document.body).fontFamily}`;
      const labels = Math.min(13, (width * 0.78) / view.size);
      const named = labels >= 7;
      const most = width * (width < 500 ? 0.2 : 0.22);
      context.font = font(labels);
      const widths = classes.slice(0, 2000).map((name) => context.measureText(name).width);
      const longest = Math.max(...widths);
      margin.left = margin.top = named ? Math.min(longest + 8, most) : 16;
      side = width - margin.left - 1;
      const cell = side / view.size;
      context.fillStyle = grid;
      context.globalAlpha = 0.55;
      context.fillRect(margin.left, margin.top, side, side);
      context.globalAlpha = 1;
      context.save();
      context.beginPath();
      context.rect(margin.left, margin.top, side, side);
      context.clip();
      const gap = cell > 6 ? 1 : 0;
      for (const [row, column, count] of cells) {
        const x = margin.left + (place[column] - view.x) * cell;
        const y = margin.top + (place[row] - view.y) * cell;
        if (x + cell < margin.left || y + cell < margin.top || x > width || y > width) continue;
        const share = count / (totals[row] || 1);
        // The square root: single confused clips are to be seen.
        const strength = row === column ? 0.1 + 0.9 * share : 0.16 + 0.84 * Math.sqrt(share);
        context.fillStyle = `rgba(${row === column ? right : wrong}, ${strength})`;
        context.fillRect(x, y, Math.max(cell - gap, 1), Math.max(cell - gap, 1));
        if (cell >= 20) {
          context.font = font(Math.min(13, cell * 0.42));
          context.textAlign = "center";
          context.textBaseline = "middle";
          context.fillStyle = strength > 0.55 ? (isDark() ? "#111" : "#fff") : text;
          context.fillText(count, x + cell / 2, y + cell / 2);
        }
      }
      if (pointed) {
        context.strokeStyle = text;
        context.lineWidth = 1.5;
        context.strokeRect(
          margin.left + (place[pointed[1]] - view.x) * cell,
          margin.top + (place[pointed[0]] - view.y) * cell,
          cell - gap,
          cell - gap,
        );
      }
      context.restore();
      context.fillStyle = muted;
      context.font = font(labels);
      if (!named) {
        context.font = font(11);
        context.textAlign = "left";
        context.textBaseline = "bottom";
        context.fillText("predicted →", margin.left, margin.top - 2);
        context.save();
        context.translate(margin.left - 2, margin.top + side);
        context.rotate(-Math.PI / 2);
        context.fillText("true →", 0, 0);
        context.restore();
        return;
      }
      for (let position = Math.floor(view.x); position < view.x + view.size; position += 1) {
        const middle = margin.left + (position + 0.5 - view.x) * cell;
        if (middle < margin.left || middle > width) continue;
        context.save();
        context.translate(middle, margin.top - 4);
        context.rotate(-Math.PI / 2);
        context.textAlign = "left";
        context.textBaseline = "middle";
        const label = shortened(context, classes[order[position]], margin.top - 6);
        context.fillText(label, 0, 0);
        context.restore();
      }
      for (let position = Math.floor(view.y); position < view.y + view.size; position += 1) {
        const middle = margin.top + (position + 0.5 - view.y) * cell;
        if (middle < margin.top || middle > width) continue;
        context.textAlign = "right";
        context.textBaseline = "middle";
        const label = shortened(context, classes[order[position]], margin.left - 6);
        context.fillText(label, margin.left - 4, middle);
      }
    }

    // Where a pointer is within the cells, from 0 to 1, and the labels of the cell there.
    function at(event) {
      const box = canvas.getBoundingClientRect();
      const x = (event.clientX - box.left - margin.left) / side;
      const y = (event.clientY - box.top - margin.top) / side;
      const inside = x >= 0 && y >= 0 && x < 1 && y < 1;
      const labels = inside && [
        order[Math.floor(view.y + y * view.size)],
        order[Math.floor(view.x + x * view.size)],
      ];
      return { x: Math.min(Math.max(x, 0), 1), y: Math.min(Math.max(y, 0), 1), labels };
    }

    function point(labels) {
      if (String(labels) === String(pointed)) return;
      pointed = labels || null;
      if (pointed) {
        const [row, column] = pointed;
        const count = counts.get(`${row} ${column}`) || 0;
        const share = totals[row] ? ` (${((100 * count) / totals[row]).toFixed(0)} %)` : "";
        const part = `${count} of ${totals[row]} clips`;
        line.textContent =
          row === column
            ? `${classes[row]}: ${part} right${share}`
            : `${classes[row]} taken for ${classes[column]}: ${part}${share}`;
      } else {
        line.textContent = hint;
      }
      draw();
    }

    const touches = new Map();
    let moved = 0;

    canvas.addEventListener("pointerdown", (event) => {
      touches.set(event.pointerId, event);
      moved = 0;
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      const before = touches.get(event.pointerId);
      if (!before) return point(at(event).labels);
      const others = [...touches.values()].filter((touch) => touch.pointerId !== event.pointerId);
      if (others.length) {
        const [other] = others;
        const apart = (touch) =>
          Math.hypot(touch.clientX - other.clientX, touch.clientY - other.clientY);
        const { x, y } = at(event);
        zoom(apart(before) / Math.max(apart(event), 1), x, y);
      } else if (view.size < classes.length) {
        view.x -= ((event.clientX - before.clientX) / side) * view.size;
        view.y -= ((event.clientY - before.clientY) / side) * view.size;
        draw();
      }
      moved += Math.hypot(event.clientX - before.clientX, event.clientY - before.clientY);
      touches.set(event.pointerId, event);
    });
    canvas.addEventListener("pointerup", (event) => {
      touches.delete(event.pointerId);
      const { labels } = at(event);
      point(labels);
      if (moved < 5 && labels && counts.has(labels.join(" "))) lists[number]?.cell(labels);
    });
    canvas.addEventListener("pointercancel", (event) => touches.delete(event.pointerId));
    canvas.addEventListener("pointerleave", () => point(null));
    canvas.addEventListener(
      "wheel",
      (event) => {
        // Else the page could not be scrolled past the matrix.
        if (document.activeElement !== canvas && !event.ctrlKey) return;
        event.preventDefault();
        const { x, y } = at(event);
        zoom(event.deltaY < 0 ? 0.8 : 1.25, x, y);
      },
      { passive: false },
    );
    canvas.addEventListener("keydown", (event) => {
      const step = view.size / 8;
      const moves = {
        ArrowLeft: [-step, 0],
        ArrowRight: [step, 0],
        ArrowUp: [0, -step],
        ArrowDown: [0, step],
      };
      if (event.key === "+" || event.key === "=") zoom(0.7);
      else if (event.key === "-") zoom(1 / 0.7);
      else if (moves[event.key] && view.size < classes.length) {
        view.x += moves[event.key][0];
        view.y += moves[event.key][1];
        draw();
      } else return;
      event.preventDefault();
    });
    const factors = { in: 0.6, out: 1 / 0.6, whole: Infinity };
    for (const button of all("[data-zoom]", root)) {
      button.addEventListener("click", () => zoom(factors[button.dataset.zoom]));
    }
    for (const button of all("[data-true]", root)) {
      const labels = [Number(button.dataset.true), Number(button.dataset.predicted)];
      button.addEventListener("click", () => lists[number]?.cell(labels));
      button.addEventListener("pointerenter", () => point(labels));
      button.addEventListener("pointerleave", () => point(null));
    }
    redraws.push(draw);
    new ResizeObserver(draw).observe(canvas);
  }

  // The list of clips.

  // Clips that are listed at first, and those that each press adds.
  const FEW = 12;
  const STEP = 40;
  const lists = {};

  function list(root) {
    const number = Number(root.dataset.result);
    const { names, labels, classes, sources, top, pictures } = data.results[number].clips;
    const headline = one(`#article-${number}`).dataset.headline;
    const by = Object.fromEntries(sources.map((source) => [source.key, source]));
    const first = (key, clip) => by[key].classes[clip * top];
    const right = (key, clip) => first(key, clip) === labels[clip];
    // The folder of a clip is its class, which stands above its name.
    const bare = (clip) => {
      const folder = `${classes[labels[clip]]}/`;
      return names[clip].startsWith(folder) ? names[clip].slice(folder.length) : names[clip];
    };
    const main = by[headline] ? headline : sources[0].key;
    const filters = [
      ["all", () => true],
      ["wrong", (clip) => !right(main, clip)],
    ];
    if (by.asyn && by.two_stream) {
      filters.push(["mended by ASYN", (clip) => right("asyn", clip) && !right("two_stream", clip)]);
      filters.push(["broken by ASYN", (clip) => !right("asyn", clip) && right("two_stream", clip)]);
    }
    if (by.asyn && by.asyn_idt) {
      filters.push(["mended by IDT", (clip) => right("asyn_idt", clip) && !right("asyn", clip)]);
      filters.push(["broken by IDT", (clip) => !right("asyn_idt", clip) && right("asyn", clip)]);
    }
    const search = one("input", root);
    const box = one(".list", root);
    const more = one(".more", root);
    const told = one(".found", root);
    box.classList.toggle("bare", !Object.keys(pictures).length);
    const state = { filter: 0, cell: null, count: FEW };
    const texts = names.map((name, clip) =>
      `${name} ${classes[labels[clip]]} ${classes[first(main, clip)]}`.toLowerCase(),
    );

    const buttons = filters.map(([name, keep], index) => {
      const button = make("button", "", name);
      button.type = "button";
      const count = names.reduce((sum, _, clip) => sum + keep(clip), 0);
      button.append(make("small", "", thousands(count)));
      button.addEventListener("click", () => {
        state.filter = index;
        state.cell = null;
        state.count = FEW;
        show();
      });
      return button;
    });
    one(".filters", root).append(...buttons);

    function found() {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      const keep = filters[state.filter][1];
      const clips = [];
      for (let clip = 0; clip < names.length; clip += 1) {
        const isCell =
          !state.cell || (labels[clip] === state.cell[0] && first(main, clip) === state.cell[1]);
        const isFound = words.every((word) => texts[clip].includes(word));
        if (isCell && keep(clip) && isFound) clips.push(clip);
      }
      return clips;
    }

    function tops(clip) {
      const node = make("div", "tops");
      for (const source of sources) {
        const block = make("div", colourClass(source.key));
        const title = make("h4");
        title.append(make("i", `key ${colourClass(source.key)}`), source.name);
        block.append(title);
        for (let rank = clip * top; rank < (clip + 1) * top; rank += 1) {
          const line = make("p", source.classes[rank] === labels[clip] ? "true" : "");
          line.style.setProperty("--share", `${source.parts[rank] / 10}%`);
          line.append(
            make("span", "", classes[source.classes[rank]]),
            make("span", "", `${(source.parts[rank] / 10).toFixed(1)} %`),
          );
          block.append(line);
        }
        node.append(block);
      }
      return node;
    }

    function rowOf(clip) {
      const row = make("div", "row");
      row.dataset.clip = clip;
      const button = make("button");
      button.type = "button";
      button.setAttribute("aria-expanded", "false");
      if (pictures[clip]) {
        const image = make("img");
        image.src = pictures[clip];
        image.alt = "";
        button.append(image);
      } else {
        button.append(make("span", "blank"));
      }
      const who = make("span");
      who.append(
        make("span", "", classes[labels[clip]]),
        make("br"),
        make("span", "clip", bare(clip)),
      );
      const good = right(main, clip);
      const said = make("span", good ? "said up" : "said down");
      said.textContent = good ? "right" : `taken for ${classes[first(main, clip)]}`;
      const marks = make("span", "marks");
      for (const source of sources) {
        const isRight = right(source.key, clip);
        const mark = make("i", `${colourClass(source.key)} ${isRight ? "right" : ""}`);
        mark.title = `${source.name}: ${isRight ? "right" : classes[first(source.key, clip)]}`;
        marks.append(mark);
      }
      button.append(who, said, marks);
      button.addEventListener("click", () => {
        const open = button.getAttribute("aria-expanded") === "true";
        button.setAttribute("aria-expanded", String(!open));
        if (open) one(".tops", row).remove();
        else row.append(tops(clip));
      });
      row.append(button);
      return row;
    }

    function show() {
      const clips = found();
      buttons.forEach((button, index) => {
        button.setAttribute("aria-pressed", String(index === state.filter));
      });
      told.replaceChildren(`${thousands(clips.length)} of ${thousands(names.length)} clips`);
      if (state.cell) {
        const [row, column] = state.cell;
        const [truth, said] = [classes[row], classes[column]];
        const what = row === column ? `${truth}, right` : `${truth} taken for ${said}`;
        const clear = make("button", "", "×");
        clear.type = "button";
        clear.setAttribute("aria-label", "all cells");
        clear.addEventListener("click", () => {
          state.cell = null;
          show();
        });
        told.append(`: ${what} `, clear);
      }
      box.replaceChildren(...clips.slice(0, state.count).map(rowOf));
      more.hidden = clips.length <= state.count;
      more.textContent = `${thousands(Math.min(STEP, clips.length - state.count))} more`;
    }

    search.addEventListener("input", () => {
      state.count = FEW;
      show();
    });
    more.addEventListener("click", () => {
      state.count += STEP;
      show();
    });
    lists[number] = {
      cell(labels) {
        state.filter = 0;
        state.cell = labels;
        state.count = FEW;
        search.value = "";
        show();
        one(`#clips-${number}`).scrollIntoView();
      },
    };
    show();
  }

  all(".clips").forEach(list);
  all(".matrix").forEach(matrix);
  choose(shown);
})();
