// The filter in its box, the counts, the stream, and the keys.

const HISTORY = 100000;

/* ---- the filter in the box, in the address, and at the server ---- */

let wantedText = "", asked = null, asking;
function setQuery(text, now) {
  query.value = text;
  applyQuery(now);
}
const edit = change => setQuery(write(change(terms(query.value))), true);
const only = (found, name, value) => [...found.filter(term => term.name !== name), ...(value ? [{ not: false, name, value }] : [])];

function applyQuery(now) {
  let next;
  const problem = $("problem");
  try { next = compile(query.value); } catch (error) { problem.textContent = error.message; }
  problem.hidden = Boolean(next);
  query.setAttribute("aria-invalid", String(!next));
  if (!next) return;
  if (back && query.value !== "") { back = null; $("banner").hidden = true; }
  // A stream that has not come to its end is of no use any more, and what it has yet to pass is looked at as well.
  if (merging) {
    controller?.abort();
    asked = null;
    flushKept();
  }
  filter = next;
  wantedText = query.value.trim();
  remark();
  reshow();
  drawLevels();
  drawTree();
  const since = terms(wantedText).filter(term => !term.not && (term.name === "since" || term.name === "until"));
  const preset = since.length === 1 && [...$("range").options].some(option => option.value === since[0].value);
  $("range").value = !since.length ? "" : preset ? since[0].value : "custom";
  clearTimeout(asking);
  asking = setTimeout(() => { if (asked !== wantedText) connect(); }, now ? 0 : 300);
}
function centre() {
  if (wanted(centring) && shown[place(centring.order)] === centring) select(centring, false, true);
}

function remember() {
  const parts = new URLSearchParams();
  if (query.value.trim()) parts.set("q", query.value.trim());
  for (const word of marks) parts.append("h", word);
  if (wrapped) parts.set("wrap", "1");
  history.replaceState(null, "", parts.size ? "#" + parts : location.pathname);
}
function recall() {
  const parts = new URLSearchParams(location.hash.slice(1));
  marks = parts.getAll("h").slice(0, 8);
  setWrapped(parts.get("wrap") === "1");
  setQuery(parts.get("q") ?? "", true);
}

/* ---- levels, rate, loggers, senders: counts of all records, whatever the filter says ---- */

let levels = [0, 0, 0, 0, 0, 0], loggers = new Map(), senders = new Map(), seconds = new Map(), reports = [], server = null;

function drawLevels() {
  const least = Math.max(-1, ...terms(query.value).filter(term => term.name === "level" && !term.not).map(term => NUMBERS[term.value.toLowerCase()] ?? Number(term.value)));
  const box = $("levels");
  if (!box.children.length) {
    LEVELS.forEach((name, level) => {
      const button = make("button"), label = make("span"), word = make("i", "", name === "TRACE" ? "below" : name);
      word.style.fontStyle = "normal";
      label.append(make("span", "level l" + level, LETTERS[level]), word);
      button.append(label, make("b"));
      button.type = "button";
      button.onclick = () => setLevel(level);
      box.append(button);
    });
  }
  LEVELS.forEach((name, level) => {
    const button = box.children[level], word = number.format(levels[level]);
    button.lastChild.textContent = levels[level] < 1e6 ? word : (levels[level] / 1e6).toFixed(1) + " M";
    button.setAttribute("aria-pressed", String(least === level * 10));
    button.classList.toggle("off", level * 10 < least);
    button.title = `${name}: ${word} records; show ${name} and above (${level})`;
  });
}
function setLevel(level) {
  const name = LEVELS[level].toLowerCase();
  const now = terms(query.value).some(term => term.name === "level" && !term.not && term.value.toLowerCase() === name);
  edit(found => only(found, "level", now || level === 0 ? "" : name));
}

