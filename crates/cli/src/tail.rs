//! `logrecord tail`: follows the stream of a running `serve` in a terminal.

use std::fs;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, HOST};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use logrecord::model::{Formatter, LogRecord};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::args::TailArgs;
use crate::exit::Failure;
use crate::stderr::say;
use crate::terminal;

/// Records that the first connection begins with, as `tail` does with lines.
const FIRST: usize = 10;

/// The most records that a later one begins with, from where the last one broke off.
const AGAIN: usize = 10_000;

/// How long nothing may come: the counts do every second.
const SILENCE: Duration = Duration::from_secs(15);

/// How long connecting and the head of an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The first and the longest pause before a connection is tried again.
const RETRY: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(10)];

/// The longest line of the stream: a record has 1 MiB at most.
const MAX_LINE: usize = 4 << 20;

/// How much of a refusal is read.
const MAX_REFUSAL: usize = 4 << 10;

/// The longest token of a file.
const MAX_TOKEN: u64 = 4_096;

/// Where the server is.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    Tcp(String),
    Unix(PathBuf),
}

/// Reads `HOST:PORT`, the link that `serve` prints, or the path of a Unix socket; with the token, if it is there.
fn parse(address: &str) -> (Place, Option<String>) {
    let (link, query) = address.split_once('?').map_or((address, None), |(link, query)| (link, Some(query)));
    let link = link.strip_suffix('/').unwrap_or(link);
    let token = query.and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("token=")));
    let place = match link.strip_prefix("http://") {
        Some(host) => Place::Tcp(host.split('/').next().unwrap_or_default().to_owned()),
        None => match link.strip_prefix("unix://") {
            Some(path) => Place::Unix(path.into()),
            None if link.contains('/') => Place::Unix(link.into()),
            None => Place::Tcp(link.to_owned()),
        },
    };
    (place, token.map(str::to_owned))
}

/// A word of the filter language.
fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The filter that the options say.
fn filter(args: &TailArgs) -> String {
    let level = args.level.map(|level| format!("level:{}", level.number()));
    let loggers = args.logger.iter().map(|logger| format!("logger:{}", quoted(logger)));
    level.into_iter().chain(loggers).chain(args.filter.iter().cloned()).collect::<Vec<_>>().join(" ")
}

