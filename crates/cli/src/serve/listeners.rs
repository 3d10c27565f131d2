//! The listeners: bound at the start, and one by one when a reload brings another one or takes one away.

use std::fs;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use logrecord::intake::Gate;
use logrecord::transport::listener::{Control, Listener, ListenerConfig, Part};
use logrecord::transport::{Endpoint, TlsServer, Transport};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::hub::Hub;
use super::inherited::{Inherited, Socket};
use super::keys::Keys;
use super::receive::Inlet;
use crate::config::{Address, Config, Listen, Require};
use crate::exit::Failure;

/// What a listener is to do, with all that may fail behind it.
#[derive(Clone)]
struct Told {
    listen: Listen,
    gate: Arc<Gate>,
    tls: Option<TlsServer>,
}

struct Running {
    told: Told,
    inlet: Arc<Inlet>,
    local: Endpoint,
    control: Control,
    /// For a listener that takes this one's place on the same port.
    socket: Option<OwnedFd>,
}

/// What a configuration means: for each listener that serves, what it is to do, if it stays, and those that are bound
/// and not yet served.
pub(crate) struct Plan {
    stay: Vec<Option<Told>>,
    bound: Vec<(Told, Listener)>,
}

/// All that is served.
#[derive(Default)]
pub(crate) struct Listeners {
    running: Vec<Running>,
    tasks: JoinSet<String>,
}

/// The limits of a listener, and its certificate.
fn settings(listen: &Listen, tls: Option<&TlsServer>) -> ListenerConfig {
    let config = ListenerConfig::new()
        .max_frame_len(listen.limits.max_frame)
        .max_connections(listen.limits.max_connections)
        .max_connections_per_peer(listen.limits.max_connections_per_peer)
        .idle_timeout(listen.limits.idle_timeout)
        .frame_timeout(listen.limits.frame_timeout)
        .drain_timeout(listen.limits.drain_timeout)
        .unix_mode(listen.unix_mode);
    match tls {
        Some(tls) => config.tls(tls.clone()),
        None => config,
    }
}

/// The sockets that systemd has handed over, each for the listener that names it, or for the one without a name.
fn from_systemd(
    config: &Config,
    inherited: Option<&mut Inherited>,
) -> anyhow::Result<Vec<(Address, Listener)>> {
    let Some(inherited) = inherited else { return Ok(Vec::new()) };
    let owner = |name: &str| {
        let of = |wanted: Option<&str>| {
            let matches = |listen: &&Listen| matches!(&listen.address, Address::Systemd(name) if name.as_deref() == wanted);
            config.listen.iter().find(matches)
        };
        of(Some(name)).or_else(|| of(None))
    };
    let handed = inherited
        .handed()
        .and_then(|handed| handed.listeners(|name| owner(name).map(|listen| settings(listen, None))))
        .map_err(anyhow::Error::new)
        .context(Failure::unavailable("cannot use the sockets that were handed over"))?;
    let mut sockets = Vec::new();
    for (name, listener) in handed {
        let Some(listen) = owner(&name) else { continue };
        allow(listener.local_endpoint(), listen)?;
        sockets.push((listen.address.clone(), listener));
    }
    Ok(sockets)
}

fn no_socket(name: Option<&str>) -> anyhow::Error {
    match name {
        None => anyhow!("--systemd: LISTEN_FDS names no sockets for this process"),
        Some(name) => anyhow!(
            "systemd://{name}: systemd handed over no socket of this name at the start; a socket unit names its sockets \
             by FileDescriptorName={name}"
        ),
    }
    .context(Failure::unavailable("no sockets"))
}

/// A socket of its own, beside one that has the port and goes.
fn fresh(
    endpoint: &Endpoint,
    listen: &Listen,
    tls: Option<&TlsServer>,
    beside: Option<&OwnedFd>,
) -> anyhow::Result<Listener> {
    allow(endpoint, listen)?;
    let settings = settings(listen, tls);
    let bound = match beside {
        Some(other) => Listener::bind_beside(endpoint, settings, other.as_fd()),
        None => Listener::bind(endpoint, settings),
    };
    bound
        .map_err(anyhow::Error::new)
        .with_context(|| format!("{endpoint}"))
        .context(Failure::unavailable("cannot listen"))
}