// The plot shows the shortest of these spans, in seconds, that has all it knows, or the longest.
const SPANS = [60, 120, 300, 600, 1800];
let span = SPANS[0];
function drawPlot() {
  const canvas = $("plot").querySelector("canvas"), ratio = devicePixelRatio || 1;
  const width = canvas.clientWidth, height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
  if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d"), style = getComputedStyle(document.documentElement);
  const colours = LEVELS.map(name => style.getPropertyValue("--" + name.toLowerCase()));
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  const now = plotEnd(), oldest = Math.min(now, ...seconds.keys());
  span = SPANS.find(span => now - oldest <= span) ?? SPANS.at(-1);
  const step = Math.max(1, Math.ceil(span * 3 / width)), bars = [];
  for (let from = now - span; from < now; from += step) {
    const bar = [0, 0, 0, 0, 0, 0];
    for (let second = from; second < from + step; second++) seconds.get(second)?.forEach((count, level) => { bar[level] += count; });
    bars.push(bar);
  }
  const most = Math.max(0, ...bars.map(bar => bar.reduce((sum, count) => sum + count)));
  const wide = width / bars.length;
  bars.forEach((bar, at) => {
    let y = height;
    for (let level = 5; level >= 0; level--) {
      const tall = bar[level] && Math.max(1, bar[level] / most * (height - 6));
      context.globalAlpha = level > 2 ? 1 : .55;
      context.fillStyle = colours[level];
      context.fillRect(at * wide, y -= tall, Math.max(1, wide - 1), tall);
    }
    // Errors are marked above the bar as well, so that they are not told by colour alone.
    context.fillStyle = colours[4];
    context.globalAlpha = 1;
    if (bar[4] + bar[5]) context.fillRect(at * wide, Math.max(0, y - 4), Math.max(1, wide - 1), 2);
  });
  const last = seconds.get(now - 1) ?? [];
  const [rate, peak] = $("rate").children;
  rate.textContent = `${number.format(last.reduce((sum, count) => sum + count, 0))}/s`;
  peak.textContent = `peak ${number.format(Math.round(most / step))}/s${narrow.matches ? "" : ` in ${span / 60} min`}`;
}
const plotEnd = () => Math.floor(clockOff + Date.now() / 1000);
let clockOff = 0;         // the server's clock, as of this one

let brush = null;
$("plot").addEventListener("pointerdown", event => { brush = event.offsetX; $("plot").setPointerCapture(event.pointerId); });
$("plot").addEventListener("pointermove", event => {
  if (brush === null) return;
  const box = $("brush"), from = Math.min(brush, event.offsetX);
  box.hidden = false;
  box.style.left = from + "px";
  box.style.width = Math.abs(event.offsetX - brush) + "px";
});
$("plot").addEventListener("pointerup", event => {
  $("brush").hidden = true;
  if (brush === null) return;
  const width = $("plot").clientWidth, [from, until] = [brush, event.offsetX].sort((one, other) => one - other);
  brush = null;
  if (until - from < 4) return;
  const stamp = x => new Date((plotEnd() - span + x / width * span) * 1000).toISOString().slice(0, 19) + "Z";
  edit(found => only(only(found, "since", stamp(from)), "until", stamp(until)));
});
$("range").onchange = event => edit(found => only(only(found, "until", ""), "since", event.target.value));

