// The records that the stream has sent, bounded by MOST, and the list that shows those that are wanted.

// `slice` is in milliseconds: how long the list is gathered at a time.
const MOST = { rows: 200000, chars: 100e6, slice: 12 }, TRIM = 10000;
const LINE = 18, PAD = 4, MAX_WRAPPED = 6;

class Row {
  constructor(raw, record) {
    this.raw = raw;
    this.index = record.index;
    this.number = record.levelno ?? NUMBERS[String(record.levelname).toLowerCase()] ?? 0;
    this.level = Math.max(0, Math.min(5, Math.floor(this.number / 10)));
    this.logger = record.name ?? "root";
    this.time = record.created ?? record.received;
    this.message = record.message;
    this.trace = record.exc_text !== undefined || record.stack_info !== undefined;
    this.hay = haystack(record);
    this.order = 0;
    this.common = commonOf(record);
    // Few extras are kept for the list and for filters; many are read again when they are asked for.
    this.few = raw.length < 2000 ? record.extra ?? null : undefined;
  }
  get extra() { return this.few !== undefined ? this.few : this.raw.includes('"extra":{') ? this.record().extra : null; }
  record() { return JSON.parse(this.raw); }
}

let rows = [];            // all that is held, oldest first
let kept = [];            // rows that a new stream has yet to pass
let shown = [];           // those that the filter wants
let order = 0, chars = 0;
let filter = compile("");
let selected = null, paused = null, pausedAt = 0, came = 0, trimmed = false, shortOf = 0;
let scan = null;          // the list as the filter will have it, while it is gathered
let back = null;          // the filter before "in context"
let notShown = {};        // by reason, what the notes in the list tell
let oldestKept = 0;       // the oldest record that the server has

function push(row) {
  row.order = ++order;
  rows.push(row);
  chars += row.raw?.length ?? 0;
  if (merging || scan) return;
  if (paused) { if (wanted(row)) came++; } else if (wanted(row)) show(row);
}

// A line in the list that is no record. Several of one kind, one behind the other, are one.
function note(kind, count, text, why) {
  const last = rows.at(-1);
  if (last?.kind !== kind) {
    return push({ kind, count, why, note: text(count), index: last?.index ?? 0, time: 0, logger: "", hay: "" });
  }
  last.count += count;
  last.note = text(last.count);
  const element = pool.find(element => element.row === last);
  if (element) element.row = null;
}

const wanted = row => row.note !== undefined || filter.wants(row);

function ingest(text) {
  const lines = text.split("\n");
  const records = JSON.parse("[" + lines.join(",") + "]");
  records.forEach((record, place) => {
    while (kept.length > keptAt && kept[keptAt].index < record.index) push(kept[keptAt++]);
    if (kept.length > keptAt && kept[keptAt].index === record.index && kept[keptAt].raw) push(kept[keptAt++]);
    else push(new Row(lines[place], record));
  });
  trim();
}

function trim() {
  if (rows.length <= MOST.rows && chars <= MOST.chars) return;
  let gone = 0;
  while (gone < rows.length && (rows.length - gone > MOST.rows - TRIM || chars > MOST.chars * .9)) chars -= rows[gone++].raw?.length ?? 0;
  rows.splice(0, gone);
  trimmed = true;
  if (merging) return;
  const first = rows[0]?.order ?? order + 1;
  const cut = (among, tops) => {
    const out = place(first, among), height = tops[out] - tops[0];
    among.splice(0, out);
    tops.splice(0, out);
    return height;
  };
  if (scan?.rows === rows) {
    scan.at = Math.max(0, scan.at - gone);
    cut(scan.shown, scan.tops);
  }
  const height = cut(shown, tops);
  // What one reads stays where it is.
  if (paused) lastTop = list.scrollTop -= height;
  draw();
}

// Where the first row stands that came at this place or later.
function place(wantedOrder, among = shown) {
  let low = 0, high = among.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (among[middle].order < wantedOrder) low = middle + 1; else high = middle;
  }
  return low;
}

/* ---- the list: only what can be seen has elements ---- */

let tops = [0];           // where each shown row begins and the last one ends, as of the first one ever
let wrapped = false, columns = 80;
const pool = [];

function lines(row) {
  if (!wrapped || row.note !== undefined) return 1;
  let count = row.extra ? 1 : 0;
  for (const line of row.message.slice(0, 4000).split("\n")) count += Math.max(1, Math.ceil(line.length / columns));
  return Math.min(MAX_WRAPPED, count);
}
function show(row, to = shown, along = tops) {
  to.push(row);
  along.push(along.at(-1) + lines(row) * LINE + PAD);
}
const yOf = at => tops[Math.min(at, shown.length)] - tops[0];