fn percent_encode(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes()
        .map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// Follows until the reader of standard output goes away.
pub(crate) fn run(args: &TailArgs) -> anyhow::Result<ExitCode> {
    if args.address.starts_with("https://") {
        return Err(anyhow!("{}: use the browser, or curl with the token", args.address)
            .context(Failure::usage("tail speaks no TLS")));
    }
    let (place, token) = parse(&args.address);
    let token = match &args.token_file {
        Some(path) => {
            let mut token = String::new();
            fs::File::open(path)
                .and_then(|file| file.take(MAX_TOKEN).read_to_string(&mut token))
                .with_context(|| format!("{}", path.display()))
                .context(Failure::config("cannot read the token"))?;
            Some(token.trim().to_owned())
        }
        None => token,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context(Failure::unavailable("cannot start the runtime"))?;
    let colour = terminal::colour(io::stdout().is_terminal());
    let mut tail = Tail {
        place,
        token,
        filter: percent_encode(&filter(args)),
        formatter: (!args.json).then(|| Formatter::text(colour)),
        seen: None,
        event: String::new(),
        out: Vec::new(),
    };
    runtime.block_on(tail.follow())
}

struct Tail {
    place: Place,
    token: Option<String>,
    filter: String,
    /// How records are written; as JSON, if there is none.
    formatter: Option<Formatter>,
    /// The id of the last event.
    seen: Option<String>,
    /// The name of the event that is being read.
    event: String,
    out: Vec<u8>,
}

impl Tail {
    async fn follow(&mut self) -> anyhow::Result<ExitCode> {
        let mut pause = RETRY[0];
        let mut lost = false;
        loop {
            match self.connect().await {
                Ok(answer) if answer.status() == StatusCode::OK => {
                    if lost {
                        say(format_args!("connected again"));
                    }
                    (pause, lost) = (RETRY[0], true);
                    self.read(answer.into_body()).await?;
                    say(format_args!("the connection was lost; trying again"));
                }
                Ok(answer) => {
                    let busy = answer.status() == StatusCode::SERVICE_UNAVAILABLE;
                    let refused = refusal(answer).await;
                    if !(lost && busy) {
                        return Err(refused);
                    }
                }
                Err(error) if lost => drop(error),
                Err(error) => {
                    return Err(error
                        .context("is `logrecord serve --admin` running there?")
                        .context(Failure::unavailable("cannot connect")));
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RETRY[1]);
        }
    }

    async fn connect(&self) -> anyhow::Result<Response<Incoming>> {
        let connecting = async {
            match &self.place {
                Place::Tcp(host) => {
                    self.ask(TcpStream::connect(host).await.with_context(|| host.clone())?, host).await
                }
                Place::Unix(path) => {
                    let stream = UnixStream::connect(path).await;
                    self.ask(stream.with_context(|| format!("{}", path.display()))?, "localhost").await
                }
            }
        };
        tokio::time::timeout(PATIENCE, connecting).await.map_err(|_| anyhow!("no answer in time"))?
    }

    async fn ask(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        host: &str,
    ) -> anyhow::Result<Response<Incoming>> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Its end is seen by whoever reads the answer.
        tokio::spawn(async move { connection.await.ok() });
        let query = match &self.seen {
            Some(seen) => format!("history={AGAIN}&seen={seen}"),
            None => format!("history={FIRST}"),
        };
        let mut request = Request::get(format!("/events?q={}&{query}", self.filter)).header(HOST, host);
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        Ok(sender.send_request(request.body(Empty::<Bytes>::new())?).await?)
    }

    /// Reads the stream until it ends. An error is one of standard output.
    async fn read(&mut self, mut body: Incoming) -> anyhow::Result<()> {
        let mut rest: Vec<u8> = Vec::new();
        // Whatever the reason is why no more comes: it is tried again.
        while let Ok(Some(Ok(frame))) = tokio::time::timeout(SILENCE, body.frame()).await {
            let Ok(data) = frame.into_data() else { continue };
            for part in data.split_inclusive(|byte| *byte == b'\n') {
                rest.extend_from_slice(part);
                if rest.last() == Some(&b'\n') {
                    rest.pop();
                    let line = std::mem::take(&mut rest);
                    self.line(&String::from_utf8_lossy(&line));
                    rest = line;
                    rest.clear();
                } else if rest.len() > MAX_LINE {
                    return Ok(());
                }
            }
            let mut stdout = io::stdout().lock();
            stdout
                .write_all(&self.out)
                .and_then(|()| stdout.flush())
                .context(Failure::unavailable("cannot write"))?;
            self.out.clear();
        }
        Ok(())
    }

    /// Takes one line of the stream.
    fn line(&mut self, line: &str) {
        match line.split_once(": ") {
            Some(("event", name)) => name.clone_into(&mut self.event),
            Some(("id", id)) => self.seen = Some(id.to_owned()),
            Some(("data", data)) => match self.event.as_str() {
                "records" => self.record(data),
                "gap" => gap(data),
                "hello" if self.seen.is_some() && data.contains("\"resumed\":false") => {
                    say(format_args!("the server was started anew; what it has kept comes again"));
                }
                _ => {}
            },
            _ => {}
        }
    }

    fn record(&mut self, data: &str) {
        // Index and time of arrival stand in front of what a record is in JSON elsewhere.
        let Some(members) = data.splitn(3, ',').nth(2) else { return };
        let json = format!("{{{members}");
        match &self.formatter {
            None => self.out.extend_from_slice(json.as_bytes()),
            Some(formatter) => {
                let Ok(record) = LogRecord::from_json(&json) else { return };
                let mut text = String::new();
                // The formatter is lenient.
                formatter.format_into(&record, None, &mut text).ok();
                self.out.extend_from_slice(text.as_bytes());
            }
        }
        self.out.push(b'\n');
    }
}

/// Says what is missing.
fn gap(data: &str) {
    let gap: serde_json::Value = serde_json::from_str(data).unwrap_or_default();
    let records = gap.get("records").and_then(serde_json::Value::as_u64).unwrap_or_default();
    let why = match gap.get("why").and_then(serde_json::Value::as_str) {
        Some("rate") => "more than 2,000 a second; a filter leaves out what you do not want",
        Some("slow") => "this end does not take them fast enough",
        Some("busy") => "the server had no time to look at them",
        Some("gone") => "the server does not have them any more",
        // Older records are no loss.
        _ => return,
    };
    say(format_args!("{records} records are not shown: {why}"));
}

/// What a refusal means, and the way out.
async fn refusal(answer: Response<Incoming>) -> anyhow::Error {
    let status = answer.status();
    let body = Limited::new(answer.into_body(), MAX_REFUSAL).collect().await;
    let text =
        body.map(|body| String::from_utf8_lossy(&body.to_bytes()).trim().to_owned()).unwrap_or_default();
    match status {
        StatusCode::UNAUTHORIZED => anyhow!(
            "give the whole link that `logrecord serve` prints when it starts, or --token-file with the file of its \
             configuration; without one there, each start makes a new token"
        )
        .context(Failure::config("the server wants its token")),
        StatusCode::BAD_REQUEST => anyhow!("{text}").context(Failure::usage("the filter is refused")),
        StatusCode::MISDIRECTED_REQUEST => {
            anyhow!("use the address that it prints, or localhost").context(Failure::unavailable("the server has another name"))
        }
        StatusCode::NOT_FOUND => {
            anyhow!("this is no admin address of `logrecord serve`").context(Failure::unavailable("there is no stream"))
        }
        _ => anyhow!("{status}: {text}").context(Failure::unavailable("refused")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_rows() {
        let tcp = |host: &str| Place::Tcp(host.to_owned());
        let rows = [
            ("127.0.0.1:9022", tcp("127.0.0.1:9022"), None),
            ("http://127.0.0.1:9022/?token=abc", tcp("127.0.0.1:9022"), Some("abc")),
            ("http://localhost:9022", tcp("localhost:9022"), None),
            ("localhost:9022/?token=abc", tcp("localhost:9022"), Some("abc")),
            ("/run/admin", Place::Unix("/run/admin".into()), None),
            ("unix:///run/admin?token=abc", Place::Unix("/run/admin".into()), Some("abc")),
        ];
        for (text, place, token) in rows {
            assert_eq!(parse(text), (place, token.map(str::to_owned)), "{text}");
        }
    }

    #[test]
    fn what_is_asked_for_is_written_so_that_it_reads_back() {
        assert_eq!(quoted("a \"b\" \\c"), r#""a \"b\" \\c""#);
        assert_eq!(percent_encode("level:20 \"ä\""), "level%3A20%20%22%C3%A4%22");
    }
}
