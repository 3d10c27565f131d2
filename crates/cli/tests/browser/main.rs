//! The live view in a real browser: what one sees, what one can do, and what a record or another page cannot do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

#[path = "../it/common/mod.rs"]
mod common;
mod driver;

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};

use logrecord::model::{LogRecord, LogRecordBuilder};
use logrecord::pickle::Value as Python;
use serde_json::{Value, json};

use common::{PATIENCE, Server, frame};
use driver::{Browser, DESK, ENTER, ESCAPE, Screen};

fn serve() -> Server {
    Server::start(&["--tcp", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
}

fn link(server: &Server) -> String {
    server.seen().iter().find_map(|line| line.strip_prefix("admin on ")).unwrap().to_owned()
}

/// A record of a moment of its own.
fn say(logger: &str, level: i64, message: &str) -> LogRecordBuilder<'static> {
    let created = 1_767_323_045.0 + f64::from(u16::try_from(message.len() % 60).unwrap());
    LogRecord::builder(logger.to_owned(), level, message.to_owned()).created(created)
}

fn send(server: &Server, records: impl IntoIterator<Item = LogRecordBuilder<'static>>) {
    let mut stream = TcpStream::connect(server.address("tcp")).unwrap();
    let mut bytes = Vec::new();
    for record in records {
        let mut pickle = Vec::new();
        record.build().to_pickle(&mut pickle).unwrap();
        bytes.extend_from_slice(&frame(&pickle));
    }
    stream.write_all(&bytes).unwrap();
}

/// The page of a server, once it is live.
fn open(server: &Server, screen: Screen) -> Option<Browser> {
    let browser = Browser::start(screen)?;
    browser.go(&link(server));
    browser.wait("state === 'live'");
    Some(browser)
}

const MESSAGES: &str =
    "return [...document.querySelectorAll('.row:not([hidden]) .m')].map(cell => cell.textContent)";

#[test]
fn the_page_reads_filters_as_the_server_does() {
    let server = serve();
    let Some(browser) = open(&server, DESK) else { return };
    let table: Value = serde_json::from_str(include_str!("../filters.json")).unwrap();
    let found = browser.run_with(
        "const { records, rows: cases, now } = arguments[0];
         const held = records.map(record => new Row(JSON.stringify(record), record));
         return cases.map(({ filter }) => {
             let wants;
             try { ({ wants } = compile(filter, now)); } catch (error) { return 'error'; }
             // What is written anew means the same.
             const again = compile(write(terms(filter)), now).wants;
             return held.flatMap((row, place) => wants(row) !== again(row) ? ['rewritten'] : wants(row) ? [place] : []);
         });",
        std::slice::from_ref(&table),
    );
    for (row, found) in table["rows"].as_array().unwrap().iter().zip(found.as_array().unwrap()) {
        let expected = if row.get("error").is_some() { json!("error") } else { row["found"].clone() };
        assert_eq!(*found, expected, "{}", row["filter"]);
    }
}

#[test]
fn records_come_and_can_be_found_read_and_held() {
    let server = serve();
    let Some(browser) = open(&server, DESK) else { return };
    browser.wait("!document.getElementById('empty').hidden");
    let port = server.address("tcp").rsplit_once(':').unwrap().1.to_owned();
    assert!(browser.text().contains(&format!("SocketHandler(\"127.0.0.1\", {port})")), "{}", browser.text());

    let trace = "Traceback (most recent call last):\n  File \"a.py\", line 1\nValueError: no such order";
    let queries = (0..40).map(|number| say("shop.db", 10, &format!("query {number}")));
    let letters = (0..40).map(|number| say("mail", 20, &format!("letter {number}")));
    let failure = say("shop.cart", 40, "order 7 failed").exc_text(trace.to_owned());
    // Over one connection, which keeps their order.
    send(&server, queries.chain([failure]).chain(letters));
    browser.wait("rows.length === 81 && shown.length === 81");
    browser.wait("loggers.get('shop.db') === 40 && levels[4] === 1");
    browser.wait("[...document.querySelectorAll('.row .m')].some(cell => cell.textContent === 'letter 39')");

    // A filter by keys: at once, in the address, and the counts stay.
    browser.keys("/level:warning order");
    browser.keys(ENTER);
    browser.wait("shown.length === 1 && asked === 'level:warning order' && state === 'live'");
    assert_eq!(browser.run("return decodeURIComponent(location.hash)"), "#q=level:warning+order");
    assert_eq!(browser.run("return levels"), json!([0, 40, 40, 0, 1, 0]));
    // The record, then its neighbours, and back.
    browser.keys("e");
    browser.keys(ENTER);
    browser.wait("!detail.hidden");
    assert!(browser.text().contains("ValueError: no such order"));
    browser.keys("c");
    browser.wait("shown.length === 81 && state === 'live'");
    browser.wait("[...document.querySelectorAll('.row[aria-selected=true] .m')].some(cell => cell.textContent.includes('order 7'))");
    let around = browser.run(MESSAGES).to_string();
    assert!(around.contains("query 39") && around.contains("letter 0"), "{around}");
    browser.keys(ESCAPE);
    browser.keys(ESCAPE);
    browser.wait("shown.length === 1 && query.value === 'level:warning order' && asked === wantedText && state === 'live' && !centring");
    browser.keys(ESCAPE);
    browser.keys(ESCAPE);
    browser.wait("query.value === '' && shown.length === 81 && state === 'live'");

    // Held, with a count of what came.
    browser.keys(" ");
    browser.wait("paused");
    send(&server, [say("mail", 20, "one more"), say("mail", 20, "and one")]);
    browser.wait("came === 2 && document.getElementById('newer').textContent.startsWith('2 new')");
    assert_eq!(browser.run("return shown.length"), 81);
    browser.keys(" ");
    browser.wait("shown.length === 83");

    // A logger is hidden by the box, a level by a key, and help is a key away.
    browser.run("hideLogger('shop')");
    browser.wait("query.value === '-logger:shop' && shown.length === 42");
    browser.keys("4");
    browser.wait("query.value === '-logger:shop level:error' && shown.length === 0 && !document.getElementById('empty').hidden");
    browser.keys("?");
    browser.wait("document.getElementById('help').open");
    browser.keys(ESCAPE);
    browser.keys("s");
    browser.wait("document.getElementById('server').open");
    assert!(browser.text().contains("Senders"), "{}", browser.text());
    // A link with a filter shows what it showed.
    let address = browser.run("return location.href");
    browser.go("about:blank");
    browser.go(address.as_str().unwrap());
    browser.wait("state === 'live' && query.value === '-logger:shop level:error' && levels[2] === 42");
    assert_eq!(browser.run("return rows.length"), 0);
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn a_hundred_thousand_records_are_shown_searched_and_scrolled() {
    // What is tried is the same with fewer, and a build without optimization takes a minute for all.
    const RECORDS: u64 = if cfg!(debug_assertions) { 20_000 } else { 100_000 };
    let server = Server::start(&["--tcp", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--spool", "DIR/spool"]);
    let mut stream = TcpStream::connect(server.address("tcp")).unwrap();
    for start in (0..RECORDS).step_by(1_000) {
        let bytes: Vec<u8> = (start..start + 1_000)
            .flat_map(|number| frame(&common::record(&format!("number {number}"))))
            .collect();
        stream.write_all(&bytes).unwrap();
    }
    server.wait_for_output(usize::try_from(RECORDS).unwrap());
    let Some(browser) = Browser::start(DESK) else { return };
    browser.go(&link(&server));
    browser.wait_for(3 * PATIENCE, &format!("state === 'live' && rows.length === {RECORDS}"));
    let elements = browser.run("return document.querySelectorAll('.row').length").as_u64().unwrap();
    assert!(elements < 100, "{elements}");
    let took = browser
        .run("const start = performance.now(); setQuery('77', true); return performance.now() - start");
    assert!(took.as_f64().unwrap() < 2_000.0, "{took} ms");
    let expected = (0..RECORDS).filter(|number| number.to_string().contains("77")).count();
    assert_eq!(browser.run("return shown.length"), expected);
    // A filter that takes long is applied in parts. Until it is whole the list is what it was.
    let before = browser.run("MOST.slice = -1; setQuery('logger:late', true); return shown.length");
    assert_eq!(before, expected);
    browser.wait("scan === null && shown.length === 0");
    browser.run("setQuery('', true)");
    browser.wait_for(
        3 * PATIENCE,
        &format!(
            "asked === '' && state === 'live' && rows.length === {RECORDS} && shown.length === {RECORDS}"
        ),
    );
    // What is read stays where it is while records come.
    browser.run("list.scrollTop = 15000 * 22");
    browser.wait("paused === 'scroll' && document.querySelector('.row:not([hidden]) .m').textContent.startsWith('number 15')");
    let before = browser.run(MESSAGES);
    send(&server, (0..500).map(|number| say("late", 20, &format!("late {number}"))));
    browser.wait("came === 500");
    assert_eq!(browser.run(MESSAGES), before);
    // And while old ones go.
    browser.run("MOST.rows = rows.length");
    send(&server, [say("late", 20, "one too many")]);
    browser.wait("rows.length === MOST.rows - TRIM && came === 501 && !drawing");
    assert_eq!(browser.run(MESSAGES), before);
}

#[test]
fn a_record_can_be_copied_and_a_part_of_the_plot_be_chosen() {
    let server = serve();
    let Some(browser) = open(&server, DESK) else { return };
    let mut record =
        say("shop", 40, "order 7 failed").exc_text("Traceback\nValueError: no".to_owned()).build();
    record.set_extra("user", Python::from(9_007_199_254_740_993_i64));
    let mut pickle = Vec::new();
    record.to_pickle(&mut pickle).unwrap();
    TcpStream::connect(server.address("tcp")).unwrap().write_all(&frame(&pickle)).unwrap();
    browser.wait("shown.length === 1");
    browser.run("window.copied = []; navigator.clipboard.writeText = async text => { copied.push(text); }");
    browser.keys("k");
    browser.keys(ENTER);
    browser.wait("!detail.hidden");
    browser.keys("yt");
    browser.wait("copied.length === 2");
    let copied = browser.run("return copied");
    let (line, text) = (copied[0].as_str().unwrap(), copied[1].as_str().unwrap());
    let read: Value = serde_json::from_str(line).unwrap();
    assert_eq!(read["extra"]["user"], 9_007_199_254_740_993_i64);
    assert!(read["index"].is_null() && read["received"].is_null(), "{line}");
    assert!(text.ends_with("ERROR shop order 7 failed\nTraceback\nValueError: no"), "{text}");
    // All that is shown can be saved.
    browser.run(
        "HTMLAnchorElement.prototype.click = () => {}; URL.createObjectURL = blob => { window.saved = blob; return '#'; }",
    );
    browser.keys("d");
    assert_eq!(browser.run("return saved.text()").as_str().unwrap(), format!("{line}\n"));
    browser.keys(ESCAPE);
    browser.keys(ESCAPE);
    // A click on who sends shows what it sends.
    browser.keys("s");
    browser.wait("document.querySelector('#server td button')");
    browser.run("document.querySelector('#server td button').click()");
    browser.wait("/^peer:127.0.0.1:\\d+$/.test(query.value) && shown.length === 1 && !document.getElementById('server').open");
    browser.run("setQuery('', true)");
    browser.wait("asked === '' && state === 'live'");

    browser.run(
        "const plot = document.getElementById('plot'), box = plot.getBoundingClientRect();
         plot.setPointerCapture = () => {};
         for (const [name, part] of [['pointerdown', .25], ['pointermove', .5], ['pointerup', .75]]) {
             plot.dispatchEvent(new PointerEvent(name, { clientX: box.left + box.width * part, clientY: box.top + 9, bubbles: true }));
             if (name === 'pointermove') window.brushed = document.getElementById('brush').getBoundingClientRect().width / box.width;
         }",
    );
    let brushed = browser.run("return brushed").as_f64().unwrap();
    assert!((0.2..0.3).contains(&brushed), "{brushed}");
    browser.wait("/^since:\\S+Z until:\\S+Z$/.test(query.value) && document.getElementById('range').value === 'custom'");
    let seconds = browser.run("return terms(query.value).map(term => Date.parse(term.value) / 1000)");
    let wide = seconds[1].as_f64().unwrap() - seconds[0].as_f64().unwrap();
    assert!((wide - browser.run("return span").as_f64().unwrap() / 2.0).abs() <= 1.0, "{wide}");
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn whatever_a_record_holds_is_text() {
    let server = Server::start(&["--tcp", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--max-frame", "4MiB"]);
    let Some(browser) = open(&server, DESK) else { return };
    let hostile = [
        "<script>window.hit = 1</script>",
        "<img src=x onerror='window.hit = 1'>",
        "</script><script>window.hit = 1</script>",
        "javascript:window.hit=1",
        "\u{202e}gnitirw fo noitcerid\u{202c}\u{1b}[31mred\u{7}",
        "data: {\"forged\":1}\n\nevent: records\ndata: {}\n\n",
        "{{constructor.constructor('window.hit=1')()}}",
        "__proto__",
    ];
    for text in hostile {
        let mut record = say(text, 40, text).exc_text(text.to_owned()).build();
        record.set_extra(text.to_owned(), Python::from(text.to_owned()));
        record.set_extra("__proto__", Python::from(text.to_owned()));
        let mut pickle = Vec::new();
        record.to_pickle(&mut pickle).unwrap();
        TcpStream::connect(server.address("tcp")).unwrap().write_all(&frame(&pickle)).unwrap();
    }
    browser.wait(&format!("rows.length === {}", hostile.len()));
    browser.run("document.getElementById('server').showModal(); drawServer(); document.getElementById('server').close()");
    for _ in hostile {
        browser.keys("k");
        browser.keys(ENTER);
    }
    let text = browser.text();
    assert!(text.contains("<img src=x onerror='window.hit = 1'>"), "{text}");
    assert!(text.contains("\\u202e") && text.contains("\\u001b[31m"), "{text}");
    assert!(!text.contains('\u{202e}') && !text.contains('\u{1b}'));
    assert_eq!(browser.run("return window.hit"), Value::Null);
    assert_eq!(
        browser.run("return [document.scripts.length, document.images.length, ({}).forged]"),
        json!([1, 0, null])
    );

    // A megabyte in a line, and five thousand loggers and more.
    send(&server, [say("long", 20, &"lång rad ".repeat(100_000))]);
    send(&server, (0..6_000).map(|number| say(&format!("{number}.deep.{number}"), 20, "x")));
    browser.wait("[...loggers.values()].reduce((sum, count) => sum + count, 0) > 6000");
    assert!(browser.run("return loggers.size").as_u64().unwrap() <= 5_001);
    let nodes =
        browser.run("drawTree(); return document.querySelectorAll('#loggers li').length").as_u64().unwrap();
    assert!(nodes <= 501, "{nodes}");
    browser.run("setQuery('logger:long', true)");
    browser.wait("shown.length === 1 && shown[0].raw && asked === wantedText && state === 'live'");
    browser.run("select(shown[0], true)");
    browser.wait("!detail.hidden");
    assert!(
        browser.run("return document.querySelector('#detail .body').textContent.length").as_u64().unwrap()
            < 20_000
    );
    assert!(
        browser
            .run("return Math.max(...[...document.querySelectorAll('.row:not([hidden]) .m')].map(cell => cell.textContent.length))")
            .as_u64()
            .unwrap()
            < 1_000
    );
    browser.run("document.querySelector('#detail .body > button').click()");
    assert_eq!(browser.run("return document.querySelector('#detail pre').textContent.length"), 900_000);
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn only_who_has_the_token_sees_it_and_no_other_page_does() {
    let server = serve();
    let other = serve();
    let Some(browser) = Browser::start(DESK) else { return };
    let (link, other_link) = (link(&server), link(&other));
    let (address, _) = link.split_once("?token=").unwrap();
    browser.go(address);
    assert!(browser.text().contains("needs the token"), "{}", browser.text());
    browser.go(&format!("{address}?token=0123456789abcdef"));
    assert!(browser.text().contains("not the token"));
    browser.go(&format!("{link}#q=level:error"));
    browser.wait("state === 'live'");
    // The token is neither in the address nor for scripts to read; the filter in the address is kept.
    assert_eq!(
        browser.run("return [decodeURIComponent(location.href), document.cookie]"),
        json!([format!("{address}#q=level:error"), ""])
    );
    // A script that somebody gets into the page does not run. (What is evaluated for a driver may do more than a page.)
    browser.run(
        "window.tried = [];
         const attempts = [
             () => { const script = document.createElement('script'); script.textContent = 'window.hit = 1'; document.body.append(script); },
             () => { document.body.innerHTML += '<img src=x onerror=\"window.hit = 1\">'; },
             () => { window.hit = eval('1'); },
             () => { document.body.setAttribute('onclick', 'window.hit = 1'); document.body.click(); },
         ];
         for (const attempt of attempts) setTimeout(() => { try { attempt(); } catch {} window.tried.push(1); });",
    );
    browser.wait("window.tried.length === 4");
    assert_eq!(browser.run("return window.hit"), Value::Null);
    // The page of another port of this host, with the cookie in hand.
    browser.go(&other_link);
    browser.wait("state === 'live'");
    let stolen = browser.run_with(
        "return fetch(arguments[0] + 'status', { credentials: 'include' }).then(answer => answer.text(), error => 'refused')",
        &[address.into()],
    );
    assert_eq!(stolen, "refused");
    let port = address.trim_end_matches('/').rsplit_once(':').unwrap().1;
    browser.go(&format!("http://rebound.example:{port}/"));
    assert!(browser.text().contains("not the host"), "{}", browser.text());
}

#[test]
fn the_page_outlives_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().display().to_string();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    std::fs::write(folder.path().join("token"), "a-token-of-mine-0123456789").unwrap();
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(folder.path().join("token"), private).unwrap();
    let config = format!(
        "[spool]\npath = \"{place}/spool\"\n[[listen]]\naddress = \"tcp://127.0.0.1:0\"\n[output.all]\ntype = \"file\"\n\
         path = \"{place}/out\"\n[admin]\naddress = \"127.0.0.1:{port}\"\ntoken_file = \"{place}/token\"\n"
    );
    std::fs::write(folder.path().join("logrecord.toml"), config).unwrap();
    let server = Server::start_with_config(folder, "DIR/logrecord.toml", 1);
    let Some(browser) = Browser::start(DESK) else { return };
    browser.go(&format!("http://127.0.0.1:{port}/?token=a-token-of-mine-0123456789"));
    send(&server, [say("a", 20, "one"), say("a", 20, "two")]);
    browser.wait("state === 'live' && rows.length === 2");
    let (_, _, folder) = server.stop("TERM");
    browser.wait("state === 'lost'");
    let server = Server::start_with_config(folder, "DIR/logrecord.toml", 1);
    send(&server, [say("a", 20, "three")]);
    browser.wait("state === 'live' && rows.length >= 3 && !drawing");
    assert_eq!(browser.run(MESSAGES), json!(["one", "two", "three"]));
    browser.wait("levels[2] === 3");
}

#[test]
fn what_is_not_shown_stands_in_the_list_with_its_count() {
    let server = serve();
    let Some(browser) = open(&server, DESK) else { return };
    // A slow machine may take them no faster than they are shown; then more come.
    let missing = "Object.values(notShown).reduce((sum, count) => sum + count, 0)";
    let mut sent = 0;
    while sent == 0 || browser.run(&format!("return {missing}")) == 0 {
        assert!(sent < 45_000, "everything is shown");
        send(&server, (0..9_000).map(|number| say("busy", 20, &format!("number {number}"))));
        sent += 9_000;
        browser.wait(&format!("levels[2] === {sent}"));
        browser.wait(&format!("rows.filter(row => row.raw).length + {missing} === {sent}"));
    }
    let notes = browser.run("return rows.filter(row => row.note).reduce((sum, row) => sum + row.count, 0)");
    assert_eq!(notes, browser.run(&format!("return {missing}")));
    browser.run("select(rows.find(row => row.note))");
    browser.keys("cytxo");
    browser.keys(ENTER);
    browser.wait("[...document.querySelectorAll('.row.note')].some(row => row.textContent.includes('records are not shown'))");
    // What the server still has is not missing under a filter, nor when it is taken back.
    for filter in ["logger:busy", ""] {
        browser.run_with("setQuery(arguments[0], true)", &[filter.into()]);
        browser.wait(&format!(
            "asked === wantedText && state === 'live' && shown.length === {sent} && !rows.some(row => row.note)"
        ));
        browser.wait("document.getElementById('lost').dataset.hidden === '0'");
    }
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn it_fits_a_desk_and_a_hand_in_both_schemes() {
    let server = serve();
    send(
        &server,
        (0..60).map(|number| {
            say("shop.checkout.payments.provider", 10 * (number % 5 + 1), &"a long message ".repeat(20))
        }),
    );
    for (width, height) in [(1280, 720), (360, 800)] {
        for dark in [false, true] {
            let Some(browser) = open(&server, Screen { width, height, dark }) else { return };
            browser.wait("rows.length === 60");
            browser.keys("k");
            browser.keys(ENTER);
            browser.wait("!detail.hidden");
            let fits = "return [...document.querySelectorAll('body, header > *, #overview > *, main, #list, #detail, footer')]
                .filter(element => element.checkVisibility()).map(element => [element.id || element.tagName, element.getBoundingClientRect()])
                .filter(([, box]) => box.left < 0 || box.right > innerWidth + .5 || box.top < 0 || box.bottom > innerHeight + .5 || !box.width)
                .map(([name]) => name)";
            assert_eq!(browser.run(fits), json!([]), "{width} {dark}");
            let rows = browser
                .run("return document.querySelectorAll('.row:not([hidden])').length")
                .as_u64()
                .unwrap();
            assert!(rows >= 8, "{rows} rows at {width} {dark}");
            // WCAG's contrast for text, of everything that is seen on what is behind it.
            let faint = browser.run(CONTRAST);
            assert_eq!(faint, json!([]), "{width} {dark}");
        }
    }
}

/// The texts whose contrast with their ground is under 4.5.
const CONTRAST: &str = "
    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    const colour = text => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = text; canvas.fillRect(0, 0, 1, 1); return canvas.getImageData(0, 0, 1, 1).data; };
    const light = ([...rgb]) => rgb.slice(0, 3).map(c => c / 255).map(c => c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
        .reduce((sum, c, at) => sum + c * [.2126, .7152, .0722][at], 0);
    const ground = element => { for (let at = element; at; at = at.parentElement) { const c = colour(getComputedStyle(at).backgroundColor); if (c[3] === 255) return c; } return colour('white'); };
    const found = new Set();
    for (const element of document.querySelectorAll('body *')) {
        const own = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
        if (!own || !element.checkVisibility() || element.closest('button:disabled, script, style')) continue;
        const [one, other] = [light(colour(getComputedStyle(element).color)), light(ground(element))].sort((a, b) => b - a);
        if ((one + .05) / (other + .05) < 4.5) found.add(`${element.tagName}.${element.className} ${element.textContent.slice(0, 20)}`);
    }
    return [...found];";

/// Takes the picture of the README: `cargo test -p logrecord-cli --test browser picture -- --ignored`.
#[test]
#[ignore = "it writes docs/view.png"]
fn picture() {
    let server = serve();
    let services: [(&str, i64, &str); 12] = [
        ("shop.cart", 20, "GET /cart 200 in 12 ms"),
        ("shop.checkout", 20, "order 81723 placed"),
        ("shop.db", 10, "SELECT took 3 ms"),
        ("payments.stripe", 20, "charge ch_3Nk authorised"),
        ("shop.mail", 20, "confirmation queued"),
        ("shop.db.pool", 10, "7 idle connections"),
        ("payments.ledger", 30, "retrying entry 5521, attempt 2"),
        ("celery.worker", 20, "task render_invoice took 0.41 s"),
        ("urllib3.connectionpool", 10, "Starting new HTTPS connection (1): api.stripe.com:443"),
        ("django.request", 40, "Internal Server Error: /checkout"),
        ("shop.db", 30, "slow query: 1,204 ms"),
        ("shop.cart", 20, "item 19 added"),
    ];
    let trace = "Traceback (most recent call last):\n  File \"/srv/shop/checkout.py\", line 88, in post\n    self.gateway.charge(order)\n  \
                 File \"/srv/shop/payments/stripe.py\", line 41, in charge\n    raise CardDeclined(order.id)\nshop.payments.CardDeclined: order 81729";
    let mut time = now() - 240.0;
    let mut sent = Vec::new();
    for number in 0..2_400_usize {
        let (logger, level, message) = services[(number * 7 + number / 13) % services.len()];
        time += 0.1;
        let mut record = LogRecord::builder(logger.to_owned(), level, message.to_owned()).created(time);
        if level >= 40 {
            record = record.exc_text(trace.to_owned());
        }
        let mut record = record.build();
        if number % 3 == 0 {
            record.set_extra("request_id", Python::from(format!("{:08x}", number * 0x9e37_79b9)));
            record.set_extra("user", Python::from(i64::try_from(number % 97).unwrap()));
        }
        let mut pickle = Vec::new();
        record.to_pickle(&mut pickle).unwrap();
        sent.extend_from_slice(&frame(&pickle));
    }
    let mut stream = TcpStream::connect(server.address("tcp")).unwrap();
    let Some(browser) = open(&server, DESK) else { return };
    // In forty parts, so that the rate has a shape.
    let part = sent.len() / 40 + 1;
    for (place, bytes) in sent.chunks(part).enumerate() {
        stream.write_all(bytes).unwrap();
        std::thread::park_timeout(std::time::Duration::from_millis(600 + 60 * (place as u64 % 7)));
    }
    browser.wait("rows.length === 2400");
    browser.keys("E");
    browser.keys(ENTER);
    browser.wait("!detail.hidden");
    let picture = browser.picture();
    std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/view.png"), picture).unwrap();
}

fn now() -> f64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64()
}
