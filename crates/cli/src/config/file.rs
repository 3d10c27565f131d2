//! The configuration file: TOML, read in two steps, so that every fault keeps its place.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use logrecord::frame::envelope::KeyId;
use logrecord::model::Level;
use logrecord::pickle::Globals;
use logrecord::transport::{Endpoint, Transport};
use sha2::{Digest as _, Sha256};
use toml::de::{DeTable, DeValue};

use super::check::{self, Checks};
use super::line_format::line_format;
use super::problems::{Problems, expected};
use super::section::{At, Section, text};
use super::{
    Address, Admin, AdminAddress, Config, DEAD_LETTER_BYTES, DEFAULT_LISTENERS, DeadLetters, Format,
    LOG_BYTES, Limits, Listen, NO_NATS, OUTPUT, Output, OutputKind, Records, Require, Rotate, Route, Signing,
    Spool, Sync, TlsFiles, UNGUARDED, WhenBehind,
};
use crate::args::StyleArg;
use crate::exit::Failure;
use crate::units;

/// A commented file, which is valid but for the files that it names.
pub(crate) const SAMPLE: &str = include_str!("sample.toml");

/// What is read of a file at most.
const MAX_FILE: u64 = 4 << 20;

const SCHEMES: &str = "tcp, udp, unix, unix-dgram, tls or systemd";

/// A file that was read, and not yet understood.
#[derive(Debug)]
pub(crate) struct ConfigFile {
    path: PathBuf,
    text: String,
    /// Where it ceases to be text.
    odd: Option<usize>,
}

impl ConfigFile {
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(MAX_FILE).read_to_end(&mut bytes))
            .with_context(|| format!("{}", path.display()))
            .context(Failure::config("cannot read the configuration"))?;
        let odd = str::from_utf8(&bytes).err().map(|error| error.valid_up_to());
        Ok(Self { path: path.to_owned(), text: String::from_utf8_lossy(&bytes).into_owned(), odd })
    }

    /// What `validate` and `/status` call this text: `sha256:` and the first 16 digits.
    pub(crate) fn hash(&self) -> String {
        let mut hash = "sha256:".to_owned();
        for byte in Sha256::digest(&self.text).iter().take(8) {
            write!(hash, "{byte:02x}").ok();
        }
        hash
    }

    /// Understands it, and looks at the files that it names; without `offline` also at the hosts.
    ///
    /// # Errors
    ///
    /// Every fault, each beginning with `FILE: line N, column M:`.
    pub(crate) fn config(&self, offline: bool) -> Result<Config, String> {
        let mut problems = Problems::new(self.path.display().to_string(), &self.text);
        if let Some(odd) = self.odd {
            problems.add(odd..odd, "this is not UTF-8, which a configuration is written in");
        }
        let (root, errors) = DeTable::parse_recoverable(&self.text);
        for error in errors {
            let end = self.text.len();
            problems.add(error.span().unwrap_or(end..end), error.message());
        }
        let config = problems.is_empty().then(|| {
            let section = Section::new(root.get_ref(), 0..0);
            Reading { problems: &mut problems, checks: Checks { resolve: !offline } }.root(section)
        });
        match config {
            Some(config) if problems.is_empty() => Ok(config),
            _ => {
                problems.sort();
                Err(problems.to_string())
            }
        }
    }
}

/// A file while it is understood.
pub(super) struct Reading<'p, 't> {
    pub(super) problems: &'p mut Problems<'t>,
    pub(super) checks: Checks,
}

impl Reading<'_, '_> {
    fn root(mut self, mut root: Section<'_, '_>) -> Config {
        let signing = self.signing(&mut root);
        let mut listen = self.listeners(&mut root, &signing);
        let outputs = self.outputs(&mut root);
        let routes = self.routes(&mut root, &outputs);
        let spool = self.spool(&mut root, &signing);
        let records = self.records(&mut root);
        let mut log_bytes = LOG_BYTES;
        if let Some(mut log) = root.table(self.problems, "log") {
            log_bytes = self.size(&mut log, "max_bytes", LOG_BYTES);
            log.finish(self.problems);
        }
        let dead_letters = self.dead_letters(&mut root, &outputs);
        let admin = self.admin(&mut root);
        if let Some(limit) = root.duration(self.problems, "drain_timeout") {
            for listen in &mut listen {
                listen.limits.drain_timeout = limit.value;
            }
        }
        root.finish(self.problems);
        Config {
            listen,
            signing,
            records,
            outputs,
            routes,
            level: None,
            spool,
            log_bytes,
            dead_letters,
            admin,
        }
    }

