//! The listeners: bound at the start, and one by one when a reload brings another one or takes one away.

use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use logrecord::intake::Gate;
use logrecord::transport::listener::{Control, Listener, ListenerConfig, Part};
use logrecord::transport::{Endpoint, TlsServer, Transport};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::hub::Hub;
use super::inherited::{Inherited, Socket};
use super::receive::Inlet;
use crate::config::{Address, Config, Listen, Require};
use crate::exit::Failure;

/// A socket that is bound and not yet served.
pub(crate) struct Bound {
    listen: Listen,
    listener: Listener,
    gate: Arc<Gate>,
    tls: Option<TlsServer>,
}

struct Running {
    listen: Listen,
    inlet: Arc<Inlet>,
    local: Endpoint,
    control: Control,
    tls: Option<TlsServer>,
}

/// All that is served.
#[derive(Default)]
pub(crate) struct Listeners {
    running: Vec<Running>,
    tasks: JoinSet<String>,
}

/// Binds what a configuration names and is not there already.
pub(crate) fn bind(
    config: &Config,
    hub_keys: &super::keys::Keys,
    there: &Listeners,
    mut inherited: Option<&mut Inherited>,
) -> anyhow::Result<Vec<Bound>> {
    let mut bound = Vec::new();
    let mut handed = None;
    for listen in &config.listen {
        if there.running.iter().any(|running| running.listen.address == listen.address) {
            continue;
        }
        let gate = hub_keys.gate(&listen.require, &config.signing)?;
        let tls = if listen.address.is_tls() { Some(tls(listen)?) } else { None };
        let passed = inherited.as_mut().map(|inherited| inherited.sockets(&listen.address.to_string()));
        let passed = passed.unwrap_or_default();
        let found = match &listen.address {
            _ if !passed.is_empty() => passed
                .into_iter()
                .map(|socket| take_up(socket, listen, tls.as_ref()))
                .collect::<Result<_, _>>()?,
            Address::Endpoint(endpoint) => vec![fresh(endpoint, listen, tls.as_ref())?],
            Address::Systemd(name) => {
                let handed = match &mut handed {
                    Some(handed) => handed,
                    None => handed.insert(from_systemd(config)?),
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
            let (listen, gate, tls) = (listen.clone(), Arc::clone(&gate), tls.clone());
            bound.push(Bound { listen, listener, gate, tls });
        }
    }
    Ok(bound)
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
fn from_systemd(config: &Config) -> anyhow::Result<Vec<(Address, Listener)>> {
    let owner = |name: &str| {
        let of = |wanted: Option<&str>| {
            let matches = |listen: &&Listen| matches!(&listen.address, Address::Systemd(name) if name.as_deref() == wanted);
            config.listen.iter().find(matches)
        };
        of(Some(name)).or_else(|| of(None))
    };
    let handed = Listener::from_systemd_named(|name| owner(name).map(|listen| settings(listen, None)))
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

/// A socket of its own.
fn fresh(endpoint: &Endpoint, listen: &Listen, tls: Option<&TlsServer>) -> anyhow::Result<Listener> {
    allow(endpoint, listen)?;
    Listener::bind(endpoint, settings(listen, tls))
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

impl Listeners {
    /// Serves what was bound.
    pub(crate) fn serve(&mut self, bound: Vec<Bound>, hub: &Arc<Hub>) {
        for Bound { listen, listener, gate, tls } in bound {
            let address = listener.local_endpoint().to_string();
            // It counts as bound before anybody is told, so that whoever has read the line finds the program ready.
            let inlet = Arc::new(Inlet::new(Arc::clone(hub), gate, hub.listener(&address)));
            hub.report.note(format_args!("listening on {address}"));
            let (local, control) = (listener.local_endpoint().clone(), listener.control());
            self.running.push(Running { listen, inlet: Arc::clone(&inlet), local, control, tls });
            let served = listener.serve(inlet, std::future::pending());
            self.tasks.spawn(async move {
                served.await;
                address
            });
        }
    }

    /// Ends what a new configuration does not name any more, and gives each gate what it says; tells what counts
    /// only after a restart.
    pub(crate) fn adapt(&mut self, config: &Config, hub: &Hub) -> anyhow::Result<()> {
        let mut gates = Vec::new();
        for running in &self.running {
            let listen = config.listen.iter().find(|listen| listen.address == running.listen.address);
            gates.push(match listen {
                Some(listen) => {
                    // The files may hold another certificate than before, whatever they are called.
                    let fresh = if running.tls.is_some() { Some(tls(listen)?) } else { None };
                    Some((listen, hub.keys.gate(&listen.require, &config.signing)?, fresh))
                }
                None => None,
            });
        }
        let mut gates = gates.into_iter();
        self.running.retain_mut(|running| {
            let Some(Some((listen, gate, fresh))) = gates.next() else {
                running.control.stop();
                return false;
            };
            running.inlet.set_gate(gate);
            running.listen.require = listen.require.clone();
            if let (Some(tls), Some(fresh)) = (&running.tls, &fresh) {
                tls.replace(fresh);
                running.listen.tls = listen.tls.clone();
            }
            if running.listen != *listen {
                hub.report.line(format_args!(
                    "logrecord: other settings of {} than its keys and certificate count after a restart",
                    listen.address
                ));
            }
            true
        });
        Ok(())
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

    /// Has nothing more read, and gives for each listener its address in the configuration, a line feed, where it is
    /// bound, and what it has.
    pub(crate) fn pause(&self) -> Vec<(String, mpsc::Receiver<Part>)> {
        let all = self.running.iter();
        all.map(|running| (format!("{}\n{}", running.listen.address, running.local), running.control.pause()))
            .collect()
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
        for running in &self.running {
            running.control.stop();
        }
        while self.tasks.join_next().await.is_some() {}
    }
}
