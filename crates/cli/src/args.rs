//! The command line: what can be typed, and the help that teaches it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use logrecord::model::{Level, Style};
use logrecord::pickle;
use logrecord::transport::{Endpoint, Error};

use crate::exit::Failure;
use crate::units::{self, Limit};

/// Receive, send, decode and inspect the pickled LogRecords of Python programs.
///
/// Python's logging.handlers.SocketHandler and DatagramHandler send each record as a pickle. Pickles
/// are programs; this one reads them as data and never runs them.
#[derive(Debug, Parser)]
#[command(name = "logrecord", version = VERSION, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "\
Begin with `logrecord serve`; `logrecord serve --help` has the few lines of Python that send to it.

Exit codes: 0 well; 1 some input was rejected; 2 usage; 69 an address, a file or an output cannot be
opened; 78 configuration or key file. Each command's --help says which of them it has.")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) manners: Manners,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The version, and the commit where it is known.
pub(crate) const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), env!("LOGRECORD_COMMIT"));

/// How a command behaves towards whoever reads what it says.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "General")]
pub(crate) struct Manners {
    /// Colours. auto: on a terminal, unless NO_COLOR is set; also elsewhere, if CLICOLOR_FORCE is
    #[arg(
        long,
        value_name = "auto|always|never",
        value_enum,
        default_value = "auto",
        hide_possible_values = true,
        global = true
    )]
    pub(crate) color: Color,
    /// Say on standard error only what is wrong, and of `serve` the counts
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say more on standard error: of `serve`, what is in force, and every refusal instead of one a second
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
}

/// When there are colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Serve(Box<ServeArgs>),
    Validate(ValidateArgs),
    Send(Box<SendArgs>),
    Tail(TailArgs),
    Decode(DecodeArgs),
    Encode(EncodeArgs),
    Inspect(InspectArgs),
    /// Look into a spool that no program has open.
    Spool {
        #[command(subcommand)]
        command: SpoolCommand,
    },
    /// Make keys for the HMAC envelope.
    Key {
        #[command(subcommand)]
        command: KeyCommand,
    },
    Completions(CompletionsArgs),
    Man(ManArgs),
}

/// Print a completion script for a shell.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
    source <(logrecord completions bash)
    logrecord completions bash > ~/.local/share/bash-completion/completions/logrecord
    logrecord completions zsh > ~/.zfunc/_logrecord    with fpath+=~/.zfunc before compinit in .zshrc
    logrecord completions fish > ~/.config/fish/completions/logrecord.fish")]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

/// Write a man page for each command into a folder.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
    logrecord man ~/.local/share/man/man1 && man logrecord-serve")]
pub(crate) struct ManArgs {
    /// The folder; it is made if it is not there
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    New(KeyNewArgs),
}

/// Addresses of both ends: where `serve` listens, and where `send` sends.
#[derive(Args, Debug)]
#[group(id = "addresses", multiple = true)]
#[command(next_help_heading = "Addresses")]
pub(crate) struct Addresses {
    /// TCP, as SocketHandler(HOST, PORT) speaks it; to listen, port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) tcp: Vec<String>,
    /// UDP, as DatagramHandler(HOST, PORT) speaks it
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) udp: Vec<String>,
    /// A Unix stream socket, as SocketHandler(PATH, None) speaks it
    #[arg(long, value_name = "PATH")]
    pub(crate) unix: Vec<PathBuf>,
    /// A Unix datagram socket, as DatagramHandler(PATH, None) speaks it; to listen, it is always drained
    #[arg(long, value_name = "PATH")]
    pub(crate) unix_dgram: Vec<PathBuf>,
    /// TLS over TCP; to listen, it needs --tls-cert and --tls-key, to send, --tls-ca
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) tls: Vec<String>,
}