    /// A number of bytes that is not nothing.
    pub(super) fn size(&mut self, section: &mut Section<'_, '_>, name: &'static str, default: u64) -> u64 {
        match section.size(self.problems, name) {
            Some(At { value: 0, span }) => {
                self.problems.add(span, format!("`{name}`: nothing fits into 0 bytes"));
                default
            }
            Some(found) => found.value,
            None => default,
        }
    }

    pub(super) fn secret(
        &mut self,
        section: &mut Section<'_, '_>,
        name: &'static str,
    ) -> Option<At<PathBuf>> {
        section.parse(self.problems, name, check::secret)
    }

    /// Something that must be there.
    pub(super) fn need<T>(&mut self, section: &Section<'_, '_>, name: &str, found: Option<T>) -> Option<T> {
        if found.is_none() && !section.has(name) {
            self.problems.add(section.span(), format!("`{name}` is missing here"));
        }
        found
    }

    fn signing(&mut self, root: &mut Section<'_, '_>) -> Signing {
        let mut signing = Signing::default();
        if let Some(keys) = root.table(self.problems, "keys") {
            for (id, value) in keys.entries() {
                let path = text(value.get_ref()).and_then(|text| check::secret(&text));
                match &path {
                    Ok(path) => check::key_file(self.problems, &id.value, path, value.span()),
                    Err(error) => self.problems.add(value.span(), format!("`{}`: {error}", id.value)),
                }
                // The id is known, whatever became of its file.
                signing.keys.push((id.value, path.unwrap_or_default()));
            }
        }
        if let Some(folder) = root.path(self.problems, "keys_dir") {
            match check::keys_in(&folder.value) {
                Ok(keys) => {
                    for (id, path) in keys {
                        if signing.keys.iter().any(|(known, _)| *known == id) {
                            let text = format!("{}: [keys] has the id {id:?} as well", path.display());
                            self.problems.add(folder.span.clone(), text);
                        }
                        check::key_file(self.problems, &id, &path, folder.span.clone());
                    }
                }
                Err(error) => self.problems.add(folder.span, format!("{error:#}")),
            }
            signing.keys_dir = Some(folder.value);
        }
        if let Some(path) = self.secret(root, "plain_key") {
            check::plain_key(self.problems, &path);
            signing.plain_key = Some(path.value);
        }
        signing.audience = root.text(self.problems, "audience").map(|found| found.value).unwrap_or_default();
        signing.replay_state = root.path(self.problems, "replay_state").map(|found| found.value);
        signing
    }

    fn listeners(&mut self, root: &mut Section<'_, '_>, signing: &Signing) -> Vec<Listen> {
        let mut listen: Vec<Listen> = Vec::new();
        let sections = root.tables(self.problems, "listen");
        if sections.is_empty() {
            for address in DEFAULT_LISTENERS {
                listen.extend(address.parse().ok().map(|endpoint| Listen {
                    address: Address::Endpoint(endpoint),
                    limits: Limits::default(),
                    unix_mode: None,
                    tls: None,
                    require: Require::Nothing,
                    allow_unauthenticated: false,
                }));
            }
        }
        for mut section in sections {
            if let Some((found, span)) = self.listener(&mut section, signing) {
                // Port 0 is another one each time.
                let again =
                    listen.iter().any(|known| known.address == found.address) && !found.takes_any_port();
                if again {
                    self.problems.add(span, "this address stands above already");
                }
                listen.push(found);
            }
            section.finish(self.problems);
        }
        listen
    }

