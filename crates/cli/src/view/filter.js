"use strict";
// The live view of `logrecord serve` follows /events (docs/view.md) and shows the records. Three files are one script:
// filter.js has the language of filters, list.js the records and the list, view.js counts, stream and keys.
//
// All text that a record brings becomes a text node; nothing here makes markup.

const LEVELS = ["TRACE", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], LETTERS = "TDIWEC";
const NUMBERS = { notset: 0, debug: 10, info: 20, warn: 30, warning: 30, error: 40, critical: 50, fatal: 50 };
const $ = id => document.getElementById(id);
const list = $("list"), spacer = $("spacer"), query = $("query"), detail = $("detail");
const number = new Intl.NumberFormat("en-US");

function make(tag, name, text) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text !== undefined) element.textContent = text;
  return element;
}

// Control characters and those that turn the direction of writing are shown as escapes.
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
const visible = text => String(text).replace(HIDDEN, letter => "\\u" + letter.charCodeAt(0).toString(16).padStart(4, "0"));

/* ---- the filter language: the same as serve/view/filter.rs, tested with the same rows ---- */

function terms(text) {
  const found = [];
  let at = 0;
  const space = letter => /\s/u.test(letter);
  while (at < text.length) {
    while (at < text.length && space(text[at])) at++;
    if (at >= text.length) break;
    const term = { not: false, name: null, value: "" };
    if (text[at] === "-" && at + 1 < text.length && !space(text[at + 1])) { term.not = true; at++; }
    const name = /^([A-Za-z_][A-Za-z0-9_.]*):(?!\/\/)(?=\S)/.exec(text.slice(at, at + 200));
    if (name) { term.name = name[1]; at += name[0].length; }
    for (let quoted = false; at < text.length; at++) {
      const letter = text[at];
      if (letter === '"') quoted = !quoted;
      else if (letter === "\\" && quoted) term.value += text[++at] ?? "";
      else if (!quoted && space(letter)) break;
      else term.value += letter;
    }
    if (term.value) found.push(term);
  }
  return found;
}

function write(found) {
  return found.map(({ not, name, value }) => {
    const plain = !/[\s"]/u.test(value) && !(name === null && (value.startsWith("-") || terms(value)[0]?.name));
    return (not ? "-" : "") + (name ? name + ":" : "") + (plain ? value : '"' + value.replace(/["\\]/g, "\\$&") + '"');
  }).join(" ");
}

function levelOf(text) {
  const level = NUMBERS[text.toLowerCase()] ?? (/^[+-]?\d+$/.test(text) ? Number(text) : undefined);
  if (level === undefined) throw Error(`level:${text}: expected DEBUG, INFO, WARNING, ERROR, CRITICAL or a number`);
  return level;
}

function timeOf(text, now) {
  if (/^\d{4}-\d\d-\d\dT/.test(text) && !Number.isNaN(Date.parse(text))) return Date.parse(text) / 1000;
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text);
  const ago = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text);
  if (ago) return now - ago[1] * { ms: .001, s: 1, m: 60, h: 3600, d: 86400 }[ago[2]];
  throw Error(`${text}: expected a time such as 2026-01-02T03:04:05Z, or 15m for 15 minutes ago (s, m, h, d)`);
}

function collect(value, out) {
  if (value !== null && typeof value === "object") {
    for (const [name, member] of Object.entries(value)) {
      if (!Array.isArray(value)) out.push(name);
      collect(member, out);
    }
  } else out.push(String(value));
}

function haystack(record) {
  const parts = [record.message, record.name, record.exc_text, record.stack_info].filter(part => typeof part === "string");
  if (record.extra) collect(record.extra, parts);
  return parts.join("\n").toLowerCase();
}

function has(value, wanted, asNumber) {
  if (typeof value === "string") return value.toLowerCase().includes(wanted);
  if (typeof value === "number") return value === asNumber;
  if (value !== null && typeof value === "object") return Object.values(value).some(member => has(member, wanted, asNumber));
  return String(value) === wanted;
}

// What many records have in common: whoever wrote it, where in which program. It is kept once, and a filter looks at it once.
const COMMON = ("levelno levelname name pathname filename module lineno funcName process processName thread threadName taskName " +
  "source").split(" ");
const commons = new Map();
function commonOf(record) {
  const key = JSON.stringify(COMMON.map(name => record[name]));
  let common = commons.get(key);
  if (!common) {
    if (commons.size >= 20000) commons.clear();
    common = Object.fromEntries(COMMON.filter(name => name in record).map(name => [name, record[name]]));
    commons.set(key, common);
  }
  return common;
}
function inCommon(test) {
  const known = new Map();
  return row => {
    let answer = known.get(row.common);
    if (answer === undefined) known.set(row.common, answer = test(row.common));
    return answer;
  };
}

// How to find any other attribute, or an extra.
const OWN = new Set("index received time created msecs relativeCreated exc_text stack_info globals cut".split(" "));
function finder(name) {
  const extra = row => row.extra && Object.hasOwn(row.extra, name) ? row.extra[name] : undefined;
  if (name === "message") return row => row.message;
  if (!OWN.has(name)) return extra;
  const traced = name === "exc_text" || name === "stack_info";
  return row => (traced && !row.trace ? undefined : row.record()[name]) ?? extra(row);
}

const isBelow = (name, logger) => name.startsWith(logger) && (name.length === logger.length || name[logger.length] === ".");

// A function that tells whether a row is wanted. Throws what is wrong with the text.
function compile(text, now = Date.now() / 1000) {
  const groups = new Map(), none = [], words = [];
  for (const { not, name, value } of terms(text)) {
    const low = value.toLowerCase();
    let test, key = name;
    switch (name?.toLowerCase()) {
      case undefined: test = row => row.hay.includes(low); key = Symbol(); if (!not) words.push(low); break;
      case "level": { const least = levelOf(value); test = row => row.number >= least; key = Symbol(); break; }
      case "logger": test = row => isBelow(row.logger, value); key = "logger"; break;
      case "peer": test = inCommon(common => (common.source?.peer ?? "").includes(value)); key = "peer"; break;
      case "key": test = inCommon(common => (common.source?.key_id ?? "") === value); key = "key"; break;
      case "since": { const least = timeOf(value, now); test = row => row.time >= least; key = Symbol(); break; }
      case "until": { const most = timeOf(value, now); test = row => row.time <= most; key = Symbol(); break; }
      default: {
        const find = finder(name), asNumber = low.trim() ? Number(low) : NaN;
        const suits = found => found !== undefined && has(found, low, asNumber);
        const suitsCommon = inCommon(common => suits(common[name]));
        test = COMMON.includes(name) ? row => name in row.common ? suitsCommon(row) : suits(find(row)) : row => suits(find(row));
      }
    }
    if (not) none.push(test);
    else if (groups.has(key)) groups.get(key).push(test);
    else groups.set(key, [test]);
  }
  const all = [...groups.values()];
  const wants = row => all.every(group => group.some(test => test(row))) && !none.some(test => test(row));
  return { wants, words, isEmpty: all.length + none.length === 0 };
}