impl Addresses {
    /// Reads them all.
    pub(crate) fn endpoints(&self) -> anyhow::Result<Vec<Endpoint>> {
        let mut endpoints = Vec::new();
        let mut add = |option: &str, address: &str, read: Result<Endpoint, Error>, hint: &str| {
            let endpoint = read.map_err(|error| anyhow!("{option} {address}: {error}{hint}"));
            endpoints.push(endpoint.context(Failure::usage("malformed address"))?);
            anyhow::Ok(())
        };
        let hint = "; expected HOST:PORT, such as 127.0.0.1:9020";
        for address in &self.tcp {
            add("--tcp", address, Endpoint::tcp(address), hint)?;
        }
        for address in &self.udp {
            add("--udp", address, Endpoint::udp(address), hint)?;
        }
        for path in &self.unix {
            add("--unix", &path.to_string_lossy(), Endpoint::unix(path), "")?;
        }
        for path in &self.unix_dgram {
            add("--unix-dgram", &path.to_string_lossy(), Endpoint::unix_datagram(path), "")?;
        }
        for address in &self.tls {
            add("--tls", address, Endpoint::tls(address), hint)?;
        }
        Ok(endpoints)
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum SpoolCommand {
    /// List segments, cursors and the checkpoint, without reading the records.
    #[command(
        after_help = "Exit codes: 0 well; 2 usage; 69 a program has the spool open, or it cannot be read."
    )]
    Inspect(SpoolArgs),
    /// Read every record, and exit with 1 if anything is damaged.
    #[command(after_help = "\
Exit codes: 0 all of it is whole; 1 something is damaged; 2 usage; 69 a program has the spool open, or it
cannot be read.")]
    Verify(SpoolArgs),
}

#[derive(Debug, Args)]
pub(crate) struct SpoolArgs {
    /// The directory.
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
}

const SERVE_EXAMPLES: &str = "\
The Python side, for the default listeners:

    import logging, logging.handlers
    logging.getLogger().addHandler(logging.handlers.SocketHandler('127.0.0.1', 9020))
    logging.getLogger().setLevel(logging.INFO)
    logging.info('hello %s', 'world')

Examples:
    logrecord serve                                     TCP 127.0.0.1:9020 and UDP 127.0.0.1:9021
    logrecord serve --unix /run/log.sock --output all.jsonl --dead-letter dead.jsonl
    logrecord serve --output all.jsonl --spool spool --admin 127.0.0.1:9022
    logrecord serve --format '%(asctime)s %(message)s'
    logrecord serve --tcp 0.0.0.0:9020 --hmac-key web=/etc/logrecord/web.key

Signals: SIGINT and SIGTERM drain and exit 0, a second one exits at once; SIGHUP reopens the output
and the dead-letter file and reads the keys and the configuration again (with a fault in them the
old ones stay); SIGUSR1 prints the counts.

At the end a line of counts is printed: received = written + filtered + rejected + dropped, always.
With --spool, what was found at the start is resumed, and what stays there at the end is buffered.

Exit codes: 0 well, also when the reader of standard output has seen enough; 2 usage; 69 an address
or output cannot be opened, or the only output has failed for good; 78 configuration or key file.";