function at(y) {
  let low = 0, high = shown.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (yOf(middle + 1) <= y) low = middle + 1; else high = middle;
  }
  return low;
}

// Gathers anew what the filter wants, in parts, so that no frame waits for it; until it is whole the list stays as it was.
// The last one of a stream makes the page live.
function reshow(last) {
  last ||= scan?.last;
  pausedAt = order;
  scan = { rows, at: 0, shown: [], tops: [0], came: 0, notShown: {}, last };
  gather(scan);
}
function gather(mine) {
  if (scan !== mine) return;
  const until = performance.now() + MOST.slice;
  do {
    for (const end = Math.min(mine.at + 256, mine.rows.length); mine.at < end; mine.at++) {
      const row = mine.rows[mine.at];
      if (!wanted(row)) continue;
      if (paused && row.order > pausedAt) { mine.came++; continue; }
      show(row, mine.shown, mine.tops);
      if (row.why) mine.notShown[row.why] = (mine.notShown[row.why] ?? 0) + row.count;
    }
  } while (mine.at < mine.rows.length && (document.hidden || performance.now() < until));
  if (mine.at < mine.rows.length) return void setTimeout(gather, 0, mine);
  const anchor = paused && shown.length ? shown[at(list.scrollTop)] : null;
  const offset = anchor ? list.scrollTop - yOf(place(anchor.order)) : 0;
  ({ shown, tops, came, notShown } = mine);
  scan = null;
  drawFooter();
  spacer.style.height = yOf(shown.length) + "px";
  if (anchor) list.scrollTop = yOf(place(anchor.order)) + offset;
  for (const element of pool) element.row = null;
  if (centring) centre();
  if (mine.last) { centring = null; tell("live", "live"); }
  draw();
}

let drawing = 0;
function draw() { drawing ||= requestAnimationFrame(drawNow); }

function drawNow() {
  drawing = 0;
  const height = yOf(shown.length);
  spacer.style.height = height + "px";
  if (!paused) { list.scrollTop = height; lastTop = list.scrollTop; }
  const first = at(list.scrollTop), until = list.scrollTop + list.clientHeight;
  let used = 0;
  for (let place = first; place < shown.length && yOf(place) < until; place++, used++) {
    const element = pool[used] ?? addElement();
    fill(element, shown[place], place);
  }
  for (; used < pool.length; used++) { pool[used].hidden = true; pool[used].row = null; }
  const message = $("newer");
  message.hidden = !paused;
  message.textContent = came ? `${number.format(came)} new ↓` : "Go on ↓";
  $("pause").querySelector("span").textContent = paused ? "Go on" : "Pause";
  $("pause").setAttribute("aria-pressed", String(Boolean(paused)));
  detail.querySelector("[data-do=context]").disabled = filter.isEmpty;
  $("shown").textContent = `${number.format(shown.length)} of ${number.format(rows.length)} records`;
  document.body.dataset.came = came;
  drawEmpty();
}

function addElement() {
  const element = make("div", "row");
  element.setAttribute("role", "option");
  for (const name of ["t", "level", "n", "m"]) element.append(make("span", name));
  spacer.append(element);
  pool.push(element);
  return element;
}

