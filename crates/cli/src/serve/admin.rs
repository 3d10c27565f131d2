//! The admin server: health, readiness, metrics, status and the live view over HTTP.
//!
//! A browser on this machine can be made to ask anything of `127.0.0.1` by any page it shows. So the `Host` must be
//! the address that was bound, nothing may be embedded or read from elsewhere, what says more than that the
//! program lives needs the token, and what asks for it must not be another page.

use std::convert::Infallible;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::header::{self, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use logrecord::transport::TlsServer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;

use super::hub::Hub;
use super::metrics;
use super::view::{Feed, ICON, MAX_VIEWERS, PAGE, Refusal, Viewers};
use crate::config::{Admin, AdminAddress, TlsFiles, UNGUARDED};
use crate::exit::Failure;

/// Connections at a time; more wait.
const MAX_CONNECTIONS: usize = 64;

/// How long the head of a request may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an `accept` that failed is left alone.
const RETRY: Duration = Duration::from_secs(1);

const EVENTS: &str = "text/event-stream";

const NEEDS_TOKEN: &str = "This needs the token. Open the link that `logrecord serve` prints on standard error when it \
starts, or /?token= and the content of its token_file; programs send it as Authorization: Bearer TOKEN.\n";

/// The longest token of a file.
const MAX_TOKEN: u64 = 4_096;

type Reply = Response<Either<Full<Bytes>, Feed>>;

enum Socket {
    Tcp(tokio::net::TcpListener, SocketAddr),
    Unix(tokio::net::UnixListener, SocketFile),
}

/// The file of a Unix socket, which goes with the server.
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        fs::remove_file(&self.0).ok();
    }
}

/// A server that is bound.
#[derive(Clone)]
pub(crate) struct AdminServer {
    address: AdminAddress,
    socket: Arc<Socket>,
    guard: Arc<Guard>,
    viewers: Arc<Viewers>,
    /// The token was made here, so that somebody has to be told.
    tells_token: bool,
    tls: Option<TlsServer>,
}

/// A server that serves.
pub(crate) struct RunningAdmin {
    task: JoinHandle<()>,
    server: AdminServer,
}

impl RunningAdmin {
    /// Ends it, and waits until its socket is free.
    pub(crate) async fn stop(self) {
        self.abort();
        // It was told to end, which is no fault.
        self.task.await.ok();
    }

    /// Ends it.
    pub(crate) fn abort(&self) {
        self.task.abort();
    }
}

/// Who may ask what.
struct Guard {
    token: String,
    /// The name of the cookie. Browsers do not tell the ports of a host apart, so that it has the port in it.
    cookie: String,
    /// Hosts that a request may name; everything where there is no browser to be deceived.
    hosts: Option<Vec<String>>,
    /// Only this machine can ask.
    is_local: bool,
    is_tls: bool,
}