/// Receive records from Python programs and write one line for each.
///
/// Nothing that arrives is ever run. What cannot be decoded or verified is named on standard error,
/// counted, and kept in the dead-letter file if there is one.
#[derive(Args, Debug)]
#[command(after_help = SERVE_EXAMPLES)]
#[command(mut_args(|arg| if ["config", "takeover"].contains(&arg.get_id().as_str()) { arg } else { arg.conflicts_with("config") }))]
pub(crate) struct ServeArgs {
    /// Take everything from this file instead of options; see `logrecord validate --print-sample`
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Take over from the program that serves with the same PATH, its sockets and connections included, and wait
    /// there for the next one. Without one, just serve
    #[arg(long, value_name = "PATH")]
    pub(crate) takeover: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) addresses: Addresses,
    /// Take the sockets that systemd hands over (LISTEN_FDS)
    #[arg(long, help_heading = "Listeners")]
    pub(crate) systemd: bool,

    /// json: one object a line. text: asctime, level, logger, message, with colour on a terminal. Any
    /// other STRING: a logging.Formatter format. [default: text on a terminal, else json]
    #[arg(long, value_name = "json|text|STRING", help_heading = "Output", allow_hyphen_values = true)]
    pub(crate) format: Option<String>,
    /// The style of a format STRING, as in logging.Formatter
    #[arg(long, value_enum, default_value = "%", help_heading = "Output", allow_hyphen_values = true)]
    pub(crate) style: StyleArg,
    /// The strftime format of asctime in text output
    #[arg(long, value_name = "STRING", help_heading = "Output", allow_hyphen_values = true)]
    pub(crate) datefmt: Option<String>,
    /// What a format STRING writes for a name that a record lacks, as Formatter's defaults. Several can be given
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Output", allow_hyphen_values = true)]
    pub(crate) format_default: Vec<String>,
    /// Write text exactly as Python's Formatter would: control characters are not escaped, so a record
    /// can forge lines and colours
    #[arg(long, help_heading = "Output")]
    pub(crate) raw: bool,
    /// Where records go: - is standard output; a file is appended to
    #[arg(long, value_name = "-|PATH", default_value = "-", help_heading = "Output")]
    pub(crate) output: PathBuf,
    /// Keep what was rejected in this file, as JSON lines with time, peer, reason and the frame in base64
    #[arg(long, value_name = "PATH", help_heading = "Output")]
    pub(crate) dead_letter: Option<PathBuf>,
    /// What the dead letters may have on the disk: at half of it the file is renamed to PATH.1 and begun anew
    #[arg(long, value_name = "BYTES", value_parser = units::bytes, default_value = "1GiB", help_heading = "Output", requires = "dead_letter")]
    pub(crate) dead_letter_max: u64,

    /// Accept records signed with this key; several keys can be given. See `logrecord key new`
    #[arg(long, value_name = "ID=FILE", help_heading = "Signing")]
    pub(crate) hmac_key: Vec<String>,
    /// Accept records of the plain form: HMAC-SHA256 tag, then the pickle
    #[arg(long, value_name = "FILE", help_heading = "Signing", conflicts_with = "hmac_key")]
    pub(crate) hmac_plain_key: Option<PathBuf>,
    /// The name that senders sign for, so that a record for one receiver is refused by another
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true,
        requires = "hmac_key",
        help_heading = "Signing"
    )]
    pub(crate) audience: String,
    /// Keep the replay windows in this file over a restart; without it, what predates the start is refused
    #[arg(long, value_name = "FILE", help_heading = "Signing", requires = "hmac_key")]
    pub(crate) replay_state: Option<PathBuf>,

    /// Leave out records below this level: a name or a number
    #[arg(long, value_name = "LEVEL", value_parser = units::level, help_heading = "Output")]
    pub(crate) level: Option<Level>,
    /// Keep records in this folder until they are delivered, over a restart and a kill
    #[arg(long, value_name = "DIR", help_heading = "Output", conflicts_with = "replay_state")]
    pub(crate) spool: Option<PathBuf>,
    /// Serve the live view, /health, /ready, /metrics and /status here: a loopback address, or the path of a Unix socket
    #[arg(long, value_name = "IP:PORT|PATH", help_heading = "Output")]
    pub(crate) admin: Option<String>,

    /// What to make of opcodes that name or call things; nothing is ever run. describe: read plain data of the
    /// standard library (datetime, Decimal, set ...), write any other name as a description, and report it.
    /// known: refuse a record with another name. reject: refuse a record with any
    #[arg(long, value_enum, default_value = "describe", help_heading = "Decoding")]
    pub(crate) globals: GlobalsArg,
    /// Let this global stand, such as mypkg.Status: it is no reason to refuse a record, and is not reported
    #[arg(long, value_name = "NAME", help_heading = "Decoding")]
    pub(crate) allow_global: Vec<String>,

    /// Longest frame: a client that announces more is disconnected
    #[arg(long, value_name = "BYTES", value_parser = units::frame_len, default_value = "1MiB", help_heading = "Limits")]
    pub(crate) max_frame: u32,
    /// Most connections of one listener
    #[arg(long, value_name = "N", value_parser = at_least_one(), default_value = "16384", help_heading = "Limits")]
    pub(crate) max_connections: usize,
    /// Most connections of one peer address [default: no limit]
    #[arg(long, value_name = "N", value_parser = at_least_one(), help_heading = "Limits")]
    pub(crate) max_connections_per_peer: Option<usize>,
    /// Close a connection that is silent for this long. A stock SocketHandler loses two records each time
    #[arg(long, value_name = "DUR", value_parser = units::limit, default_value = "off", help_heading = "Limits")]
    pub(crate) idle_timeout: Limit,
    /// Close a connection that does not complete a frame in this time
    #[arg(long, value_name = "DUR", value_parser = units::limit, default_value = "30s", help_heading = "Limits")]
    pub(crate) frame_timeout: Limit,
    /// How long to read on what is already there when told to stop
    #[arg(long, value_name = "DUR", value_parser = units::duration, default_value = "5s", help_heading = "Limits")]
    pub(crate) drain_timeout: Duration,

    /// The certificate chain of --tls listeners, PEM
    #[arg(long, value_name = "FILE", help_heading = "Security", requires_all = ["tls_key", "tls"])]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The private key of --tls listeners, PEM
    #[arg(long, value_name = "FILE", help_heading = "Security", requires_all = ["tls_cert", "tls"])]
    pub(crate) tls_key: Option<PathBuf>,
    /// Ask clients of --tls listeners for a certificate of one of these authorities, PEM
    #[arg(long, value_name = "FILE", help_heading = "Security", requires_all = ["tls_cert", "tls"])]
    pub(crate) tls_client_ca: Option<PathBuf>,
    /// The file mode of Unix sockets, octal
    #[arg(long, value_name = "OCTAL", value_parser = units::octal, help_heading = "Security")]
    pub(crate) unix_mode: Option<u32>,
    /// Allow addresses that are not loopback although there is neither a key nor TLS
    #[arg(long, help_heading = "Security")]
    pub(crate) allow_unauthenticated: bool,
}