const two = value => String(value).padStart(2, "0");
function clock(seconds, long) {
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) return "—";
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} `;
  return (long ? day : "") + time + (narrow.matches && !long ? "" : "." + String(date.getMilliseconds()).padStart(3, "0"));
}
const narrow = matchMedia("(max-width: 760px)");

function fill(element, row, place) {
  element.hidden = false;
  element.style.transform = `translateY(${yOf(place)}px)`;
  element.setAttribute("aria-selected", String(row === selected));
  if (element.row === row) return;
  element.row = row;
  element.id = "row" + row.order;
  element.style.height = yOf(place + 1) - yOf(place) + "px";
  element.setAttribute("aria-posinset", place + 1);
  element.setAttribute("aria-setsize", -1);
  const [time, level, name, message] = element.children;
  element.className = row.note !== undefined ? "row note" : "row l" + row.level;
  if (row.note !== undefined) {
    time.textContent = level.textContent = name.textContent = "";
    level.className = "level";
    return message.replaceChildren(row.note);
  }
  time.textContent = clock(row.time);
  level.className = "level l" + row.level;
  level.textContent = LETTERS[row.level];
  level.title = LEVELS[row.level];
  name.textContent = visible(row.logger.slice(0, 200));
  name.title = visible(row.logger.slice(0, 1000));
  const text = row.message.slice(0, wrapped ? 4000 : 600);
  message.replaceChildren(...paint(visible(wrapped ? text : text.replace(/\s*\n\s*/g, " ⏎ "))));
  if (text.length < row.message.length) message.append(make("i", "", " …" + size(row.message.length)));
  if (row.trace) message.append(" ", make("em", "", "traceback"));
  if (row.extra) {
    const parts = Object.entries(row.extra).slice(0, 6).map(([key, value]) => `${key}=${textOf(value)[0]}`.slice(0, 80));
    message.append(make("i", "extra", (wrapped ? "" : "  ") + visible(parts.join(" "))));
  }
}

const size = count => count < 1e4 ? count + " letters" : (count / 1e6 >= 1 ? (count / 1e6).toFixed(1) + " M" : Math.round(count / 1e3) + " k") + " letters";

/* ---- highlights: the filter's words, and those that stay ---- */

let marks = [], pattern = null;
function remark() {
  const escape = word => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const words = [...marks, ...filter.words].filter(word => word.trim());
  pattern = words.length ? new RegExp(words.map(escape).join("|"), "giu") : null;
  $("marks").hidden = !marks.length;
  $("marks").replaceChildren(...marks.map(word => {
    const button = make("button", "", word + "  ×");
    button.title = "Highlight this no more";
    button.onclick = () => { marks = marks.filter(other => other !== word); remark(); };
    return button;
  }));
  for (const element of pool) element.row = null;
  remember();
  draw();
}
function paint(text) {
  if (!pattern) return [text];
  const parts = [];
  let last = 0;
  for (const found of text.matchAll(pattern)) {
    parts.push(text.slice(last, found.index), make("mark", marks.includes(found[0].toLowerCase()) ? "" : "w", found[0]));
    last = found.index + found[0].length;
    if (parts.length > 200) break;
  }
  return [...parts, text.slice(last)];
}

/* ---- pause, selection, detail ---- */

let lastTop = 0;
function pause(why) { if (!paused) { paused = why; pausedAt = order; came = 0; draw(); } }
function goOn() {
  if (!paused) return;
  paused = null;
  if (scan) return reshow();
  for (let place = firstBehind(pausedAt); place < rows.length; place++) if (wanted(rows[place])) show(rows[place]);
  came = 0;
  draw();
}
function firstBehind(at) {
  let low = 0, high = rows.length;
  while (low < high) { const middle = (low + high) >> 1; if (rows[middle].order <= at) low = middle + 1; else high = middle; }
  return low;
}
list.addEventListener("scroll", () => {
  const bottom = list.scrollHeight - list.clientHeight - list.scrollTop;
  if (!paused && bottom > LINE && list.scrollTop < lastTop - 1) pause("scroll");
  else if (paused === "scroll" && bottom < 2) goOn();
  lastTop = list.scrollTop;
  draw();
});

function select(row, open, centre) {
  selected = row;
  // The list is smaller beside an open record.
  if (open || !detail.hidden) openDetail(row);
  if (row) {
    pause("select");
    const at = place(row.order), height = list.clientHeight;
    spacer.style.height = yOf(shown.length) + "px";
    if (centre) list.scrollTop = yOf(at) - height / 2;
    else if (yOf(at) < list.scrollTop) list.scrollTop = yOf(at);
    else if (yOf(at + 1) > list.scrollTop + height) list.scrollTop = yOf(at + 1) - height;
    lastTop = list.scrollTop;
    list.setAttribute("aria-activedescendant", "row" + row.order);
  } else list.removeAttribute("aria-activedescendant");
  draw();
}
function move(by, want) {
  const step = Math.sign(by);
  let at = selected ? place(selected.order) + by : step > 0 ? place(0) : shown.length - 1;
  if (!selected && !want) at = shown.length - 1;
  while (want && at >= 0 && at < shown.length && !want(shown[at])) at += step;
  at = Math.max(0, Math.min(shown.length - 1, at));
  if (shown[at] && (!want || want(shown[at]))) select(shown[at]);
}

function folded(text, name) {
  const lines = text.split("\n"), most = 40;
  const pre = make("pre", name);
  if (lines.length <= most && text.length <= 8000) { pre.append(...paint(visible(text))); return [pre]; }
  const short = lines.slice(0, most).join("\n").slice(0, 8000);
  pre.append(...paint(visible(short)), "…");
  const more = make("button", "", `Show all: ${number.format(lines.length)} lines, ${size(text.length)}`);
  more.onclick = () => { pre.textContent = visible(text); more.remove(); };
  return [pre, more];
}

// Numbers that JavaScript cannot hold are shown as they were sent.
function exact(raw) {
  if (!JSON.rawJSON) return JSON.parse(raw);
  return JSON.parse(raw, (_, value, { source }) =>
    typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(source) ? JSON.rawJSON(source) : value);
}

// What a value says, and its type where the text does not tell it.
const TAGGED = /^\{"\$(datetime|date|time|timedelta|decimal|uuid|fraction|float|int)":"([^"\\]*)"\}$/;
function textOf(value) {
  if (typeof value === "string") return [value, ""];
  const text = JSON.stringify(value), tagged = TAGGED.exec(text);
  return tagged ? [tagged[2], tagged[1]] : [text, ""];
}

function openDetail(row) {
  detail.hidden = !row || row.note !== undefined;
  if (detail.hidden) return draw();
  const record = exact(row.raw);
  const [level, name, time] = detail.querySelectorAll(".level, .head b, .head time");
  level.className = "level l" + row.level;
  level.textContent = LETTERS[row.level];
  name.textContent = `${visible(record.levelname ?? LEVELS[row.level])}  ${visible(row.logger)}`;
  time.textContent = clock(row.time, true);
  time.dateTime = record.time ?? "";
  time.title = `sent ${record.time ?? "?"}, received ${clock(record.received, true)}`;
  const parts = folded(record.message, "message");
  for (const [part, word] of [["exc_text", "Traceback"], ["stack_info", "Stack"]]) {
    if (record[part] === undefined) continue;
    const fold = make("details"), last = part === "exc_text" ? record[part].trimEnd().split("\n").pop() : "";
    fold.open = record[part].length < 20000;
    fold.append(make("summary", "", `${word}  ${visible(last.slice(0, 300))}`), ...folded(record[part]));
    parts.push(fold);
  }
  const rest = { ...record };
  for (const known of ["index", "message", "exc_text", "stack_info", "extra", "source", "received", "time", "name", "levelname"]) delete rest[known];
  const source = { ...record.source, received: clock(record.received, true) };
  for (const [title, members, filters] of [["Extra", record.extra, true], ["Source", source], ["Attributes", rest, true]]) {
    if (!members || !Object.keys(members).length) continue;
    const fields = make("div", "fields");
    for (const [key, value] of Object.entries(members)) {
      const field = make("div", "field"), [text, type] = textOf(value);
      const code = make("code", "", visible(text.slice(0, 5000)) + (text.length > 5000 ? "…" : ""));
      if (type) code.append(make("i", "", " " + type));
      field.append(make("span", "", visible(key)), code);
      if (filters && /^[A-Za-z_][\w.]*$/.test(key) && (type || typeof value !== "object") && text.length < 200) {
        const button = make("button", "", "filter");
        button.title = `Only records with ${key}:${text}`;
        button.onclick = () => edit(found => [...found.filter(term => term.name !== key), { not: false, name: key, value: text }]);
        field.append(button);
      }
      fields.append(field);
    }
    parts.push(make("h3", "", title), fields);
  }
  detail.querySelector(".body").replaceChildren(...parts);
  detail.querySelector(".body").scrollTop = 0;
}

const json = row => row.raw.replace(/^\{"index":\d+,"received":[\d.]+,/, "{");
function plain(row) {
  const record = row.record();
  const head = `${clock(row.time, true).replace(".", ",")} ${record.levelname ?? LEVELS[row.level]} ${row.logger} ${record.message}`;
  return [head, record.exc_text, record.stack_info].filter(part => part !== undefined).map(String).join("\n");
}
async function copy(text) {
  try { await navigator.clipboard.writeText(text); } catch {
    // Where the address is not one that the browser trusts.
    const area = make("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  toast("copied");
}
// What is shown, as `serve --format json` writes it.
function save() {
  const held = shown.filter(row => row.raw), link = make("a");
  link.href = URL.createObjectURL(new Blob(held.map(row => json(row) + "\n"), { type: "application/x-ndjson" }));
  link.download = `logrecord-${new Date().toISOString().slice(0, 19).replaceAll(":", "")}Z.jsonl`;
  link.click();
  setTimeout(URL.revokeObjectURL, 60000, link.href);
  toast(`${number.format(held.length)} records saved`);
}
let toasting;
function toast(text) {
  $("toast").textContent = text;
  clearTimeout(toasting);
  toasting = setTimeout(() => { $("toast").textContent = ""; }, 2500);
}

function inContext() {
  if (!selected?.raw || filter.isEmpty) return;
  back = { text: query.value, row: selected };
  const row = selected;
  setQuery("", true);
  centring = row;
  banner("All records around the one that was found", "Back to the filter", leaveContext);
}
function leaveContext() {
  const { text, row } = back;
  back = null;
  $("banner").hidden = true;
  centring = row;
  setQuery(text, true);
}
let centring = null;
function banner(text, word, act) {
  const box = $("banner"), [span, button] = box.children;
  span.textContent = text;
  button.textContent = word;
  button.hidden = !word;
  button.onclick = act;
  box.hidden = false;
}
