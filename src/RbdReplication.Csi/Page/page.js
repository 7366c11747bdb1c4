"use strict";
(() => {
  const step = 100, most = 300, minutes = 60, silence = 45000, again = 30000, tick = 5000;
  const element = id => document.getElementById(id);
  const rows = new Map();      // id -> what is known of a volume or group
  const shown = new Map();     // id -> its row in the table
  let edits = 0;               // counts changes of rows
  let pools = new Map(), freshFor = Infinity, interval = 0, leftOut = 0, drills = [], known = false;
  let offset = 0;              // the server's clock less ours
  let first = 0, end = step;   // which of them are in the table
  let sorted = [], isSorted = true, sortBy = "health", descending = true;
  let source = null, heardAt = 0, lostSince = null, refused = false;

  // ---- words ----
  const now = () => Date.now() + offset;
  const time = text => text ? Date.parse(text) : null;
  const utc = at => new Date(at).toISOString().replace("T", " ").slice(0, 19) + " UTC";
  const number = n => n.toLocaleString("en");
  function age(seconds) {
    const s = Math.max(0, Math.floor(seconds)), m = Math.floor(s / 60), h = Math.floor(m / 60);
    return m < 2 ? s + "s" : h < 2 ? m + "m" : h < 24 ? h + "h" + m % 60 + "m" : Math.floor(h / 24) + "d" + h % 24 + "h";
  }
  const ago = at => age((now() - at) / 1000);
  const safety = row => row.isSafeToFailOver === null ? "not known" : row.isSafeToFailOver ? "yes" : "no";
  const lagOf = row => row.syncedAt === null ? null : Math.max(0, (now() - row.syncedAt) / 1000);
  const isStale = row => { const pool = pools.get(row.poolId); return !!pool && now() - pool.at > freshFor; };

  // ---- columns ----
  const columns = [
    { key: "health", title: "Health", of: row => row.severity, first: "descending" },
    { key: "name", title: "Volume or group", of: row => row.title },
    { key: "role", title: "Role", of: row => row.role },
    { key: "peer", title: "Peer", of: row => row.peer ?? "" },
    { key: "lag", title: "Lag", of: row => row.syncedAt === null ? -1 : -row.syncedAt, first: "descending" },
    { key: "hour", title: "Lag, last hour" },
    { key: "pending", title: "Under way", of: row => row.pending ? row.pending.startedAt : "~" },
    { key: "safe", title: "Safe to fail over", of: row => ["no", "not known", "yes"].indexOf(safety(row)) },
    { key: "message", title: "What is seen, what to do" },
  ];

  function adopt(row, kind, history) {
    const before = rows.get(row.id);
    const isGroup = kind === "group", pool = pools.get(row.poolId);
    row.title = isGroup ? row.name : row.persistentVolume ?? row.image;
    row.sub = [isGroup ? "group of " + row.volumes : row.persistentVolume ? row.image : null, row.clusterId, row.namespace ? row.pool + "/" + row.namespace : row.pool].filter(Boolean).join(" \u00b7 ");
    row.handle = isGroup ? row.groupHandle : row.volumeHandle;
    row.syncedAt = time(isGroup ? row.generationTakenAt : row.lastSyncTime);
    row.every = isGroup ? row.schedule : row.schedules.join(" ");
    row.instant = time(row.failoverInstant);
    row.readAt = before && !history ? before.readAt : pool ? pool.at : now();
    row.minute = before && !history ? before.minute : Math.floor(row.readAt / 60000);
    row.hour = before && !history ? before.hour : history && row.lagOfLastHour.length > 0 ? row.lagOfLastHour : [null];
    if (!before && !history) note(row);
    index(row);
    rows.set(row.id, row);
  }

  // What is searched for a word.
  const index = row => { row.at = ++edits; row.words = [row.title, row.image, row.handle, row.clusterId, row.pool, row.namespace, row.peer, row.message].filter(Boolean).join("\n").toLowerCase(); };

  // As the server keeps it: the largest of each minute.
  function note(row) {
    const minute = Math.floor(row.readAt / 60000), passed = Math.max(0, minute - row.minute);
    const lag = row.syncedAt === null ? null : Math.max(0, Math.floor((row.readAt - row.syncedAt) / 1000));
    if (passed > 0) row.hour = row.hour.concat(new Array(Math.min(passed, minutes)).fill(null)).slice(-minutes);
    row.minute = Math.max(row.minute, minute);
    const last = row.hour.length - 1;
    if (lag !== null && !(row.hour[last] >= lag)) row.hour[last] = lag;
  }

  function take(text, whole) {
    const data = JSON.parse(text);
    pools = new Map(data.pools.map(pool => [pool.id, { ...pool, at: time(pool.readAt) ?? 0 }]));
    freshFor = data.freshForSeconds * 1000;
    interval = data.intervalSeconds;
    leftOut = data.leftOut;
    drills = data.drills;
    known = true;
    if (whole) {
      rows.clear();
      element("program").textContent = "rbd-replication " + data.program + ".";
    }
    for (const volume of data.volumes) adopt(volume, "volume", whole);
    for (const group of data.groups) adopt(group, "group", whole);
    for (const { id, message, failoverReason } of data.words ?? []) {
      const row = rows.get(id);
      row.message = message;
      row.failoverReason = failoverReason ?? row.failoverReason;
      index(row);
    }
    for (const id of data.removed ?? []) rows.delete(id);
    // What a reading has found as it was is not sent again.
    for (const row of rows.values()) {
      const pool = pools.get(row.poolId);
      if (!pool || pool.at === row.readAt) continue;
      row.readAt = pool.at;
      row.at = ++edits;
      note(row);
    }
    isSorted = false;
    show();
  }

  // ---- which, and in which order ----
  function chosen() {
    const words = element("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const health = element("health").value, role = element("role").value, safe = element("safe").value;
    return inOrder().filter(row => (!health || (health === "ill" ? row.severity > 0 : row.health === health)) && (!role || row.role === role)
      && (!safe || safety(row) === safe) && words.every(word => row.words.includes(word)));
  }

  // Sorted again only when something is new, and then from the order before, which is nearly right.
  const compareText = new Intl.Collator("en", { numeric: true }).compare;
  function inOrder() {
    if (isSorted) return sorted;
    const column = columns.find(one => one.key === sortBy), sign = descending ? -1 : 1;
    const compare = (a, b) => typeof a === "number" ? a - b : compareText(a, b);
    const before = new Set(sorted.map(row => row.id));
    const ids = [...before].filter(id => rows.has(id)).concat([...rows.keys()].filter(id => !before.has(id)));
    sorted = ids.map(id => rows.get(id)).map(row => ({ row, key: column.of(row) }))
      .sort((a, b) => sign * compare(a.key, b.key) || b.row.severity - a.row.severity || compareText(a.row.title, b.row.title))
      .map(entry => entry.row);
    isSorted = true;
    return sorted;
  }

  // ---- the table: a part of the rows is in it, and of those only what has changed is written ----
  function text(parent, words, style) {
    const span = document.createElement("span");
    span.textContent = words;
    if (style) span.className = style;
    parent.append(span);
    return span;
  }
  const set = (node, words) => { if (node.textContent !== words) node.textContent = words; };

  const fill = {
    health(cell, row) {
      text(cell, row.health, "tag " + (row.health === "healthy" ? "good" : row.health === "error" ? "bad" : "warn"));
      if (isStale(row)) text(cell, " as read " + ago(pools.get(row.poolId).at) + " ago", "sub");
    },
    name(cell, row) {
      text(cell, row.title, "name").title = row.handle ?? "";
      cell.append(document.createElement("br"));
      text(cell, row.sub, "sub");
    },
    role(cell, row) { text(cell, row.role); },
    peer(cell, row) { text(cell, row.peer ?? ""); },
    lag(cell, row) {
      const lag = lagOf(row);
      text(cell, lag === null ? "-" : age(lag));
      if (row.every) text(cell, " of " + row.every, "sub");
    },
    hour(cell, row) { if (row.hour.some(value => value !== null)) cell.append(line(row)); },
    pending(cell, row) {
      if (!row.pending) return;
      text(cell, row.pending.operation + " since " + ago(time(row.pending.startedAt)));
      if (row.pending.overdueSince) text(cell, " overdue: its caller has stopped waiting", "warn");
    },
    safe(cell, row) {
      const words = safety(row);
      text(cell, words, "tag " + (words === "yes" ? "good" : words === "no" ? "bad" : "warn"));
      if (row.instant !== null) text(cell, " to " + utc(row.instant) + " (" + ago(row.instant) + " ago)");
      cell.append(document.createElement("br"));
      if (row.failoverReason !== row.message) text(cell, row.failoverReason, "sub");
      if (row.newestPointAt) text(cell, " a drill could be as of " + utc(time(row.newestPointAt)) + " (" + ago(time(row.newestPointAt)) + " ago)", "sub");
    },
    message(cell, row) { text(cell, row.message); },
  };

  function line(row) {
    const width = 120, height = 24, space = "http://www.w3.org/2000/svg";
    const values = row.hour.filter(value => value !== null), every = row.scheduleIntervalSeconds;
    const top = Math.max(...values, every ? every * 2 : 0, 1), start = minutes - row.hour.length;
    const x = i => (start + i) * width / (minutes - 1), y = value => height - 1 - value / top * (height - 2);
    const svg = document.createElementNS(space, "svg");
    const put = (name, attributes) => {
      const node = document.createElementNS(space, name);
      for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
      svg.append(node);
    };
    for (const [key, value] of Object.entries({ width, height, viewBox: `0 0 ${width} ${height}`, role: "img" })) svg.setAttribute(key, value);
    svg.setAttribute("aria-label", `lag of the last hour from ${age(Math.min(...values))} to ${age(Math.max(...values))}, last ${age(values[values.length - 1])}`);
    if (every) put("line", { x1: 0, x2: width, y1: y(every), y2: y(every) });
    let path = "", gap = true;
    row.hour.forEach((value, i) => {
      if (value !== null) path += (gap ? "M" : "L") + x(i).toFixed(1) + " " + y(value).toFixed(1) + (gap ? "h.1" : "");
      gap = value === null;
    });
    put("path", { d: path });
    return svg;
  }

  const lineMark = row => row.hour.join() + "/" + row.scheduleIntervalSeconds;

  // Cells of which time alone changes what they say.
  const ageing = new Set(["health", "lag", "pending", "safe"]);

  function draw(row, entry, isTick) {
    if (!isTick && entry.drawnAt === row.at) return;
    for (const column of columns) {
      if (isTick && !ageing.has(column.key)) continue;
      const cell = entry.cells[column.key], fresh = document.createElement("div"), isLine = column.key === "hour";
      if (isLine && entry.marks.hour === lineMark(row)) continue;
      fill[column.key](fresh, row);
      const mark = isLine ? lineMark(row) : [...fresh.childNodes].map(node => node.className + "\t" + node.textContent).join("\n");
      if (entry.marks[column.key] === mark) continue;
      entry.marks[column.key] = mark;
      cell.replaceChildren(...fresh.childNodes);
      cell.classList.toggle("empty", !cell.hasChildNodes() || cell.textContent === "" && !isLine);
    }
    entry.drawnAt = row.at;
  }

  function make(row) {
    const tr = document.createElement("tr"), cells = {};
    tr.setAttribute("role", "row");
    tr.dataset.id = row.id;
    for (const column of columns) {
      const cell = document.createElement(column.key === "name" ? "th" : "td");
      cell.setAttribute("role", column.key === "name" ? "rowheader" : "cell");
      if (column.key === "name") cell.scope = "row";
      cell.dataset.c = column.key;
      cell.dataset.label = column.title;
      tr.append(cells[column.key] = cell);
    }
    return { tr, cells, marks: {}, drawnAt: 0 };
  }

  function show() {
    const all = chosen(), body = element("rows");
    first = Math.max(0, Math.min(first, all.length - step));
    const some = all.slice(first, end), wanted = new Set(some.map(row => row.id));
    for (const [id, entry] of shown) {
      if (!wanted.has(id)) { entry.tr.remove(); shown.delete(id); }
    }
    let at = body.firstChild;
    some.forEach((row, index) => {
      let entry = shown.get(row.id);
      if (!entry) shown.set(row.id, entry = make(row));
      draw(row, entry);
      entry.tr.setAttribute("aria-rowindex", first + index + 2);
      if (entry.tr === at) at = at.nextSibling;
      else body.insertBefore(entry.tr, at);
    });
    element("table").setAttribute("aria-rowcount", all.length + 1);
    element("fewer-line").hidden = first === 0;
    set(element("fewer-text"), `${number(first)} are above`);
    element("more-line").hidden = all.length <= end;
    set(element("more-text"), `${first > 0 ? `${number(first + 1)} to ` : ""}${number(Math.min(end, all.length))} of ${number(all.length)} are shown`);
    element("none").hidden = all.length > 0 || !known;
    set(element("none"), rows.size > 0 ? "None is like that." : interval === 0 ? "Nothing is read: --volume-metrics-interval is 0."
      : "No mirrored volume is known yet. The server reads the pools in which calls have found volumes since it started: the first comes with the next call of the controller.");
    summarize(all);
    tell();
  }

  function summarize(all) {
    const values = [...rows.values()], groups = values.filter(row => row.id.includes("/group/")).length;
    const count = test => values.filter(test).length;
    const parts = ["error", "degraded", "unknown", "healthy"].map(health => [health, count(row => row.health === health)]).filter(([, n]) => n > 0).map(([health, n]) => `${number(n)} ${health}`);
    const plural = (n, what) => `${number(n)} ${what}${n === 1 ? "" : "s"}`;
    set(element("summary"), !known ? "" : `${plural(values.length - groups, "volume")}${groups ? ` and ${plural(groups, "group")}` : ""}${parts.length ? ": " + parts.join(", ") : ""}`
      + `; safe to fail over: ${number(count(row => row.isSafeToFailOver === true))}`
      + (all.length < values.length ? `; ${number(all.length)} as searched for` : "") + (leftOut > 0 ? `; ${plural(leftOut, "healthy volume")} left out (--max-volume-series)` : ""));
  }

  // ---- pools, and the connection ----
  function list(parent, texts) {
    if ([...parent.children].map(item => item.textContent).join("\n") === texts.join("\n")) return;
    parent.replaceChildren(...texts.map(words => {
      const item = document.createElement("li");
      item.textContent = words;
      return item;
    }));
  }

  function tell() {
    const name = pool => `pool ${pool.namespace ? pool.pool + "/" + pool.namespace : pool.pool} of cluster ${pool.clusterId}`;
    const read = pool => pool.readAt ? `read ${ago(pool.at)} ago` : "not read yet";
    const failing = [...pools.values()].filter(pool => pool.problem);
    element("problems").hidden = failing.length === 0;
    list(element("problem-list"), failing.map(pool => `${name(pool)} cannot be read since ${ago(time(pool.failingSince))} (${read(pool)}): ${pool.problem}`));
    list(element("pools"), [...pools.values()].map(pool => `${name(pool)}: ${read(pool)}, ${number(pool.volumes)} mirrored`));
    element("drills").hidden = drills.length === 0;
    set(element("drills"), `${number(drills.length)} ${drills.length === 1 ? "drill" : "drills"}: ` + drills.slice(0, 8).map(one =>
      `${one.name} in ${one.namespace ? one.pool + "/" + one.namespace : one.pool}, ${one.createdAt ? ago(time(one.createdAt)) + " old" : "of an age that is not known"}`).join("; ") + (drills.length > 8 ? "; \u2026" : ""));
    document.body.className = lostSince !== null ? "lost" : known ? "live" : "";
    set(element("connection-text"), refused ? `As many pages as are allowed are kept up to date already (--max-page-streams): this one asks every ${again / 1000} s`
      : lostSince !== null ? `Without a connection to the server since ${utc(lostSince + offset)} (${age((Date.now() - lostSince) / 1000)}): what is shown is from before`
      : known ? "Live" : "Connecting");
  }

  function heard() {
    heardAt = Date.now();
    lostSince = null;
    refused = false;
  }
  const lose = () => { lostSince ??= Date.now(); refused = false; tell(); };

  function connect() {
    source?.close();
    heardAt = Date.now();
    const stream = source = new EventSource("/api/v1/events");
    stream.addEventListener("time", event => { offset = Date.parse(JSON.parse(event.data)) - Date.now(); heard(); tell(); });
    stream.addEventListener("state", event => { heard(); take(event.data, true); });
    stream.addEventListener("changes", event => { heard(); take(event.data, false); });
    stream.onerror = () => {
      lose();
      // An answer that is no stream ends it for good; a connection that breaks does not.
      if (stream.readyState === EventSource.CLOSED) {
        ask();
        setTimeout(() => { if (stream === source) connect(); }, again);
      }
    };
  }

  async function ask() {
    try {
      const answer = await fetch("/api/v1/volumes", { cache: "no-store" });
      if (!answer.ok) return;
      const words = await answer.text();
      offset = (Date.parse(answer.headers.get("date")) || now()) - Date.now();
      heard();
      refused = true;
      take(words, true);
    } catch {
      lose();
    }
  }

  // ---- what people do ----
  function begin() {
    first = 0;
    end = step;
    show();
  }

  function sort(key, isDescending) {
    sortBy = key;
    descending = isDescending;
    for (const th of element("head").children) {
      if (th.dataset.key === key) th.setAttribute("aria-sort", descending ? "descending" : "ascending");
      else th.removeAttribute("aria-sort");
    }
    element("sort").value = key + (descending ? " down" : " up");
    isSorted = false;
    begin();
  }

  for (const column of columns) {
    const th = document.createElement("th");
    th.setAttribute("role", "columnheader");
    th.scope = "col";
    th.dataset.key = column.key;
    const title = document.createElement(column.of ? "button" : "span");
    title.textContent = column.title;
    th.append(title);
    element("head").append(th);
    if (!column.of) continue;
    title.type = "button";
    title.addEventListener("click", () => sort(column.key, sortBy === column.key ? !descending : column.first === "descending"));
    for (const way of column.first === "descending" ? ["down", "up"] : ["up", "down"]) {
      const option = document.createElement("option");
      option.value = column.key + " " + way;
      option.textContent = column.title + (way === "down" ? " \u2193" : " \u2191");
      element("sort").append(option);
    }
  }
  element("sort").addEventListener("change", event => { const [key, way] = event.target.value.split(" "); sort(key, way === "down"); });
  element("filters").addEventListener("submit", event => event.preventDefault());
  for (const id of ["search", "health", "role", "safe"]) element(id).addEventListener("input", begin);
  // The part of the rows that is in the table moves along; what is in it before and after stays where it is on the screen.
  function move(isDown) {
    const body = element("rows"), kept = isDown ? body.lastElementChild : body.firstElementChild, focused = document.activeElement;
    const before = kept.getBoundingClientRect().top;
    if (isDown) {
      end += step;
      first = Math.max(first, end - most);
    } else {
      first = Math.max(0, first - step);
      end = Math.min(end, first + most);
    }
    show();
    scrollBy(0, kept.getBoundingClientRect().top - before);
    // A button that is gone leaves the focus to the rows.
    if (focused.closest("[hidden]")) body.focus({ preventScroll: true });
  }
  for (const [id, isDown] of [["more", true], ["fewer", false]]) {
    const line = element(id + "-line");
    element(id).addEventListener("click", () => move(isDown));
    new IntersectionObserver(seen => { if (seen.some(entry => entry.isIntersecting) && !line.hidden) move(isDown); }, { rootMargin: "400px" }).observe(line);
  }

  setInterval(() => {
    if (source && source.readyState !== EventSource.CLOSED && Date.now() - heardAt > silence) {
      lose();
      connect();
    }
    for (const [id, entry] of shown) draw(rows.get(id), entry, true);
    tell();
  }, tick);

  sort("health", true);
  connect();
})();