/// Binds the server of a configuration, or takes the socket of one that serves at its address already: token and
/// certificate are read anew, those who look keep looking.
pub(crate) fn bind(admin: &Admin, running: Option<&RunningAdmin>) -> anyhow::Result<AdminServer> {
    let there = running.map(|running| &running.server).filter(|server| server.address == admin.address);
    let token = match (&admin.token_file, there) {
        (Some(path), _) => read_token(path)?,
        (None, Some(there)) if there.tells_token => there.guard.token.clone(),
        (None, _) => random_token()?,
    };
    if !admin.is_guarded() {
        return Err(
            anyhow!("{UNGUARDED}").context(Failure::config("the admin server listens to nobody unknown"))
        );
    }
    let tls = admin.tls.as_ref().map(TlsFiles::read).transpose();
    let tls =
        tls.map_err(anyhow::Error::new).context(Failure::config("unusable TLS files of the admin server"))?;
    let socket = match (there, &admin.address) {
        (Some(there), _) => Arc::clone(&there.socket),
        (None, AdminAddress::Tcp(address)) => {
            let bound = std::net::TcpListener::bind(address).and_then(|socket| {
                socket.set_nonblocking(true)?;
                let address = socket.local_addr()?;
                Ok((tokio::net::TcpListener::from_std(socket)?, address))
            });
            let (socket, address) = bound
                .with_context(|| format!("{address}"))
                .context(Failure::unavailable("cannot listen for --admin"))?;
            Arc::new(Socket::Tcp(socket, address))
        }
        (None, AdminAddress::Unix(path)) => {
            let socket = bind_unix(path)
                .with_context(|| format!("{}", path.display()))
                .context(Failure::unavailable("cannot listen for --admin"))?;
            Arc::new(Socket::Unix(socket, SocketFile(path.clone())))
        }
    };
    let (hosts, cookie) = match &*socket {
        Socket::Tcp(_, address) => {
            let port = address.port();
            // Whom a browser means, the certificate says.
            let hosts = tls.is_none().then(|| vec![address.to_string(), format!("localhost:{port}")]);
            (hosts, format!("logrecord_token_{port}"))
        }
        Socket::Unix(..) => (None, "logrecord_token".to_owned()),
    };
    let viewers = match there {
        Some(there) => Arc::clone(&there.viewers),
        None => Arc::new(Viewers::new(random()?)),
    };
    Ok(AdminServer {
        address: admin.address.clone(),
        socket,
        guard: Arc::new(Guard {
            token,
            cookie,
            hosts,
            is_local: admin.address.is_local(),
            is_tls: tls.is_some(),
        }),
        viewers,
        tells_token: admin.token_file.is_none(),
        tls,
    })
}

/// A socket that nobody answers on is a rest of a run that was killed.
fn bind_unix(path: &Path) -> io::Result<tokio::net::UnixListener> {
    let socket = match std::os::unix::net::UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let stale = std::os::unix::net::UnixStream::connect(path)
                .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
            if !stale {
                return Err(error);
            }
            fs::remove_file(path)?;
            std::os::unix::net::UnixListener::bind(path)?
        }
        bound => bound?,
    };
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    socket.set_nonblocking(true)?;
    tokio::net::UnixListener::from_std(socket)
}

fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut random = [0; N];
    getrandom::fill(&mut random)
        .map_err(|error| anyhow!("{error}"))
        .context(Failure::unavailable("no randomness"))?;
    Ok(random)
}

fn random_token() -> anyhow::Result<String> {
    Ok(random::<16>()?.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn read_token(path: &Path) -> anyhow::Result<String> {
    use std::io::Read as _;
    let mut token = String::new();
    fs::File::open(path)
        .and_then(|file| file.take(MAX_TOKEN).read_to_string(&mut token))
        .with_context(|| format!("{}", path.display()))
        .context(Failure::config("cannot read the token"))?;
    let token = token.trim();
    if token.len() < 16 || !token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte))
    {
        return Err(anyhow!(
            "{}: a token is one line of 16 letters or more: A-Z, a-z, 0-9, - _ . ~",
            path.display()
        )
        .context(Failure::config("unusable token")));
    }
    Ok(token.to_owned())
}

impl AdminServer {
    /// Where it is, with the token if nobody else knows it.
    fn link(&self) -> String {
        let place = match &*self.socket {
            Socket::Tcp(_, address) if self.tls.is_some() => format!("https://{address}/"),
            Socket::Tcp(_, address) => format!("http://{address}/"),
            Socket::Unix(_, file) => format!("unix://{}", file.0.display()),
        };
        if self.tells_token { format!("{place}?token={}", self.guard.token) } else { place }
    }

    /// Says where it is, if that is new, and serves instead of the one before it.
    pub(crate) fn start(self, hub: &Arc<Hub>, before: Option<RunningAdmin>) -> RunningAdmin {
        let link = self.link();
        if before.as_ref().is_none_or(|before| before.server.link() != link) {
            hub.report.secret(format_args!("admin on {link}"));
        }
        if let Some(before) = before {
            before.abort();
        }
        RunningAdmin { task: tokio::spawn(self.clone().serve(Arc::clone(hub))), server: self }
    }