/// Check a configuration file for `serve --config`, and tell everything that is wrong with it.
#[derive(Args, Debug)]
#[command(after_help = "\
Each fault begins with FILE: line N, column M. Keys, certificates and credentials are opened, and
the names of hosts are resolved; nothing is bound and nothing is connected to.

Examples:
    logrecord validate --print-sample > logrecord.toml
    logrecord validate logrecord.toml && systemctl reload logrecord

Exit codes: 0 valid; 2 usage; 78 not valid.")]
pub(crate) struct ValidateArgs {
    /// Resolve no names of hosts
    #[arg(long)]
    pub(crate) offline: bool,
    /// Print a file with comments, to begin with
    #[arg(long, conflicts_with = "file")]
    pub(crate) print_sample: bool,
    /// The file
    #[arg(value_name = "FILE", required_unless_present = "print_sample")]
    pub(crate) file: Option<PathBuf>,
}

const SEND_EXAMPLES: &str = "\
Each line of standard input becomes one record: a JSON object in the schema of `serve --format json`
is sent as that record, any other line as a message with --name and --level. Objects of other
programs count, too: message, msg or event, level, levelname or severity, logger or name, time, ts,
timestamp or @timestamp are understood, what is missing comes from the options, and all else is in extra.

Examples:
    echo 'disk is full' | logrecord send --tcp 127.0.0.1:9020 --level ERROR --name backup
    logrecord send --unix /run/log.sock < all.jsonl

Exit codes: 0 all was handed to the network; 1 some lines could not be sent or were no records;
2 usage; 69 the target cannot be reached; 78 key file.";

/// Send records to a receiver, as Python's SocketHandler or DatagramHandler does.
#[derive(Args, Debug)]
#[command(after_help = SEND_EXAMPLES)]
#[command(mut_group("addresses", |group| group.required(true).multiple(false)))]
pub(crate) struct SendArgs {
    #[command(flatten)]
    pub(crate) addresses: Addresses,

    /// Trust the authorities in this file, PEM [default: the server certificate must be given here]
    #[arg(long, value_name = "FILE", help_heading = "Security", requires = "tls")]
    pub(crate) tls_ca: Option<PathBuf>,
    /// The client's certificate chain, PEM
    #[arg(long, value_name = "FILE", help_heading = "Security", requires_all = ["tls", "tls_key"])]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The client's private key, PEM
    #[arg(long, value_name = "FILE", help_heading = "Security", requires_all = ["tls", "tls_cert"])]
    pub(crate) tls_key: Option<PathBuf>,
    /// Sign each record with this key
    #[arg(long, value_name = "ID=FILE", help_heading = "Security", conflicts_with = "hmac_plain_key")]
    pub(crate) hmac_key: Option<String>,
    /// Sign each record in the plain form
    #[arg(long, value_name = "FILE", help_heading = "Security")]
    pub(crate) hmac_plain_key: Option<PathBuf>,
    /// The name of the receiver that is signed for
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true,
        help_heading = "Security"
    )]
    pub(crate) audience: String,

    /// The logger name of plain lines
    #[arg(long, value_name = "LOGGER", default_value = "root")]
    pub(crate) name: String,
    /// The level of plain lines: a name or a number
    #[arg(long, value_name = "LEVEL", default_value = "INFO")]
    pub(crate) level: String,
}

const TAIL_EXAMPLES: &str = "\
It begins with the last ten records, goes on after a restart of the server where it was, and says what was not shown.

The words of a filter, which must all hold:
    connection \"reset by peer\"       text in the message, the logger, the traceback or the extras
    level:warning  logger:shop.db      this level and above; this logger and what is below it
    user:42  peer:10.0.0.7  since:15m  an attribute or extra; who sent it; by time
    -health  -logger:urllib3           not this (behind --)