    fn listener(
        &mut self,
        section: &mut Section<'_, '_>,
        signing: &Signing,
    ) -> Option<(Listen, Range<usize>)> {
        let address = section.parse(self.problems, "address", |text| {
            if text == "systemd" || text == "systemd://" {
                return Ok(Address::Systemd(None));
            }
            if let Some(name) = text.strip_prefix("systemd://") {
                if name.contains([':', '/']) {
                    return Err(format!(
                        "{text:?}: expected systemd://NAME, with the FileDescriptorName= of a socket unit"
                    ));
                }
                return Ok(Address::Systemd(Some(name.to_owned())));
            }
            let endpoint: Result<Endpoint, _> = text.parse();
            endpoint.map(Address::Endpoint).map_err(|error| {
                format!("{text:?}: {error}; expected SCHEME://ADDRESS with {SCHEMES}, such as tcp://127.0.0.1:9020")
            })
        });
        let mode = section.parse(self.problems, "mode", units::octal);
        let tls = self.tls_files(section);
        let require = self.require(section, signing);
        let limits = self.limits(section);
        let allow = section.flag(self.problems, "allow_unauthenticated").unwrap_or(false);
        let At { value: address, span } = self.need(section, "address", address)?;
        if let Address::Endpoint(endpoint) = &address {
            let is_tls = endpoint.transport() == Transport::Tls;
            if is_tls && tls.is_none() && !section.has("certificate") {
                self.problems.add(span.clone(), "a tls listener needs `certificate` and `private_key`");
            }
            if !is_tls && let Some(tls) = &tls {
                self.problems
                    .add(tls.span.clone(), "certificates are for tls listeners: write tls:// in `address`");
            }
            if let Some(mode) = &mode
                && !matches!(endpoint.transport(), Transport::Unix | Transport::UnixDatagram)
            {
                self.problems.add(mode.span.clone(), "`mode` is for Unix sockets");
            }
            if !endpoint.is_local() && require == Require::Nothing && !is_tls && !allow {
                self.problems.add(
                    span.clone(),
                    "others can reach this address, and anybody could send records: give `require_keys`, use tls://, \
                     or say `allow_unauthenticated = true`",
                );
            }
            if self.checks.resolve {
                check::endpoint(self.problems, endpoint, span.clone());
            }
        }
        let listen = Listen {
            address,
            limits,
            unix_mode: mode.map(|mode| mode.value),
            tls: tls.map(|tls| tls.value),
            require,
            allow_unauthenticated: allow,
        };
        Some((listen, span))
    }

    fn tls_files(&mut self, section: &mut Section<'_, '_>) -> Option<At<TlsFiles>> {
        let certificate = section.path(self.problems, "certificate");
        let private_key = self.secret(section, "private_key");
        let client_ca = section.path(self.problems, "client_ca");
        match (certificate, private_key) {
            (Some(certificate), Some(private_key)) => {
                let files = TlsFiles {
                    certificate: certificate.value,
                    private_key: private_key.value,
                    client_ca: client_ca.map(|found| found.value),
                };
                check::tls(self.problems, &files, certificate.span.clone());
                Some(At { value: files, span: certificate.span })
            }
            (Some(one), None) if !section.has("private_key") => {
                self.problems.add(one.span, "`private_key` is missing beside it");
                None
            }
            (None, Some(one)) if !section.has("certificate") => {
                self.problems.add(one.span, "`certificate` is missing beside it");
                None
            }
            (None, None) => {
                if let Some(ca) = client_ca {
                    self.problems.add(ca.span, "`certificate` and `private_key` are missing beside it");
                }
                None
            }
            _ => None,
        }
    }

    fn require(&mut self, section: &mut Section<'_, '_>, signing: &Signing) -> Require {
        let plain = section.flag(self.problems, "require_plain_key").unwrap_or(false);
        let Some(keys) = section.texts(self.problems, "require_keys") else {
            if plain && signing.plain_key.is_none() {
                self.problems
                    .add(section.span(), "`require_plain_key`, and there is no `plain_key` at the top");
            }
            return if plain { Require::Plain } else { Require::Nothing };
        };
        if plain {
            self.problems.add(section.span(), "either `require_keys` or `require_plain_key`");
        }
        if keys.is_empty() {
            self.problems.add(section.span(), "`require_keys` names no key");
        }
        for key in &keys {
            if let Err(error) = KeyId::new(key.value.as_bytes()) {
                self.problems.add(key.span.clone(), format!("key id {:?}: {error}", key.value));
            } else if signing.keys_dir.is_none() && !signing.keys.iter().any(|(id, _)| *id == key.value) {
                let ids = signing.keys.iter().map(|(id, _)| id.as_str());
                let text = format!("[keys] has no {:?}{}", key.value, expected(&key.value, ids));
                self.problems.add(key.span.clone(), text);
            }
        }
        Require::Keys(keys.into_iter().map(|key| key.value).collect())
    }