const turned = new Set(); // loggers that were folded or unfolded by hand
const isOpen = node => turned.has(node.name) !== (loggers.size <= 30);
let treeAt = null, nodes = [];
function drawTree() {
  const root = { name: "", count: 0, inner: new Map() };
  for (const [name, count] of loggers) {
    let node = root, path = "";
    for (const part of name.split(".").slice(0, 12)) {
      path = path ? path + "." + part : part;
      if (!node.inner.has(part)) node.inner.set(part, { name: path, part, count: 0, inner: new Map() });
      node = node.inner.get(part);
      node.count += count;
    }
  }
  const found = terms(query.value).filter(term => term.name === "logger");
  const out = found.filter(term => term.not).map(term => term.value), solo = found.filter(term => !term.not).map(term => term.value);
  nodes = [];
  const walk = (node, level) => {
    const inner = [...node.inner.values()].sort((one, other) => one.part < other.part ? -1 : 1);
    for (const child of inner.slice(0, 500)) {
      nodes.push({ ...child, level });
      if (isOpen(child)) walk(child, level + 1);
    }
    if (inner.length > 500) nodes.push({ name: null, part: `… ${number.format(inner.length - 500)} more: use the filter`, level, inner: new Map() });
  };
  walk(root, 1);
  const tree = $("loggers").querySelector("ul");
  while (tree.children.length > nodes.length) tree.lastChild.remove();
  nodes.forEach((node, at) => {
    let item = tree.children[at];
    if (!item) {
      item = make("li");
      item.setAttribute("role", "treeitem");
      item.append(make("span", "twisty"), make("span", "name"), make("span", "count"), make("button", "only", "only"));
      item.children[3].tabIndex = -1;
      item.onclick = event => {
        const node = nodes[[...tree.children].indexOf(item)];
        if (!node?.name) return;
        treeAt = node.name;
        if (event.target === item.children[0] && node.inner.size) return fold(node);
        if (event.target === item.children[3]) onlyLogger(node.name); else hideLogger(node.name);
      };
      tree.append(item);
    }
    const [twisty, name, count] = item.children;
    twisty.textContent = node.inner.size ? isOpen(node) ? "▾" : "▸" : "";
    name.textContent = visible(node.part);
    name.title = node.name ? `${visible(node.name)}: a click hides it` : "";
    count.textContent = node.name ? number.format(node.count) : "";
    item.id = "logger" + at;
    item.style.paddingLeft = node.level * 12 - 8 + "px";
    item.className = (out.some(name => node.name && isBelow(node.name, name)) ? "out " : "") + (solo.includes(node.name) ? "solo" : "");
    item.setAttribute("aria-level", node.level);
    if (node.inner.size) item.setAttribute("aria-expanded", String(isOpen(node))); else item.removeAttribute("aria-expanded");
    item.toggleAttribute("data-at", node.name !== null && node.name === treeAt);
    if (node.name === treeAt) tree.setAttribute("aria-activedescendant", item.id);
  });
}
function fold(node) { if (!turned.delete(node.name)) turned.add(node.name); drawTree(); }
function toggleLogger(name, not) {
  edit(found => {
    const rest = found.filter(term => !(term.name === "logger" && term.value === name && term.not === not));
    if (rest.length < found.length) return rest;
    return [...rest.filter(term => not ? term.not || term.value !== name : term.name !== "logger" || (term.not && !isBelow(name, term.value))), { not, name: "logger", value: name }];
  });
}
const hideLogger = name => toggleLogger(name, true), onlyLogger = name => toggleLogger(name, false);
$("loggers").querySelector("ul").addEventListener("keydown", event => {
  let at = nodes.findIndex(node => node.name === treeAt);
  const node = nodes[at];
  switch (event.key) {
    case "ArrowDown": case "j": at++; break;
    case "ArrowUp": case "k": at--; break;
    case "Home": at = 0; break;
    case "End": at = nodes.length - 1; break;
    case "ArrowRight": if (node?.inner.size && !isOpen(node)) fold(node); break;
    case "ArrowLeft": if (node && isOpen(node)) fold(node); break;
    case "Enter": case " ": case "x": if (node?.name) hideLogger(node.name); break;
    case "o": if (node?.name) onlyLogger(node.name); break;
    case "Escape": list.focus(); break;
    default: return;
  }
  event.preventDefault();
  event.stopPropagation();
  treeAt = nodes[Math.max(0, Math.min(nodes.length - 1, at))]?.name ?? null;
  drawTree();
  $("loggers").querySelector("[data-at]")?.scrollIntoView({ block: "nearest" });
});