    /// Serves until the program ends.
    async fn serve(self, hub: Arc<Hub>) {
        let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            // The semaphore is never closed.
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
            let asked = Asked {
                hub: Arc::clone(&hub),
                guard: Arc::clone(&self.guard),
                viewers: Arc::clone(&self.viewers),
            };
            let accepted = match &*self.socket {
                Socket::Tcp(socket, _) => socket.accept().await.map(|(stream, _)| {
                    let tls = self.tls.clone();
                    tokio::spawn(async move {
                        match tls {
                            None => converse(stream, asked).await,
                            Some(tls) => {
                                let accepted = tokio::time::timeout(HEAD_TIMEOUT, tls.accept(stream)).await;
                                if let Ok(Ok(stream)) = accepted {
                                    converse(stream, asked).await;
                                }
                            }
                        }
                        drop(permit);
                    });
                }),
                Socket::Unix(socket, _) => socket.accept().await.map(|(stream, _)| {
                    tokio::spawn(async move {
                        converse(stream, asked).await;
                        drop(permit);
                    });
                }),
            };
            if accepted.is_err() {
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// What a connection asks.
struct Asked {
    hub: Arc<Hub>,
    guard: Arc<Guard>,
    viewers: Arc<Viewers>,
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, asked: Asked) {
    let cut = Arc::new(Notify::new());
    let answer = service_fn(|request| {
        let reply = reply(&request, &asked, &cut);
        async move { Ok::<_, Infallible>(reply) }
    });
    let conversation = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(16 << 10)
        .serve_connection(TokioIo::new(stream), answer);
    tokio::select! {
        // A peer that breaks off is its own affair.
        _ = conversation => {}
        // One that takes nothing for long loses its connection.
        () = cut.notified() => {}
    }
}

fn reply<B>(request: &Request<B>, asked: &Asked, cut: &Arc<Notify>) -> Reply {
    let mut reply = route(request, asked, cut);
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in fixed {
        reply.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    if request.method() == Method::HEAD {
        *reply.body_mut() = Either::Left(Full::default());
    }
    reply
}

fn route<B>(request: &Request<B>, asked: &Asked, cut: &Arc<Notify>) -> Reply {
    let Asked { hub, guard, .. } = asked;
    if !guard.knows_host(request) {
        return text(StatusCode::MISDIRECTED_REQUEST, "this is not the host that was asked for\n");
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut reply = text(StatusCode::METHOD_NOT_ALLOWED, "GET and HEAD only\n");
        reply.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return reply;
    }
    match request.uri().path() {
        "/health" | "/ready" | "/metrics" if !guard.is_local && !guard.allows(request) => unauthorized(),
        "/health" => json(StatusCode::OK, &serde_json::json!({ "status": "ok" })),
        "/ready" => {
            let why = hub.not_ready();
            if why.is_empty() {
                json(StatusCode::OK, &serde_json::json!({ "status": "ready" }))
            } else {
                let body = serde_json::json!({ "status": "not ready", "reasons": why });
                json(StatusCode::SERVICE_UNAVAILABLE, &body)
            }
        }
        "/metrics" => {
            typed(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", metrics::metrics(hub).into())
        }
        "/" if request.uri().query().is_some_and(|query| query.starts_with("token=")) => guard.admit(request),
        "/icon.svg" => typed(StatusCode::OK, "image/svg+xml", ICON.into()),
        "/" | "/status" | "/events" if !guard.allows(request) => unauthorized(),
        "/status" | "/events" if is_of_another_page(request) => {
            text(StatusCode::FORBIDDEN, "another page must not ask this\n")
        }
        "/" => {
            let mut reply = typed(StatusCode::OK, "text/html; charset=utf-8", PAGE.html.as_str().into());
            if let Ok(policy) = HeaderValue::from_str(&PAGE.policy) {
                reply.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
            }
            reply
        }
        "/events" if request.method() == Method::HEAD => typed(StatusCode::OK, EVENTS, Bytes::new()),
        "/events" => events(request, asked, cut),
        "/status" => json(StatusCode::OK, &metrics::status(hub)),
        _ => text(StatusCode::NOT_FOUND, "there is nothing here\n"),
    }
}

fn unauthorized() -> Reply {
    let mut reply = text(StatusCode::UNAUTHORIZED, NEEDS_TOKEN);
    reply.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    reply
}

/// Whether a browser says that a page of another origin asks, such as one of another port of this host.
fn is_of_another_page<B>(request: &Request<B>) -> bool {
    let site = request.headers().get("sec-fetch-site");
    site.is_some_and(|site| site != "same-origin" && site != "none")
}

fn events<B>(request: &Request<B>, asked: &Asked, cut: &Arc<Notify>) -> Reply {
    let last_event = request.headers().get("last-event-id").and_then(|id| id.to_str().ok());
    let query = request.uri().query().unwrap_or_default();
    match asked.viewers.open(&asked.hub, query, last_event, Arc::clone(cut)) {
        Ok(feed) => {
            let mut reply = Response::new(Either::Right(feed));
            reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(EVENTS));
            reply
        }
        Err(Refusal::Malformed(why)) => {
            typed(StatusCode::BAD_REQUEST, "text/plain; charset=utf-8", format!("{why}\n").into())
        }
        Err(Refusal::Full) => typed(
            StatusCode::SERVICE_UNAVAILABLE,
            "text/plain; charset=utf-8",
            format!("{MAX_VIEWERS} viewers are looking already\n").into(),
        ),
        Err(Refusal::NoThread) => text(StatusCode::SERVICE_UNAVAILABLE, "no thread can be started\n"),
    }
}

impl Guard {
    fn knows_host<B>(&self, request: &Request<B>) -> bool {
        let Some(hosts) = &self.hosts else { return true };
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        host.is_some_and(|host| hosts.iter().any(|known| known.eq_ignore_ascii_case(host)))
    }

    /// The link with the token becomes a cookie and a link without it.
    fn admit<B>(&self, request: &Request<B>) -> Reply {
        let given = request.uri().query().and_then(|query| query.strip_prefix("token=")).unwrap_or_default();
        if !self.is_token(given) {
            return text(StatusCode::UNAUTHORIZED, "this is not the token\n");
        }
        let mut reply = text(StatusCode::FOUND, "");
        reply.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/"));
        let secure = if self.is_tls { "; Secure" } else { "" };
        let cookie = format!("{}={}; HttpOnly; SameSite=Strict; Path=/{secure}", self.cookie, self.token);
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            reply.headers_mut().insert(header::SET_COOKIE, cookie);
        }
        reply
    }

    fn allows<B>(&self, request: &Request<B>) -> bool {
        let text = |name| request.headers().get_all(name).into_iter().filter_map(|value| value.to_str().ok());
        let mut bearers =
            text(header::AUTHORIZATION).filter_map(|value| value.strip_prefix("Bearer ").map(str::trim));
        let mut cookies = text(header::COOKIE)
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter_map(|(name, value)| (name == self.cookie).then_some(value));
        bearers.any(|token| self.is_token(token)) || cookies.any(|token| self.is_token(token))
    }

    /// In a time that says nothing of where the two differ.
    fn is_token(&self, given: &str) -> bool {
        let (known, given) = (self.token.as_bytes(), given.as_bytes());
        known.len() == given.len()
            && known.iter().zip(given).fold(0, |differs, (known, given)| differs | (known ^ given)) == 0
    }
}

fn typed(status: StatusCode, kind: &'static str, body: Bytes) -> Reply {
    let mut reply = Response::new(Either::Left(Full::new(body)));
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    reply
}

fn text(status: StatusCode, body: &'static str) -> Reply {
    typed(status, "text/plain; charset=utf-8", Bytes::from_static(body.as_bytes()))
}

fn json(status: StatusCode, body: &serde_json::Value) -> Reply {
    typed(status, "application/json", format!("{body}\n").into())
}
