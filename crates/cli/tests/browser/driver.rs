//! A browser that is driven over WebDriver: Chromium and its chromedriver, as Debian has them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::PATIENCE;

/// A running browser with one page.
pub(crate) struct Browser {
    driver: Child,
    port: u16,
    session: String,
}

/// How large the page is, and whether the system is dark.
#[derive(Clone, Copy)]
pub(crate) struct Screen {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) dark: bool,
}

pub(crate) const DESK: Screen = Screen { width: 1280, height: 720, dark: false };

pub(crate) const ESCAPE: &str = "\u{e00c}";
pub(crate) const ENTER: &str = "\u{e007}";

impl Browser {
    /// Starts it. Without a chromedriver there is none, which is said.
    pub(crate) fn start(screen: Screen) -> Option<Self> {
        let driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut driver) = driver else {
            let required = std::env::var("LOGRECORD_REQUIRE_BROWSER").is_ok_and(|value| value == "1");
            assert!(!required, "no chromedriver was found");
            // Past the harness, which shows what a test prints only when it fails.
            std::io::stderr()
                .write_all(b"SKIPPED: no chromedriver was found, so no browser looks\n")
                .unwrap();
            return None;
        };
        let lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines
            .map_while(Result::ok)
            .find_map(|line| line.rsplit_once("successfully on port ")?.1.trim_end_matches('.').parse().ok())
            .expect("chromedriver did not say its port");
        let mut browser = Self { driver, port, session: String::new() };
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            // What rebinds a name to this host.
            "--host-resolver-rules=MAP rebound.example 127.0.0.1",
        ];
        let options = json!({
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let answer = browser.ask("POST", "/session", &json!({ "capabilities": { "alwaysMatch": options } }));
        browser.session = format!("/session/{}", answer["sessionId"].as_str().unwrap());
        let Screen { width, height, dark } = screen;
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        browser.tell("Emulation.setDeviceMetricsOverride", &size);
        let scheme = if dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        browser.tell("Emulation.setEmulatedMedia", &media);
        Some(browser)
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            stream,
            "{method} {}{path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Length: {}\r\n\r\n{body}",
            self.session,
            self.port,
            body.len()
        )
        .unwrap();
        // The driver keeps its connections, so that the length says where the answer ends.
        let mut stream = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(stream.read_line(&mut head).unwrap() > 0, "{path}: {head}");
        }
        let length = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
        let mut answer = vec![0; length.unwrap_or(0)];
        stream.read_exact(&mut answer).unwrap();
        let body = String::from_utf8(answer).unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {body}");
        let mut answer: Value = serde_json::from_str(&body).unwrap();
        answer["value"].take()
    }

    /// A command of the browser's own protocol.
    fn tell(&self, command: &str, parameters: &Value) {
        self.ask("POST", "/goog/cdp/execute", &json!({ "cmd": command, "params": parameters }));
    }

    pub(crate) fn go(&self, address: &str) {
        self.ask("POST", "/url", &json!({ "url": address }));
    }

    /// Runs the body of a function in the page, and gives what it returns.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.run_with(script, &[])
    }

    pub(crate) fn run_with(&self, script: &str, arguments: &[Value]) -> Value {
        self.ask("POST", "/execute/sync", &json!({ "script": script, "args": arguments }))
    }

    /// Waits until an expression is true.
    pub(crate) fn wait(&self, expression: &str) {
        self.wait_for(PATIENCE, expression);
    }

    pub(crate) fn wait_for(&self, time: Duration, expression: &str) {
        let script = format!("return Boolean({expression})");
        let deadline = Instant::now() + time;
        loop {
            let holds = self.run(&script) == true;
            if holds {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "not so: {expression}\n{:?}\n{}",
                self.complaints(),
                self.text()
            );
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// Types letters; see [`ENTER`] and [`ESCAPE`].
    pub(crate) fn keys(&self, text: &str) {
        let strokes: Vec<Value> = text
            .chars()
            .flat_map(|key| {
                ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key.to_string() }))
            })
            .collect();
        let actions = json!({ "actions": [{ "type": "key", "id": "keys", "actions": strokes }] });
        self.ask("POST", "/actions", &actions);
    }

    /// All text that can be seen.
    pub(crate) fn text(&self) -> String {
        self.run("return document.body.innerText").as_str().unwrap_or_default().to_owned()
    }

    /// What the browser has complained of.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let log = self.ask("POST", "/se/log", &json!({ "type": "browser" }));
        let complaint = |entry: &Value| entry["message"].as_str().unwrap_or_default().to_owned();
        log.as_array().unwrap().iter().filter(|entry| entry["level"] == "SEVERE").map(complaint).collect()
    }

    /// A picture of the page, as PNG.
    pub(crate) fn picture(&self) -> Vec<u8> {
        use base64::Engine as _;
        let picture = self.ask("GET", "/screenshot", &Value::Null);
        base64::prelude::BASE64_STANDARD.decode(picture.as_str().unwrap()).unwrap()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The session's end is the browser's.
        if !std::thread::panicking() {
            self.ask("DELETE", "", &Value::Null);
        }
        let id = self.driver.id();
        // A browser whose session is not ended outlives its driver, but not the driver's own orderly end.
        Command::new("kill").arg(id.to_string()).status().ok();
        self.driver.wait().ok();
    }
}