const sum = reasons => Object.values(reasons ?? {}).reduce((total, count) => total + count, 0);
const told = reasons => Object.entries(reasons ?? {}).map(([reason, count]) => `${visible(reason)} ${number.format(count)}`).join(", ");
function losses() {
  const rejected = { ...server?.rejected }, dropped = { ...server?.dropped };
  const first = server?.outputs?.[0];
  for (const [reason, count] of Object.entries(first?.rejected ?? {})) rejected[reason] = (rejected[reason] ?? 0) + count;
  for (const output of server?.outputs ?? []) for (const [reason, count] of Object.entries(output.dropped)) dropped[reason] = (dropped[reason] ?? 0) + count;
  return { rejected, dropped };
}
function drawFooter() {
  const { rejected, dropped } = losses(), hidden = sum(notShown);
  const parts = [["rejected", rejected], ["dropped", dropped], ["not shown", notShown]].filter(([, reasons]) => sum(reasons));
  $("lost").textContent = parts.map(([word, reasons]) => `${word} ${number.format(sum(reasons))} (${told(reasons)})`).join(" · ") || "nothing rejected or dropped";
  $("lost").classList.toggle("bad", sum(rejected) + sum(dropped) > 0);
  $("lost").dataset.hidden = hidden;
  const busy = [...senders.values()].filter(sender => sender.rate).length;
  $("senders").textContent = `${number.format(senders.size)} sender${senders.size === 1 ? "" : "s"}${busy && !narrow.matches ? `, ${busy} sending` : ""}`;
}
function table(heads, lines) {
  const element = make("table"), head = make("tr");
  heads.forEach(name => head.append(make("th", name.startsWith("#") ? "number" : "", name.replace("#", ""))));
  element.append(head);
  for (const cells of lines) {
    const line = make("tr");
    cells.forEach((cell, at) => {
      const box = make("td", heads[at].startsWith("#") ? "number" : "");
      box.append(cell instanceof Node ? cell : typeof cell === "number" ? number.format(cell) : visible(cell));
      line.append(box);
    });
    element.append(line);
  }
  return element;
}
function drawServer() {
  if (!$("server").open || !server) return;
  const { rejected, dropped } = losses(), parts = [];
  const add = (title, element) => parts.push(make("h3", "", title), element);
  const sorted = [...senders.entries()].sort((one, other) => other[1].rate - one[1].rate || other[1].count - one[1].count).slice(0, 200);
  add("Senders", table(["sender", "key", "#records", "#a second", "last"], sorted.map(([key, { count, rate, last }]) => {
    const [transport, peer, id] = JSON.parse(key);
    const sender = make("button", "", visible(`${transport} ${peer}`));
    sender.title = "Only what it sends";
    sender.disabled = !peer || peer === "other";
    sender.onclick = () => { $("server").close(); edit(found => only(found, "peer", peer)); };
    return [sender, id || "unsigned", count, rate, clock(last)];
  })));
  const lost = [];
  for (const [word, reasons] of [["rejected", rejected], ["dropped", dropped], ["not shown here", notShown]]) {
    for (const [reason, count] of Object.entries(reasons)) lost.push([word, reason, count]);
  }
  if (server.missing) lost.push(["missing", "numbers of signed streams that never came", server.missing]);
  add("Rejected, dropped, not shown", lost.length ? table(["what", "why", "#records"], lost) : make("p", "", "Nothing."));
  add("Listeners", table(["address", "#received", "#connections"], server.listeners.map(one => [one.address, one.received, one.connections])));
  add("Outputs", table(["name", "#written", "#filtered", "#waiting", "#seconds behind", "state"], server.outputs.map(one =>
    [one.name, one.written, one.filtered, one.lag.records, one.lag.seconds, one.failing ? "takes nothing" : "works"])));
  add("What the server said", reports.length ? table(["time", "line"], [...reports].reverse().map(([, time, text]) => [clock(time, true), text])) : make("p", "", "Nothing."));
  $("server").querySelector(".body").replaceChildren(...parts);
}

const FIRST = "Send the first one from any Python:";
const UNSIGNED = "Records came that are not signed, and a key is required: HMACSocketHandler of logrecord_hmac signs them.";
// The handler that suits what the server listens on.
function handler() {
  const found = server?.listeners?.map(one => /^(tcp|udp|unix|unix-dgram):\/\/(.+?)(?::(\d+))?$/.exec(one.address)).filter(Boolean) ?? [];
  const [, transport, place, port] = found.find(one => one[1] === "tcp") ?? found[0] ?? [null, "tcp", "127.0.0.1", "9020"];
  const host = place.replace(/^0\.0\.0\.0$/, "127.0.0.1").replace(/^\[::\]$/, "::1").replace(/^\[|\]$/g, "");
  return `${/^(tcp|unix)$/.test(transport) ? "SocketHandler" : "DatagramHandler"}(${JSON.stringify(port ? host : place)}, ${port ?? "None"})`;
}
function drawEmpty() {
  const box = $("empty"), [title, text, code, button] = box.children;
  box.hidden = state !== "live" || shown.length > 0 || (Boolean(paused) && came > 0);
  if (box.hidden) return;
  const none = rows.length === 0 && filter.isEmpty;
  title.textContent = none ? "No record yet" : "No record matches";
  text.textContent = none ? FIRST : "Everything that comes is counted above, and the filter goes on looking.";
  code.hidden = !none;
  button.textContent = none ? "Copy" : "Clear the filter";
  button.onclick = () => none ? copy(code.textContent) : setQuery("", true);
  const python = ["import logging, logging.handlers", `handler = logging.handlers.${handler()}`, "log = logging.getLogger()",
    "log.addHandler(handler)", "log.setLevel(logging.INFO)", 'log.info("hello %s", "world", extra={"user": 42})'].join("\n");
  if (none && code.textContent !== python) code.textContent = python;
  if (none && server?.rejected?.unsigned) text.textContent = UNSIGNED;
}