Examples:
    logrecord tail 'http://127.0.0.1:9022/?token=3f0c...' level:warning
    logrecord tail --token-file /etc/logrecord/view.token 127.0.0.1:9022 -- -logger:urllib3
    logrecord tail --json unix:///run/logrecord/admin?token=3f0c... | jq .message

Exit codes: 0 the reader of the output is gone; 2 usage; 69 the server cannot be reached; 78 the token is refused.";

/// Follow the records of a running `serve --admin` in a terminal.
#[derive(Args, Debug)]
#[command(after_help = TAIL_EXAMPLES)]
pub(crate) struct TailArgs {
    /// Write JSON, one object a line, as `serve --format json` does
    #[arg(long)]
    pub(crate) json: bool,
    /// Only records of this level and above: a name or a number
    #[arg(long, value_name = "LEVEL", value_parser = units::level)]
    pub(crate) level: Option<Level>,
    /// Only records of this logger and what is below it; several can be given
    #[arg(long, value_name = "NAME")]
    pub(crate) logger: Vec<String>,
    /// The file with the token, as in the server's configuration
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Where it is: the link that `serve` prints, HOST:PORT, or the path of a Unix socket
    #[arg(value_name = "ADDR")]
    pub(crate) address: String,
    /// Words of a filter
    #[arg(value_name = "FILTER")]
    pub(crate) filter: Vec<String>,
}