/// A socket of the program before this one.
fn take_up(passed: Socket, listen: &Listen, tls: Option<&TlsServer>) -> anyhow::Result<Listener> {
    let Socket { socket, local, connections } = passed;
    allow(&local, listen)?;
    let mut listener = Listener::from_passed(socket, &local, settings(listen, tls))
        .map_err(anyhow::Error::new)
        .with_context(|| format!("{local}"))
        .context(Failure::unavailable("cannot take over a socket"))?;
    connections.into_iter().for_each(|connection| listener.adopt(connection));
    Ok(listener)
}

/// The certificate and key of a TLS listener.
fn tls(listen: &Listen) -> anyhow::Result<TlsServer> {
    let Some(files) = &listen.tls else {
        return Err(anyhow!("--tls needs --tls-cert and --tls-key").context(Failure::usage("no certificate")));
    };
    files.read().map_err(anyhow::Error::new).context(Failure::config("unusable TLS files"))
}

/// An address that others can reach needs a key or TLS, or a word from the operator.
fn allow(endpoint: &Endpoint, listen: &Listen) -> anyhow::Result<()> {
    if endpoint.is_local()
        || listen.require != Require::Nothing
        || endpoint.transport() == Transport::Tls
        || listen.allow_unauthenticated
    {
        return Ok(());
    }
    Err(anyhow!(
        "{endpoint}: others can reach this address, and anybody could send records. Give a key \
         (--hmac-key, see `logrecord key new`), use --tls, or say --allow-unauthenticated"
    )
    .context(Failure::config("refused")))
}

/// Gives the file of a Unix socket another mode.
fn set_mode(running: &Running, mode: Option<u32>, hub: &Hub) {
    let (Address::Endpoint(endpoint), before) = (&running.told.listen.address, running.told.listen.unix_mode)
    else {
        return;
    };
    let Some(path) = endpoint.path().filter(|_| mode != before) else { return };
    match mode {
        Some(mode) => {
            if let Err(error) = fs::set_permissions(path, fs::Permissions::from_mode(mode)) {
                hub.report.line(format_args!("logrecord: `mode` of {endpoint}: {error}"));
            }
        }
        None => hub.report.line(format_args!(
            "logrecord: {endpoint} has no `mode` any more: its file keeps the one that it has until a restart"
        )),
    }
}

impl Listeners {
    /// Binds what a configuration names and is not there already, and makes ready what changes for the rest.
    pub(crate) fn plan(
        &self,
        config: &Config,
        keys: &Keys,
        mut inherited: Option<&mut Inherited>,
    ) -> anyhow::Result<Plan> {
        // The files of a certificate may hold another one than before, whatever they are called.
        let told = |listen: &Listen| {
            let tls = if listen.address.is_tls() { Some(tls(listen)?) } else { None };
            Ok(Told { listen: listen.clone(), gate: keys.gate(&listen.require, &config.signing)?, tls })
        };
        let stay = |running: &Running| {
            let listen = config.listen.iter().find(|listen| listen.address == running.told.listen.address);
            let Some(listen) = listen else { return Ok(None) };
            allow(&running.local, listen)?;
            told(listen).map(Some)
        };
        let stay = self.running.iter().map(stay).collect::<anyhow::Result<Vec<_>>>()?;
        let fresh = config
            .listen
            .iter()
            .filter(|listen| self.running.iter().all(|running| running.told.listen.address != listen.address))
            .map(told)
            .collect::<anyhow::Result<Vec<Told>>>()?;
        // Sockets come last, because whoever connects to one that is not served after all has lost what it sent.
        let mut bound = Vec::new();
        let mut handed = None;
        for told in fresh {
            let (listen, tls) = (&told.listen, told.tls.as_ref());
            let passed = inherited.as_mut().map(|inherited| inherited.sockets(&listen.address.to_string()));
            let passed = passed.unwrap_or_default();
            let found = match &listen.address {
                _ if !passed.is_empty() => {
                    passed.into_iter().map(|socket| take_up(socket, listen, tls)).collect::<Result<_, _>>()?
                }
                Address::Endpoint(endpoint) => {
                    let beside = self.running.iter().zip(&stay).find(|(running, stays)| {
                        stays.is_none()
                            && endpoint.port().is_some()
                            && running.local.port() == endpoint.port()
                            && running.local.transport().is_datagram() == endpoint.transport().is_datagram()
                    });
                    let beside = beside.and_then(|(running, _)| running.socket.as_ref());
                    vec![self::fresh(endpoint, listen, tls, beside)?]
                }
                Address::Systemd(name) => {
                    let handed = match &mut handed {
                        Some(handed) => handed,
                        None => handed.insert(from_systemd(config, inherited.as_deref_mut())?),
                    };
                    let own = handed.extract_if(.., |(address, _)| *address == listen.address);
                    let own: Vec<Listener> = own.map(|(_, listener)| listener).collect();
                    if own.is_empty() {
                        return Err(no_socket(name.as_deref()));
                    }
                    own
                }
            };
            for listener in found {
                bound.push((told.clone(), listener));
            }
        }
        Ok(Plan { stay, bound })
    }