/* ---- the stream ---- */

let state = "wait", lastId = null, counted = null, complete = null, completeOrder = 0, merging = false, keptAt = 0;
let controller = null, tries = 0, heard = 0, retry, errorsHidden = 0;

const indexOf = id => Number(id.slice(id.indexOf("-") + 1));

function tell(next, text) {
  state = next;
  if (scan && next !== "live") scan.last = false;
  $("state").dataset.state = next;
  $("state").querySelector("span").textContent = $("state").title = text;
  draw();
}

// Begins a stream with the filter that is wanted now. What the last one without a filter has brought stays; behind that,
// the new one says what there is, and what is held already takes its place in it.
async function connect() {
  controller?.abort();
  clearTimeout(retry);
  const mine = controller = new AbortController();
  asked = wantedText;
  // What one stream has not brought, the next one may: it begins where the first of that is missing.
  const fromStart = complete === null || (asked && shortOf > 0), gap = rows.find(row => row.why && row.index + 1 >= oldestKept);
  const after = fromStart ? 0 : Math.min(complete, gap?.index ?? complete);
  const keep = fromStart ? 0 : firstBehind(Math.min(completeOrder, gap ? gap.order - 1 : completeOrder));
  kept = [...rows.slice(keep), ...kept.slice(keptAt)];
  keptAt = 0;
  rows = rows.slice(0, keep);
  chars = rows.reduce((total, row) => total + (row.raw?.length ?? 0), 0);
  merging = kept.length > 0;
  const parts = new URLSearchParams({ history: HISTORY });
  if (asked) parts.set("q", asked);
  if (lastId) {
    parts.set("seen", lastId);
    parts.set("after", after);
    parts.set("counted", counted ?? 0);
  }
  heard = Date.now();
  try {
    const answer = await fetch("events?" + parts, { signal: mine.signal, headers: { Accept: "text/event-stream" } });
    if (!answer.ok) return refused(answer.status, (await answer.text()).trim());
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let buffer = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (mine !== controller) return reader.cancel();
      if (done) break;
      heard = Date.now();
      buffer += value;
      let from = 0;
      for (let end; (end = buffer.indexOf("\n\n", from)) >= 0; from = end + 2) take(buffer.slice(from, end));
      buffer = buffer.slice(from);
    }
  } catch (error) {
    const expected = error === "silent" || error instanceof DOMException || error instanceof TypeError && /fetch|network/i.test(error.message);
    if (!expected) console.error(error);
    if (mine !== controller || error.name === "AbortError" && mine.signal.reason !== "silent") return;
  }
  again();
}
function again() {
  flushKept();
  tell("lost", "connection lost");
  retry = setTimeout(connect, Math.min(10000, 500 * 2 ** tries++));
}
function refused(status, text) {
  flushKept();
  if (status === 401) {
    tell("lost", "token refused");
    return banner("The server has another token since its restart. Open the link that it prints; with a token_file the link stays.", "Try again", () => { $("banner").hidden = true; connect(); });
  }
  if (status === 400) { $("problem").textContent = text; $("problem").hidden = false; return tell("lost", "filter refused"); }
  tell("lost", text || "refused: " + status);
  retry = setTimeout(connect, 5000);
}
function flushKept() {
  while (keptAt < kept.length) push(kept[keptAt++]);
  kept = []; keptAt = 0;
  if (merging) { merging = false; reshow(); }
}