    fn limits(&mut self, section: &mut Section<'_, '_>) -> Limits {
        let default = Limits::default();
        let mut count = |name| {
            let At { value, span } = section.number(self.problems, name)?;
            if value == 0 {
                self.problems.add(span, format!("`{name}`: nobody could connect; give 1 or more"));
            }
            Some(usize::try_from(value).unwrap_or(usize::MAX))
        };
        let max_connections = count("max_connections").unwrap_or(default.max_connections);
        let max_connections_per_peer = count("max_connections_per_peer");
        Limits {
            max_frame: section
                .parse(self.problems, "max_frame", units::frame_len)
                .map_or(default.max_frame, |found| found.value),
            max_connections,
            max_connections_per_peer,
            idle_timeout: section
                .parse(self.problems, "idle_timeout", units::limit)
                .map_or(default.idle_timeout, |found| found.value.0),
            frame_timeout: section
                .parse(self.problems, "frame_timeout", units::limit)
                .map_or(default.frame_timeout, |found| found.value.0),
            drain_timeout: default.drain_timeout,
        }
    }

    fn records(&mut self, root: &mut Section<'_, '_>) -> Records {
        let mut records = Records { globals: Globals::Inert, allow: Vec::new() };
        let Some(mut section) = root.table(self.problems, "records") else { return records };
        let words = [
            ("reject", Globals::Reject),
            ("known", Globals::Known),
            ("describe", Globals::Inert),
            ("inert", Globals::Inert),
        ];
        if let Some(found) = section.word(self.problems, "globals", &words) {
            records.globals = found.value;
        }
        let allow = section.texts(self.problems, "allow").unwrap_or_default();
        for At { value, span } in &allow {
            if !value.contains('.') || value.contains(char::is_whitespace) {
                self.problems.add(span.clone(), "a name is MODULE.NAME, such as decimal.Decimal");
            }
        }
        records.allow = allow.into_iter().map(|name| name.value).collect();
        section.finish(self.problems);
        records
    }

    fn outputs(&mut self, root: &mut Section<'_, '_>) -> Vec<Output> {
        let mut outputs = Vec::new();
        let mut places: Vec<PathBuf> = Vec::new();
        if let Some(section) = root.table(self.problems, "output") {
            for (name, value) in section.entries() {
                let Some(table) = value.get_ref().as_table() else {
                    self.problems.add(name.span, format!("an output is a table: [output.{}]", name.value));
                    continue;
                };
                let mut section = Section::new(table, name.span.clone());
                if let Some(output) = self.output(&name, &mut section) {
                    if let OutputKind::File { path, .. } = &output.kind {
                        if places.contains(path) {
                            self.problems.add(name.span.clone(), "another output writes to the same file");
                        }
                        places.push(path.clone());
                    }
                    if matches!(output.kind, OutputKind::Stdout { .. })
                        && outputs
                            .iter()
                            .any(|known: &Output| matches!(known.kind, OutputKind::Stdout { .. }))
                    {
                        self.problems.add(name.span.clone(), "another output writes to standard output");
                    }
                    outputs.push(output);
                }
                section.finish(self.problems);
            }
            return outputs;
        }
        let format = Format {
            format: None,
            style: StyleArg::Percent,
            datefmt: None,
            defaults: Vec::new(),
            raw: false,
        };
        vec![Output {
            name: OUTPUT.to_owned(),
            kind: OutputKind::Stdout { format },
            when_behind: None,
            max_lag: None,
        }]
    }