    /// Ends what a new configuration does not name any more, gives the rest what it says, for connections that come
    /// from now on (and keys at once), and serves what is new.
    pub(crate) fn adopt(&mut self, plan: Plan, hub: &Arc<Hub>) {
        let mut stay = plan.stay.into_iter();
        self.running.retain_mut(|running| {
            let Some(Told { listen, gate, tls }) = stay.next().flatten() else {
                running.control.stop();
                return false;
            };
            running.inlet.set_gate(Arc::clone(&gate));
            if let (Some(tls), Some(fresh)) = (&running.told.tls, &tls) {
                tls.replace(fresh);
            }
            running.control.set_config(settings(&listen, running.told.tls.as_ref()));
            set_mode(running, listen.unix_mode, hub);
            (running.told.listen, running.told.gate) = (listen, gate);
            true
        });
        for (told, listener) in plan.bound {
            let local = listener.local_endpoint().clone();
            let address = local.to_string();
            // It counts as bound before anybody is told, so that whoever has read the line finds the program ready.
            let counts = hub.listener(&address);
            let inlet = Arc::new(Inlet::new(Arc::clone(hub), Arc::clone(&told.gate), counts));
            hub.report.note(format_args!("listening on {address}"));
            let (control, socket) = (listener.control(), listener.duplicate());
            self.running.push(Running { told, inlet: Arc::clone(&inlet), local, control, socket });
            let served = listener.serve(inlet, std::future::pending());
            self.tasks.spawn(async move {
                served.await;
                address
            });
        }
    }

    /// Waits until a listener that was told to stop has drained; gives its address. Never, while all serve.
    pub(crate) async fn ended(&mut self) -> String {
        match self.tasks.join_next().await {
            Some(Ok(address)) => address,
            // A listener contains its panics.
            Some(Err(_)) => String::new(),
            None => std::future::pending().await,
        }
    }

    /// Has nothing more read, or only what has arrived by now, and gives for each listener its address in the
    /// configuration, a line feed, where it is bound, and what it has.
    pub(crate) fn pause(&self, drained: bool) -> Vec<(String, mpsc::Receiver<Part>)> {
        let paused = self.running.iter().map(|Running { told, local, control, .. }| {
            let parts = if drained { control.pause_drained() } else { control.pause() };
            (format!("{}\n{local}", told.listen.address), parts)
        });
        paused.collect()
    }

    /// Ends a pause.
    pub(crate) fn resume(&self) {
        self.running.iter().for_each(|running| running.control.resume());
    }

    /// Ends all, and leaves the sockets to who has them now.
    pub(crate) fn leave(&self) {
        self.running.iter().for_each(|running| running.control.leave());
    }

    /// Waits until all have ended, which were told to.
    pub(crate) async fn gone(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }

    /// Ends all, and waits until what they have received is handed over.
    pub(crate) async fn stop(&mut self) {
        // The socket goes with it, so that nobody connects to what is not served.
        self.running.drain(..).for_each(|running| running.control.stop());
        while self.tasks.join_next().await.is_some() {}
    }
}