function take(event) {
  let name = "", id = null;
  const data = [];
  for (const line of event.split("\n")) {
    if (line.startsWith("data: ")) data.push(line.slice(6));
    else if (line.startsWith("event: ")) name = line.slice(7);
    else if (line.startsWith("id: ")) id = line.slice(4);
  }
  if (name === "records") ingest(data.join("\n"));
  if (id !== null) lastId = id;
  if (name !== "records") handlers[name]?.(JSON.parse(data.join("\n")));
  if (id !== null && !asked && !merging) { complete = indexOf(id); completeOrder = order; }
  draw();
}
const WHY = {
  rate: "more than 2,000 a second; a filter leaves out what is not wanted", slow: "this browser does not take them fast enough",
  busy: "the server had no time to look at them", gone: "the server does not have them any more",
};
const handlers = {
  hello({ resumed, oldest, last }) {
    tries = 0;
    oldestKept = oldest;
    if (!resumed || !asked) shortOf = 0;
    if (!resumed) {
      levels = [0, 0, 0, 0, 0, 0]; loggers = new Map(); senders = new Map(); seconds = new Map();
      counted = null;
      if (lastId !== null) {
        // Another process, whose records are numbered anew.
        while (keptAt < kept.length) push(kept[keptAt++]);
        if (rows.length) note("start", 1, () => `the server was started again; what it has kept begins here (${clock(Date.now() / 1000)})`);
      }
      for (const row of rows) row.index = -1;
      complete = null;
    }
    // This stream brings what others have missed, unless the server does not have it any more or has too much of it.
    const from = asked ? oldest : Math.max(oldest, last + 1 - HISTORY);
    kept = kept.filter(row => !row.why || row.index + 1 < from);
    tell("wait", "reading");
  },
  live() {
    merging = false;
    flushKept();
    reshow(true);
  },
  gap({ records, why }) {
    if (why === "history") { shortOf += asked ? 0 : records; return; }
    notShown[why] = (notShown[why] ?? 0) + records;
    note("gap " + why, records, sum => `${number.format(sum)} records are not shown: ${WHY[why] ?? why}`, why);
    drawFooter();
  },
  status(status) {
    clockOff = status.time - Date.now() / 1000;
    counted = status.counted;
    oldestKept = status.oldest;
    server = status.server;
    status.levels.forEach((count, level) => { levels[level] += count; });
    if (document.hidden) errorsHidden += status.levels[4] + status.levels[5];
    for (const [name, count] of Object.entries(status.loggers)) {
      const known = loggers.has(name) || loggers.size < 5000 ? name : "other";
      loggers.set(known, (loggers.get(known) ?? 0) + count);
    }
    for (const sender of senders.values()) sender.rate = 0;
    for (const [transport, peer, key, count] of status.senders) {
      const name = JSON.stringify(senders.size < 1000 || senders.has(JSON.stringify([transport, peer, key])) ? [transport, peer, key] : [transport, "other", ""]);
      const sender = senders.get(name) ?? { count: 0 };
      senders.set(name, { count: sender.count + count, rate: state === "live" ? count : 0, last: status.time });
    }
    for (const [second, counts] of status.seconds) {
      const sofar = seconds.get(second);
      seconds.set(second, sofar ? sofar.map((count, level) => count + counts[level]) : counts);
    }
    for (const second of seconds.keys()) if (second < status.time - SPANS.at(-1)) seconds.delete(second);
    for (const report of status.reports) if (!reports.some(known => known[0] === report[0] && known[1] === report[1])) reports.push(report);
    reports = reports.slice(-200);
    document.title = (errorsHidden ? `(${number.format(errorsHidden)}) ` : "") + "logrecord";
    if (document.hidden) return;
    drawLevels(); drawPlot(); drawTree(); drawFooter(); drawServer();
  },
};
/* ---- mouse and keys ---- */