const DECODE_EXAMPLES: &str = "\
One line of tagged JSON is written for each pickle: what JSON has no word for is an object with one
key, such as {\"$bytes\":\"...\"} or {\"$tuple\":[...]}. A pickle that is rejected yields
{\"$error\":{\"kind\":...,\"offset\":...,\"opcode\":...,\"global\":...}} on its line.

Examples:
    python3 -c 'import pickle, sys; pickle.dump({1: 2.5}, sys.stdout.buffer)' | logrecord decode
    echo 8004950800000000000000288c0161944b0174942e | logrecord decode --input hex
    logrecord decode --globals describe model.pkl

Exit codes: 0 well; 1 some input was rejected; 2 usage; 69 the file cannot be read.";

/// Decode pickles to tagged JSON, without running them.
#[derive(Args, Debug)]
#[command(after_help = DECODE_EXAMPLES)]
pub(crate) struct DecodeArgs {
    /// pickle: pickles one after another. frames: each behind a 4-byte length. hex: one a line
    #[arg(long, value_enum, default_value = "pickle")]
    pub(crate) input: InputArg,
    /// What to make of opcodes that name or call things. reject: an error. known: read plain data of the
    /// standard library, refuse the rest. describe: describe the rest
    #[arg(long, value_enum, default_value = "reject")]
    pub(crate) globals: GlobalsArg,
    /// With --globals known, also let this global stand, as an inert description
    #[arg(long, value_name = "NAME")]
    pub(crate) allow_global: Vec<String>,
    /// How to read Python 2's str. auto: text if it is UTF-8, else bytes
    #[arg(long, value_enum, default_value = "auto")]
    pub(crate) py2_str: Py2StrArg,
    /// What to do with lone surrogates in text
    #[arg(long, value_enum, default_value = "keep")]
    pub(crate) surrogates: SurrogatesArg,
    /// Write an object that is met again as {"$def":[n,...]} and then {"$ref":n}, cycles included
    #[arg(long)]
    pub(crate) refs: bool,
    /// The file to read; - is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    pub(crate) file: PathBuf,
}

/// Encode tagged JSON lines to pickles, byte for byte as CPython's pickle.dumps.
///
/// Each line of the input is one value in the spelling that `logrecord decode` writes.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
    echo '{\"a\":[1,2.5,null]}' | logrecord encode --protocol 4 | python3 -m pickle /dev/stdin
    echo '{\"$bytes\":\"AAE=\"}' | logrecord encode --protocol 2 --output hex

Exit codes: 0 well; 1 some line was rejected; 2 usage; 69 the file cannot be read.")]
pub(crate) struct EncodeArgs {
    /// The pickle protocol
    #[arg(long, value_name = "0..5", value_parser = clap::value_parser!(u8).range(0..=5))]
    pub(crate) protocol: u8,
    /// Leave the memo opcodes out: smaller and faster, and Python reads both
    #[arg(long)]
    pub(crate) no_memo: bool,
    /// pickle: pickles one after another. frames: each behind a 4-byte length. hex: one a line
    #[arg(long, value_enum, default_value = "pickle")]
    pub(crate) output: InputArg,
    /// The file to read; - is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    pub(crate) file: PathBuf,
}

/// Look into pickles without running them: files, folders, archives.
#[derive(Args, Debug)]
#[command(after_help = "\
Of one bare pickle it prints what python3 -m pickletools prints, and on the last line the verdict;
otherwise a line for each pickle, such as model.pt!archive/data.pkl: data only, and a summary:

    data only                          nothing is named or called
    names or calls: os.system at 12    every global that the pickle names, and where; a name that
                                       the pickle computes is an `unknown name`
    not a pickle: ...                  no unpickler gets to its end, and why

Zip archives (.pt, .npz), tar, gzip, zlib, bzip2, xz and .npy files are looked into, archives in
archives as well. What a name can do is said on standard error, and in --json.

Examples:
    logrecord inspect model.pkl
    logrecord inspect --fail-on calls --allow mypkg.Model models/
    curl ... | logrecord inspect --json -

Exit codes: 0 well; 1 something is as bad as --fail-on says, or a path that was named is not a
pickle; 2 usage; 69 a path cannot be read.")]
pub(crate) struct InspectArgs {
    /// Write one JSON object for each pickle
    #[arg(long)]
    pub(crate) json: bool,
    /// List the instructions of every pickle
    #[arg(long)]
    pub(crate) instructions: bool,
    /// pickle: files as they are. frames: each pickle behind a 4-byte length. hex: one a line
    #[arg(long, value_enum, default_value = "pickle")]
    pub(crate) input: InputArg,
    /// What makes the exit code 1: names that can run code, also unknown ones, or any
    #[arg(long, value_enum, default_value = "names")]
    pub(crate) fail_on: FailOn,
    /// A name that is no reason to fail, such as mypkg.Model; may be given several times
    #[arg(long, value_name = "NAME")]
    pub(crate) allow: Vec<String>,
    /// Files and folders; - is standard input
    #[arg(value_name = "PATH", default_value = "-")]
    pub(crate) paths: Vec<PathBuf>,
}

/// What makes `inspect` fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum FailOn {
    /// Any name or call.
    Names,
    /// A name that is not known to be harmless.
    Unknown,
    /// A name that can run code, or that the pickle computes.
    Calls,
    /// Nothing that was found.
    Never,
}

/// Write a fresh 32-byte key to a new file, in hexadecimal, mode 0600.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
    logrecord key new web.key
    logrecord serve --tcp 0.0.0.0:9020 --hmac-key web=web.key

Exit codes: 0 well; 2 usage; 69 the file is there already, or cannot be made.")]
pub(crate) struct KeyNewArgs {
    /// The file to make; it must not exist
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum InputArg {
    Pickle,
    Frames,
    Hex,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StyleArg {
    #[value(name = "%")]
    Percent,
    #[value(name = "{")]
    Brace,
    #[value(name = "$")]
    Dollar,
}

impl From<StyleArg> for Style {
    fn from(arg: StyleArg) -> Self {
        match arg {
            StyleArg::Percent => Self::Percent,
            StyleArg::Brace => Self::Brace,
            StyleArg::Dollar => Self::Dollar,
        }
    }
}

/// A limit that lets something through.
fn at_least_one() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..)
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum GlobalsArg {
    Reject,
    Known,
    #[value(alias = "inert")]
    Describe,
}

impl From<GlobalsArg> for pickle::Globals {
    fn from(arg: GlobalsArg) -> Self {
        match arg {
            GlobalsArg::Reject => Self::Reject,
            GlobalsArg::Known => Self::Known,
            GlobalsArg::Describe => Self::Inert,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Py2StrArg {
    Auto,
    Utf8,
    Latin1,
    Bytes,
}

impl From<Py2StrArg> for pickle::Py2Str {
    fn from(arg: Py2StrArg) -> Self {
        match arg {
            Py2StrArg::Auto => Self::Auto,
            Py2StrArg::Utf8 => Self::Utf8,
            Py2StrArg::Latin1 => Self::Latin1,
            Py2StrArg::Bytes => Self::Bytes,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum SurrogatesArg {
    Strict,
    Replace,
    Keep,
}

impl From<SurrogatesArg> for pickle::Surrogates {
    fn from(arg: SurrogatesArg) -> Self {
        match arg {
            SurrogatesArg::Strict => Self::Strict,
            SurrogatesArg::Replace => Self::Replace,
            SurrogatesArg::Keep => Self::Keep,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }
}