    fn output(&mut self, name: &At<String>, section: &mut Section<'_, '_>) -> Option<Output> {
        let word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if name.value.is_empty() || !name.value.as_bytes().iter().all(word) {
            self.problems.add(name.span.clone(), "an output's name is made of letters, digits, - and _");
        }
        let kinds = [("file", 'f'), ("stdout", 's'), ("otlp", 'o'), ("nats", 'n')];
        let kind = section.word(self.problems, "type", &kinds);
        let behind = [
            ("block", WhenBehind::Block),
            ("drop-newest", WhenBehind::DropNewest),
            ("drop-oldest", WhenBehind::DropOldest),
        ];
        let when_behind = section.word(self.problems, "when_behind", &behind).map(|found| found.value);
        let max_lag = section.size(self.problems, "max_lag").map(|found| found.value);
        let kind = self.need(section, "type", kind);
        // Without a type nobody knows which options are right.
        let Some(kind) = kind else {
            section.know_all();
            return None;
        };
        let kind = match kind.value {
            'f' => self.file_output(section),
            's' => Some(OutputKind::Stdout { format: self.format(section) }),
            'o' => self.otlp_output(section),
            _ => {
                if !cfg!(feature = "nats") {
                    self.problems.add(kind.span, format!("`type`: {NO_NATS}"));
                }
                self.nats_output(section)
            }
        };
        Some(Output { name: name.value.clone(), kind: kind?, when_behind, max_lag })
    }

    fn format(&mut self, section: &mut Section<'_, '_>) -> Format {
        let styles = [("%", StyleArg::Percent), ("{", StyleArg::Brace), ("$", StyleArg::Dollar)];
        let format = section.text(self.problems, "format");
        let style = section.word(self.problems, "style", &styles);
        let built = Format {
            format: format.as_ref().map(|found| found.value.clone()),
            style: style.map_or(StyleArg::Percent, |found| found.value),
            datefmt: section.text(self.problems, "datefmt").map(|found| found.value),
            defaults: self.text_table(section, "defaults"),
            raw: section.flag(self.problems, "raw").unwrap_or(false),
        };
        if let (Some(At { span, .. }), Err(error)) = (format, line_format(&built, false, false)) {
            self.problems.add(span, format!("{}", error.root_cause()));
        }
        built
    }

    fn file_output(&mut self, section: &mut Section<'_, '_>) -> Option<OutputKind> {
        let path = section.path(self.problems, "path");
        let format = self.format(section);
        let mut rotate = None;
        if let Some(mut table) = section.table(self.problems, "rotate") {
            let kinds = [("gzip", true), ("none", false)];
            let size = table.size(self.problems, "size");
            let age = table.duration(self.problems, "age");
            let nothing = [
                size.as_ref().filter(|size| size.value == 0).map(|size| &size.span),
                age.as_ref().filter(|age| age.value.is_zero()).map(|age| &age.span),
            ];
            for span in nothing.into_iter().flatten() {
                self.problems
                    .add(span.clone(), "every record would have a file of its own: give more than 0");
            }
            if !table.has("size") && !table.has("age") {
                self.problems.add(table.span(), "`rotate` needs `size` or `age`");
            }
            rotate = Some(Rotate {
                size: size.map(|found| found.value),
                age: age.map(|found| found.value),
                keep: table.number(self.problems, "keep").map_or(10, |found| found.value),
                gzip: table.word(self.problems, "compress", &kinds).is_some_and(|found| found.value),
            });
            table.finish(self.problems);
        }
        let path = self.need(section, "path", path)?.value;
        Some(OutputKind::File { path, format, rotate })
    }

    /// A table of names of the user's own.
    pub(super) fn text_table(
        &mut self,
        section: &mut Section<'_, '_>,
        name: &'static str,
    ) -> Vec<(String, String)> {
        let mut found = Vec::new();
        if let Some(table) = section.table(self.problems, name) {
            for (name, value) in table.entries() {
                match text(value.get_ref()) {
                    Ok(text) => found.push((name.value, text)),
                    Err(error) => self.problems.add(value.span(), format!("`{}`: {error}", name.value)),
                }
            }
        }
        found
    }