function setWrapped(on) {
  wrapped = on;
  list.classList.toggle("wrapped", on);
  $("wrap").setAttribute("aria-pressed", String(on));
  measure();
  remember();
}
function measure() {
  const probe = make("span", "", "0".repeat(100)), wide = narrow.matches ? 101 : 92 + 22 + 168 + 24 + 24;
  probe.style.visibility = "hidden";
  probe.style.position = "absolute";
  spacer.append(probe);
  columns = Math.max(10, Math.floor((list.clientWidth - wide) / (probe.getBoundingClientRect().width / 100)));
  probe.remove();
  reshow();
}
function toggleLoggers() {
  const off = document.querySelector("main").classList.toggle("wide");
  $("loggers-button").setAttribute("aria-expanded", String(!off));
  if (wrapped) measure();
}
function open(dialog) { dialog.showModal(); dialog.querySelector("h2").focus(); }
function showServer(part) {
  open($("server"));
  drawServer();
  if (part > 0) $("server").querySelectorAll("h3")[part]?.scrollIntoView();
}
function escape() {
  if (!detail.hidden) { detail.hidden = true; return list.focus(); }
  if (back) return leaveContext();
  if (selected) { select(null); return goOn(); }
  if (query.value) setQuery("", true);
}
const tools = {
  context: inContext, close: escape,
  json: () => selected?.raw && copy(json(selected)), text: () => selected?.raw && copy(plain(selected)),
};
const keys = {
  "/": () => { query.focus(); query.select(); }, " ": () => paused ? goOn() : pause("key"),
  j: () => move(1), ArrowDown: () => move(1), k: () => move(-1), ArrowUp: () => move(-1),
  PageDown: () => move(Math.floor(list.clientHeight / 22)), PageUp: () => move(-Math.floor(list.clientHeight / 22)),
  g: () => shown[0] && select(shown[0]), Home: () => shown[0] && select(shown[0]),
  G: () => { select(null); goOn(); }, End: () => { select(null); goOn(); },
  e: () => move(1, row => row.number >= 40), E: () => move(-1, row => row.number >= 40),
  Enter: () => { if (!selected) move(1); if (selected) select(selected, true); },
  c: inContext, y: tools.json, t: tools.text,
  d: save,
  x: () => selected?.logger && hideLogger(selected.logger), o: () => selected?.logger && onlyLogger(selected.logger),
  m: () => { marks = [...new Set([...marks, ...filter.words])].slice(0, 8); edit(found => found.filter(term => term.name !== null || term.not)); },
  w: () => setWrapped(!wrapped), s: () => showServer(0), "?": () => open($("help")), Escape: escape,
  l: () => { if (document.querySelector("main").classList.contains("wide")) toggleLoggers(); $("loggers").querySelector("ul").focus(); },
};
for (let level = 0; level < 6; level++) keys[level] = () => setLevel(level);
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.target === query) {
    if (event.key === "Escape" || event.key === "Enter") { event.preventDefault(); list.focus(); }
    return;
  }
  const onButton = event.target.closest?.("button, select, summary, input");
  if (onButton && (event.key === " " || event.key === "Enter" || event.key.startsWith("Arrow"))) return;
  const act = keys[event.key];
  if (act) { event.preventDefault(); act(); }
});
list.addEventListener("click", event => {
  const row = event.target.closest(".row")?.row;
  if (row && !String(getSelection())) select(row, true);
});
detail.addEventListener("click", event => tools[event.target.dataset?.do]?.());
query.addEventListener("input", () => applyQuery());
$("search").addEventListener("submit", event => event.preventDefault());
$("pause").onclick = () => paused ? goOn() : pause("button");
$("newer").onclick = () => { select(null); goOn(); };
$("wrap").onclick = keys.w;
$("loggers-button").onclick = toggleLoggers;
$("help-button").onclick = keys["?"];
$("save").onclick = save;
$("senders").onclick = () => showServer(0);
$("lost").onclick = () => showServer(1);
addEventListener("hashchange", recall);
addEventListener("resize", () => { measure(); drawPlot(); });
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  errorsHidden = 0;
  draw(); drawLevels(); drawPlot(); drawTree(); drawFooter();
  if (state === "lost") connect();
});
// A machine that slept, or a proxy that forgot the connection: the counts come every second, so silence is an end.
setInterval(() => { if (state !== "lost" && Date.now() - heard > 15000) controller?.abort("silent"); }, 5000);

if (narrow.matches) toggleLoggers();
drawLevels();
drawFooter();
recall();
list.focus({ preventScroll: true });