    fn level(&mut self, section: &mut Section<'_, '_>) -> Option<Level> {
        let names = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];
        let found = section.take(self.problems, "level", |value| {
            if let DeValue::Integer(number) = value {
                let number = i64::from_str_radix(number.as_str(), number.radix());
                return number.map(Level::new).map_err(|_| "not a level".to_owned());
            }
            let text = text(value)?;
            Level::from_name(&text).ok_or_else(|| {
                format!("unknown level {text:?}{}, or a number", expected(&text, names.iter().copied()))
            })
        });
        found.map(|found| found.value)
    }

    fn routes(&mut self, root: &mut Section<'_, '_>, outputs: &[Output]) -> Vec<Route> {
        let mut routes = Vec::new();
        let mut caught_all = false;
        for mut section in root.tables(self.problems, "route") {
            let loggers = section.texts(self.problems, "logger").unwrap_or_default();
            let level = self.level(&mut section);
            let to = section.texts(self.problems, "to");
            let go_on = section.flag(self.problems, "continue").unwrap_or(false);
            if let Some(to) = self.need(&section, "to", to) {
                for name in &to {
                    if !outputs.iter().any(|output| output.name == name.value) {
                        let names = outputs.iter().map(|output| output.name.as_str());
                        let text =
                            format!("no output is called {:?}{}", name.value, expected(&name.value, names));
                        self.problems.add(name.span.clone(), text);
                    }
                }
                if caught_all {
                    self.problems.add(section.span(), "never reached: the route above takes every record");
                }
                caught_all = loggers.is_empty() && level.is_none() && !go_on;
                routes.push(Route {
                    loggers: loggers.into_iter().map(|logger| logger.value).collect(),
                    level,
                    to: to.into_iter().map(|name| name.value).collect(),
                    go_on,
                });
            }
            section.finish(self.problems);
        }
        routes
    }

    fn spool(&mut self, root: &mut Section<'_, '_>, signing: &Signing) -> Option<Spool> {
        let mut section = root.table(self.problems, "spool")?;
        let path = section.path(self.problems, "path");
        let default = Spool::new(PathBuf::new());
        let max_bytes = self.size(&mut section, "max_bytes", default.max_bytes);
        let retain = section.size(self.problems, "retain").map_or(default.retain, |found| found.value);
        let sync = section.parse(self.problems, "sync", |text| match text {
            "ack" => Ok(Sync::Ack),
            "never" => Ok(Sync::Never),
            _ => units::duration(text)
                .map(Sync::Every)
                .map_err(|_| format!("{text:?}: expected \"ack\", \"never\" or an interval such as \"1s\"")),
        });
        if signing.replay_state.is_some() {
            self.problems.add(section.span(), "the spool is the replay state: leave `replay_state` out");
        }
        let path = self.need(&section, "path", path);
        section.finish(self.problems);
        Some(Spool {
            path: path?.value,
            max_bytes,
            retain,
            sync: sync.map_or(Sync::Ack, |found| found.value),
        })
    }

    fn dead_letters(&mut self, root: &mut Section<'_, '_>, outputs: &[Output]) -> Option<DeadLetters> {
        let mut section = root.table(self.problems, "dead_letters")?;
        let path = section.path(self.problems, "path");
        let max_bytes = self.size(&mut section, "max_bytes", DEAD_LETTER_BYTES);
        let path = self.need(&section, "path", path);
        section.finish(self.problems);
        let At { value: path, span } = path?;
        let writes_to =
            |output: &Output| matches!(&output.kind, OutputKind::File { path: its, .. } if *its == path);
        if let Some(output) = outputs.iter().find(|output| writes_to(output)) {
            self.problems
                .add(span, format!("[output.{}] writes to the same file: give each its own", output.name));
        }
        Some(DeadLetters { path, max_bytes })
    }

    fn admin(&mut self, root: &mut Section<'_, '_>) -> Option<Admin> {
        let mut section = root.table(self.problems, "admin")?;
        let address = section.parse(self.problems, "address", AdminAddress::parse);
        let token_file = self.secret(&mut section, "token_file");
        if let Some(file) = &token_file {
            check::readable(self.problems, file);
            check::private(self.problems, file);
        }
        let tls = self.tls_files(&mut section);
        let address = self.need(&section, "address", address);
        let is_told = ["certificate", "private_key", "token_file"].iter().all(|name| section.has(name));
        section.finish(self.problems);
        let At { value: address, span } = address?;
        if let (AdminAddress::Unix(_), Some(tls)) = (&address, &tls) {
            self.problems.add(tls.span.clone(), "certificates are for an address with a port");
        }
        let (tls, token_file) = (tls.map(|found| found.value), token_file.map(|found| found.value));
        let admin = Admin { address, token_file, tls };
        if !admin.is_guarded() && !is_told {
            self.problems.add(span, UNGUARDED);
        }
        Some(admin)
    }
}
